"""A table to try things on, and its rows stored and read through the protocol alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml_assets.spec.catalog import TableLayout

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

    from ml_assets.platform.protocol import Platform
    from ml_assets.spec.catalog import TableInfo

NAME = "main.flights.weather"
LAYOUT = TableLayout(
    name=NAME,
    primary_keys=("k",),
    event_time="ts",
    description='Business.\n\nTechnical: hourly, it\'s "quoted" \\ back',
    tags={"domain": "flights", "model": "it's 'arrival' delay"},
    comments={"k": "the key's", "x": "a measure, in °C"},
    not_null=("k", "ts"),
)
COLUMNS = "id AS k, timestamp_seconds(id) AS ts, id * 1.5D AS x"


def rows(spark: SparkSession, count: int = 3, columns: str = COLUMNS) -> DataFrame:
    """Make rows numbered from 0; ``columns`` are expressions of ``id``."""
    return spark.range(count).selectExpr(*columns.split(", "))


def plain(name: str = NAME, **fields: Any) -> TableLayout:
    """Lay out a table with nothing but what is said."""
    return TableLayout(name=name, **fields)


def values(frame: DataFrame, column: str = "k") -> list[Any]:
    """Fetch one column, sorted."""
    return sorted(row[column] for row in frame.select(column).collect())


def store(platform: Platform, layout: TableLayout, rows: pa.Table) -> TableInfo:
    """Publish rows as a table."""
    return platform.tables.stage(platform.spark.createDataFrame(rows), layout).publish()


def rows_of(frame: DataFrame) -> list[dict[str, Any]]:
    """Fetch rows; times are in UTC."""
    found: list[dict[str, Any]] = frame.toArrow().to_pylist()
    return found


def append(platform: Platform, name: str, rows: pa.Table) -> None:
    """Add rows behind the platform's back, as another program would."""
    path = getattr(platform.tables, "path", None)
    if path is None:
        frame = platform.spark.createDataFrame(rows)
        frame.write.format("delta").mode("append").saveAsTable(name)
    else:
        from deltalake import write_deltalake

        write_deltalake(path(name), rows, mode="append")
