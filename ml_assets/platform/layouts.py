"""Does a frame fit the layout it is to be stored as? Asked before anything is written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ml_assets.platform.spark_types import leaf_types, simple_type, simple_types
from ml_assets.spec.errors import DataError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ml_assets.spec.catalog import TableLayout

EVENT_TIME_TYPE = "timestamp"
_TO_UTC = (
    'use F.col("{0}").cast("timestamp") when it is in UTC, otherwise '
    'F.to_utc_timestamp(F.col("{0}").cast("timestamp"), "America/New_York") with its time zone'
)
_EVENT_TIME_FIXES = {
    "string": 'use F.to_timestamp("{0}") in the transform',
    "date": 'use F.col("{0}").cast("timestamp") in the transform (midnight UTC)',
    "timestamp_ntz": _TO_UTC,
    "bigint": 'use F.timestamp_seconds("{0}") in the transform, when it counts seconds since 1970',
}
_STORED_TYPES = {
    *("tinyint", "smallint", "int", "bigint", "float", "double"),
    *("string", "boolean", "binary", "date", "timestamp"),
}
_TYPE_FIXES = {
    "void": 'cast the NULL literal: F.lit(None).cast("double")',
    "timestamp_ntz": _TO_UTC,
    "variant": 'use F.to_json("{0}") in the transform',
}
#: Characters that a Delta table refuses in column names.
_FORBIDDEN = re.compile(r"[ ,;{}()\n\t=]")


def check_fits(
    struct: Mapping[str, Any], layout: TableLayout, audit_columns: frozenset[str] = frozenset()
) -> None:
    """Refuse columns (a Spark schema as JSON) that cannot be stored as ``layout``.

    ``audit_columns`` are not stored: what the layout names must be among the others.

    Raises
    ------
    DataError
        For no columns, names that repeat (in any case) or that Delta refuses, columns of a type
        that cannot be stored, columns that the layout names and the frame lacks, and an event time
        that is not a UTC timestamp.
    """
    pairs = simple_types(struct)
    _check_names(layout.name, [name for name, _ in pairs])
    types = {name: kind for name, kind in pairs if name not in audit_columns}
    _check_present(layout, types)
    _check_event_time(layout, types)
    for field in struct["fields"]:
        _check_type(layout.name, field["name"], field["type"])


def _check_names(table: str, names: list[str]) -> None:
    if not names:
        raise DataError(
            table,
            found="a frame without columns",
            expected="at least one column",
            fix="return the columns that the table is declared with",
        )
    folded = [name.lower() for name in names]
    if repeated := [name for name in names if folded.count(name.lower()) > 1]:
        raise DataError(
            f"{table}: columns {', '.join(map(repr, repeated))}",
            found="the same column name more than once (case does not count)",
            expected="distinct names",
            fix="drop or rename one, for example after a join: .drop(right.key)",
        )
    if refused := [name for name in names if not name or _FORBIDDEN.search(name)]:
        raise DataError(
            f"{table}: columns {', '.join(map(repr, refused))}",
            found="a name with a space or one of ,;{}()=",
            expected="names that a Delta table can hold",
            fix="rename with .alias(...) in the transform",
        )


def _check_type(table: str, column: str, kind: Any) -> None:
    """Tables stay readable by every Delta reader, so types that need a table feature are refused."""
    for leaf in leaf_types(kind):
        if leaf not in _STORED_TYPES and not leaf.startswith("decimal("):
            raise DataError(
                f"{table}: column {column!r}",
                found=f"type {simple_type(kind)}",
                expected="numbers, strings, booleans, binary, dates, UTC timestamps, or arrays, "
                "maps and structs of them",
                fix=_TYPE_FIXES.get(leaf, "convert the column in the transform").format(column),
            )


def _check_present(layout: TableLayout, types: Mapping[str, str]) -> None:
    roles = {
        "primary key": layout.primary_keys,
        "event time": (layout.event_time,) if layout.event_time else (),
        "not-null column": layout.not_null,
        "documented column": tuple(layout.comments),
    }
    for role, names in roles.items():
        for name in names:
            if name not in types:
                raise DataError(
                    f"{layout.name}: {role} {name!r}",
                    found=f"the frame has {', '.join(types)}",
                    expected=f"a column {name!r}",
                    fix=f"return it from the transform, or correct the declaration"
                    f"{did_you_mean(name, types)}",
                )


def _check_event_time(layout: TableLayout, types: Mapping[str, str]) -> None:
    name = layout.event_time
    if name is None or types[name] == EVENT_TIME_TYPE:
        return
    raise DataError(
        f"{layout.name}: event time {name!r}",
        found=f"type {types[name]}",
        expected=f"type {EVENT_TIME_TYPE} (UTC)",
        fix=_EVENT_TIME_FIXES.get(types[name], "convert it to a timestamp in the transform").format(
            name
        ),
    )
