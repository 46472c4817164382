"""How a stored table must change to be what its layout says: the statements, and nothing more."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from ml_assets.platform.databricks import sql
from ml_assets.platform.databricks.catalog import EVENT_TIME, PRIMARY_KEYS
from ml_assets.spec.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ml_assets.platform.databricks.catalog import Stored
    from ml_assets.spec.catalog import ColumnInfo, TableLayout

#: What Unity Catalog refuses in tags (of tables and of model versions alike).
_REFUSED_IN_TAG_NAMES = re.compile(r"[.,\-=/:]|^\s|\s$")
_LONGEST_TAG_NAME, _LONGEST_TAG_VALUE, _MOST_TAGS = 255, 1000, 50


def is_feature_table(layout: TableLayout) -> bool:
    """Whether the keys can be a primary-key constraint: Unity Catalog asks for NOT NULL columns."""
    keys = key_columns(layout)
    return bool(layout.primary_keys) and set(keys) <= set(layout.not_null)


def key_columns(layout: TableLayout) -> tuple[str, ...]:
    """The primary keys, then the event time when there is one."""
    return (*layout.primary_keys, *([layout.event_time] if layout.event_time else []))


def noted_keys(layout: TableLayout) -> dict[str, str]:
    """Properties that hold the keys where they cannot be a constraint; empty where they are one."""
    if is_feature_table(layout) or not key_columns(layout):
        return {}
    return {
        PRIMARY_KEYS: json.dumps(list(layout.primary_keys)),
        EVENT_TIME: layout.event_time or "",
    }


def replaces(stored: Stored, columns: Sequence[ColumnInfo]) -> bool:
    """Whether rows with these columns need another schema than the stored one (order counts)."""
    return [(c.name, c.type) for c in stored.info.columns] != [(c.name, c.type) for c in columns]


def loosening(stored: Stored, layout: TableLayout, columns: Sequence[ColumnInfo]) -> Iterator[str]:
    """Give the statements that must come before the rows: constraints that would refuse them.

    The primary key goes when it is another one, or when the schema is replaced; NOT NULL when the
    layout allows nulls. What is still wanted comes back by ``tightening``.
    """
    name = layout.name
    stays = _constrained_as(stored, layout) and not replaces(stored, columns)
    if stored.constrained and not stays:
        yield sql.drop_primary_key(name)
    for column in stored.info.columns:
        if not column.nullable and column.name not in layout.not_null:
            yield sql.drop_not_null(name, column.name)


def tightening(stored: Stored, layout: TableLayout) -> Iterator[str]:
    """Give the statements that bring a table with the right columns up to its layout.

    Only what differs: a table that is as it should be needs none. Comments and tags that the layout
    does not name are left alone; somebody else may have set them.
    """
    info, name = stored.info, layout.name
    by_name = {c.name: c for c in info.columns}
    for column in layout.not_null:
        if by_name[column].nullable:
            yield sql.set_not_null(name, column)
    if is_feature_table(layout) and not _constrained_as(stored, layout):
        yield sql.add_primary_key(name, layout.primary_keys, layout.event_time)
    for column, comment in layout.comments.items():
        if by_name[column].comment != comment:
            yield sql.comment_on_column(name, column, comment)
    if info.description != layout.description:
        yield sql.comment_on_table(name, layout.description)
    have = stored.properties or {}
    if noted := {k: v for k, v in noted_keys(layout).items() if have.get(k, "") != v}:
        yield sql.set_properties(name, noted)
    if tags := {k: v for k, v in layout.tags.items() if info.tags.get(k) != v}:
        yield sql.set_tags(name, tags)


def check_tags(layout: TableLayout) -> None:
    """Refuse tags that Unity Catalog refuses, before anything is written.

    Raises
    ------
    DataError
        Naming the tag.
    """
    for name, value in layout.tags.items():
        refused = _REFUSED_IN_TAG_NAMES.search(name) or not 0 < len(name) <= _LONGEST_TAG_NAME
        if refused or len(value) > _LONGEST_TAG_VALUE or value != value.strip():
            raise DataError(
                f"{layout.name}: tag {name!r}",
                found=f"{name!r} = {value[:40]!r}",
                expected=f"names up to {_LONGEST_TAG_NAME} characters without . , - = / : and values "
                f"up to {_LONGEST_TAG_VALUE}, no spaces at either end: what Unity Catalog takes",
                fix="rename the tag in the declaration, for example with underscores",
                rule="ml01_documented",
            )
    if len(layout.tags) > _MOST_TAGS:
        raise DataError(
            f"{layout.name}: tags",
            found=f"{len(layout.tags)} tags",
            expected=f"at most {_MOST_TAGS}, as Unity Catalog allows",
            fix="declare fewer tags",
            rule="ml01_documented",
        )


def _constrained_as(stored: Stored, layout: TableLayout) -> bool:
    info = stored.info
    return (
        stored.constrained
        and is_feature_table(layout)
        and info.primary_keys == layout.primary_keys
        and info.event_time == layout.event_time
    )
