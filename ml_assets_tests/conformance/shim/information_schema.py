"""The views of ``<catalog>.information_schema`` that are read here."""

from __future__ import annotations

import contextlib
import re
import uuid
from typing import TYPE_CHECKING, Any

from ml_assets_tests.conformance.shim.errors import NotInShimError
from ml_assets_tests.conformance.shim.names import PART, parts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import SparkSession

    from ml_assets_tests.conformance.shim.unity import Unity

_VIEW = re.compile(rf"(?P<catalog>{PART})\.`?information_schema`?\.(?P<view>{PART})", re.IGNORECASE)
_TABLE = "catalog_name string, schema_name string, table_name string"
_SCHEMAS = {
    "table_tags": f"{_TABLE}, tag_name string, tag_value string",
    "column_tags": f"{_TABLE}, column_name string, tag_name string, tag_value string",
    "table_privileges": (
        "grantee string, table_catalog string, table_schema string, table_name string, "
        "privilege_type string"
    ),
}


@contextlib.contextmanager
def views(session: SparkSession, unity: Unity, statement: str) -> Iterator[tuple[str, list[str]]]:
    """Give the statement with temporary views in the place of ``information_schema``'s, and those.

    The temporary views exist inside the block.
    """
    names = []

    def replaced(match: re.Match[str]) -> str:
        [catalog], [view] = parts(match["catalog"]), parts(match["view"])
        schema = _SCHEMAS.get(view.lower())
        if schema is None:
            raise NotInShimError(f"information_schema.{view}")
        rows = _rows(unity, catalog.lower(), view.lower())
        names.append(f"{view}_{uuid.uuid4().hex}")
        session.createDataFrame(rows, schema).createOrReplaceTempView(names[-1])
        return names[-1]

    try:
        yield _VIEW.sub(replaced, statement), names
    finally:
        for name in names:
            session.catalog.dropTempView(name)


def _rows(unity: Unity, catalog: str, view: str) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for table in unity.tables.values():
        place = tuple(table.name.split("."))
        if place[0] != catalog:
            continue
        if view == "table_tags":
            rows += [(*place, *tag) for tag in table.tags.items()]
        elif view == "column_tags":
            columns = table.column_tags.items()
            rows += [(*place, column, *tag) for column, tags in columns for tag in tags.items()]
        else:
            held = unity.granted("TABLE", table.name).items()
            rows += [(who, *place, privilege) for who, what in held for privilege in sorted(what)]
    return rows
