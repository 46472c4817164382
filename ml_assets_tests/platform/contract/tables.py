"""Store and read rows through the protocol alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml_assets.spec.catalog import TableLayout

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

    from ml_assets.platform.protocol import Platform
    from ml_assets.spec.catalog import TableInfo


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
