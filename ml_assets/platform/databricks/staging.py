"""Tables beside a table: rows that are written and not published, and their remains.

A staging table is called ``<table>__staged_<when>_<random>``: its name alone says what it belongs to
and how old it is, so whatever a killed job left behind is found and removed a day later.
"""

from __future__ import annotations

import contextlib
import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ml_assets.platform.databricks import sql
from ml_assets.spec.base import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import DataFrame, SparkSession

KEPT = timedelta(days=1)
_WHEN = "%Y%m%dt%H%M%S"
_NAME = re.compile(r".+__staged_(\d{8}t\d{6})_[0-9a-f]{8}")
#: Unity Catalog allows 255 characters in a name.
_LONGEST_BASE = 200


def staging_name(table: str, now: datetime | None = None) -> str:
    """Make a new name beside a table (lower case, as Unity Catalog stores names).

    >>> name = staging_name("main.ml.Weather", datetime(2026, 1, 2, tzinfo=UTC))
    >>> name.rpartition("_")[0]
    'main.ml.weather__staged_20260102t000000'
    """
    place, _, base = table.rpartition(".")
    when = (now or datetime.now(UTC)).strftime(_WHEN)
    return f"{place}.{base.lower()[:_LONGEST_BASE]}__staged_{when}_{uuid.uuid4().hex[:8]}"


def is_left_behind(name: str, now: datetime) -> bool:
    """Whether a name is a staging table's that nobody can be working on any more.

    >>> now = datetime(2026, 1, 3, 1, tzinfo=UTC)
    >>> is_left_behind("weather__staged_20260102t000000_0a1b2c3d", now)
    True
    >>> is_left_behind("weather__staged_20260103t000000_0a1b2c3d", now)
    False
    >>> is_left_behind("weather", now)
    False
    """
    match = _NAME.fullmatch(name.lower())
    if match is None:
        return False
    try:
        return datetime.strptime(match[1], _WHEN).replace(tzinfo=UTC) < now - KEPT
    except ValueError:  # digits that are no date: somebody else's table
        return False


def write_staging(frame: DataFrame, table: str) -> str:
    """Write rows into a new table beside ``table``; return its name. Nothing is left on failure."""
    name = staging_name(table)
    writer = frame.write.format("delta").option(
        "comment", f"Rows staged for {table}, not published; removed a day later if left behind."
    )
    try:
        writer.saveAsTable(quoted(name))
    except BaseException:
        drop(frame.sparkSession, name)
        raise
    return name


@contextlib.contextmanager
def scratch(frame: DataFrame, table: str) -> Iterator[DataFrame]:
    """Store rows beside a table inside the block, so that they are computed once and stay the same."""
    spark = frame.sparkSession
    name = write_staging(frame, table)
    try:
        yield spark.read.table(quoted(name))
    finally:
        drop(spark, name)


def drop(spark: SparkSession, name: str) -> None:
    """Remove a staging table; one that cannot be removed now is, by a later staging."""
    from pyspark.errors import PySparkException

    with contextlib.suppress(PySparkException):
        spark.sql(sql.drop_table(name)).collect()


def remove_left_behind(spark: SparkSession, table: str) -> None:
    """Remove staging tables of ``table`` that are older than a day."""
    place, _, base = table.rpartition(".")
    pattern = f"{base.lower()[:_LONGEST_BASE]}__staged_*"
    now = datetime.now(UTC)
    for row in spark.sql(sql.show_tables(place, pattern)).collect():
        if is_left_behind(row["tableName"], now):
            drop(spark, f"{place}.{row['tableName']}")
