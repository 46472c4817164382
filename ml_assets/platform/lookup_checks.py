"""What a point-in-time lookup asks of the rows and of the feature tables, on every platform."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_assets.spec.errors import DataError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def refuse_repeats(what: str, names: Sequence[str]) -> None:
    """Refuse columns that are equal when case is ignored, as Spark and DuckDB do.

    Raises
    ------
    DataError
        Naming them.
    """
    lowered = [n.lower() for n in names]
    if repeated := sorted({n for n in names if lowered.count(n.lower()) > 1}):
        raise DataError(
            what,
            found=f"several columns called {', '.join(repeated)} (case does not count)",
            expected="each column of the joined rows once",
            fix="rename the feature in its transform; a label or a key cannot be a feature too",
            rule="ml06_label_not_in_features",
        )


def check_column(where: str, name: str, types: Mapping[str, str]) -> None:
    """Refuse columns (types by name) that lack one.

    Raises
    ------
    DataError
        Naming the closest column that is there.
    """
    if name not in types:
        raise DataError(
            where,
            found=f"no column {name!r}; columns: {', '.join(types)}",
            expected=f"a column {name!r}{did_you_mean(name, types)}",
            fix="materialize the table again with this column, or correct the declaration",
        )


def check_key_types(
    what: str, row_key: tuple[str, str], table: str, table_key: tuple[str, str]
) -> None:
    """Refuse a key (name, type) of the rows that has another type than the table's key.

    Raises
    ------
    DataError
        Naming both types.
    """
    mine, ours = row_key
    key, theirs = table_key
    if theirs != ours:
        raise DataError(
            f"key {mine!r}",
            found=f"{ours} in {what}, {theirs} in {table} ({key!r})",
            expected="exactly the same type on both sides, as the Databricks feature store asks",
            fix=f'cast one of them in its transform, for example F.col("{mine}").cast("{theirs}")',
            rule="ml01_table_registered",
        )


def check_event_time(where: str, name: str, kind: str) -> None:
    """Refuse an event time that is not a UTC timestamp.

    Raises
    ------
    DataError
        With the cast that makes it one.
    """
    if kind != "timestamp":
        raise DataError(
            f"{where}, event time {name!r}",
            found=f"type {kind}",
            expected="timestamp (an instant, stored in UTC)",
            fix=f'cast it in the transform: F.col("{name}").cast("timestamp")',
            rule="ml01_table_registered",
        )
