"""Did a join multiply rows? Then a feature table repeats a key."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from ml_assets.platform.databricks.point_in_time import REPEATED
from ml_assets.platform.databricks.sql import column
from ml_assets.spec.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pyspark.sql import DataFrame

    from ml_assets.platform.databricks.point_in_time import Lookup
    from ml_assets.platform.databricks.tables import DatabricksTables


def check_count(
    tables: DatabricksTables, lookups: Sequence[Lookup], expected: int, found: int
) -> None:
    """Refuse a result with more or fewer rows than were looked up.

    Raises
    ------
    DataError
        Naming the table with repeated keys, and the first of them.
    """
    if found == expected:
        return
    _refuse_repeats(tables, lookups)
    raise DataError(
        "the looked-up rows",
        found=f"{found} rows for {expected}, and no key is repeated",
        expected="one row for each row that was looked up",
        fix="run the step again; the rows to look up may have changed meanwhile",
        rule="ml03_lookup_coverage",
    )


@contextlib.contextmanager
def repeats_explained(tables: DatabricksTables, lookups: Sequence[Lookup]) -> Iterator[None]:
    """Name the repeated keys that ended a query inside the block.

    Raises
    ------
    DataError
        Naming the table with repeated keys, and the first of them.
    """
    try:
        yield
    except Exception as error:
        if REPEATED in str(error):
            _refuse_repeats(tables, lookups)
        raise


def _refuse_repeats(tables: DatabricksTables, lookups: Sequence[Lookup]) -> None:
    for lookup in lookups:
        if repeated := _repeated(tables.read(lookup.table), lookup.stored_keys):
            raise DataError(
                f"table {lookup.table}",
                found=f"several rows for one key: {repeated}",
                expected=f"one row for each {', '.join(lookup.stored_keys)}",
                fix="remove the repeated rows: materialize the feature table again",
                rule="ml01_primary_key_unique",
            )


def _repeated(table: DataFrame, keys: Sequence[str]) -> str:
    from pyspark.sql import functions as F

    named = [F.col(column(k)) for k in keys]
    counts = table.select(*named).dropna().groupBy(*named).agg(F.count(F.lit(1)).alias("__n"))
    rows = counts.where(F.col("__n") > 1).orderBy(*named).limit(3).collect()
    return "; ".join(f"{', '.join(map(str, row[:-1]))} ({row[-1]} rows)" for row in rows)
