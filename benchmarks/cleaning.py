"""Cleaning a feature table on Sail against copying it on Sail."""
# ruff: noqa: S608 - the queries name files of our own

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import data
from benchmarks.harness import Figure, Side, empty_folder, stopwatch

if TYPE_CHECKING:
    from pathlib import Path

FIGURES = (
    Figure(
        name="cleaning",
        title="5 M x 20 columns cleaned into a staged table : copied on Sail",
        ours="cleaning:ours",
        other="cleaning:copy",
        target=1.3,
        rounds=5,
        beside={"a withColumn for each column": "cleaning:with_column_loop"},
    ),
)


def ours(scale: float) -> Side:
    """Repair all columns in one select, with the audit of what was repaired, and stage the rows."""
    from ml_assets.spec.catalog import feature_layout
    from ml_assets.steps.repairs import clean

    platform, table = data.platform_of(_rows(scale)), data.spec().feature_tables[0]
    frame = platform.tables.read(data.FEATURE_TABLE)
    frame.limit(1).toArrow()
    with stopwatch() as timer:
        cleaned, audit = clean(frame, table)
        staged = platform.tables.stage(cleaned, feature_layout(table), audit)
    answer = _answer(f"{staged.folder}/*.parquet")
    staged.discard()
    return Side(timer.seconds, _rows(scale), answer)


def copy(scale: float) -> Side:
    """Read the table and write it as another Delta table."""
    frame = data.platform_of(_rows(scale)).tables.read(data.FEATURE_TABLE)
    frame.limit(1).toArrow()
    with empty_folder() as target:
        with stopwatch() as timer:
            frame.write.format("delta").save(str(target / "copy"))
        return Side(timer.seconds, _rows(scale), _answer(_files(target)))


def with_column_loop(scale: float) -> Side:
    """Repair one column after the other, as it is often written."""
    from pyspark.sql import functions as F

    frame = data.platform_of(_rows(scale)).tables.read(data.FEATURE_TABLE)
    frame.limit(1).toArrow()
    with empty_folder() as target:
        with stopwatch() as timer:
            for name in data.FEATURES:
                bad = F.col(name).isNull() | F.isnan(name)
                bad |= F.col(name).isin(float("inf"), float("-inf"))
                frame = frame.withColumn(name, F.when(bad, F.lit(0.0)).otherwise(F.col(name)))
            frame.write.format("delta").save(str(target / "copy"))
        return Side(timer.seconds, _rows(scale), _answer(_files(target)))


def _rows(scale: float) -> int:
    return int(data.ROWS * scale)


def _files(target: Path) -> str:
    return f"{target}/copy/*.parquet"


def _answer(files: str) -> str:
    """Fold the rows into numbers that do not depend on their order."""
    import duckdb

    columns = ", ".join(("k", "known_at", *data.FEATURES))
    found = duckdb.sql(f"SELECT count(*), sum(hash({columns})) FROM read_parquet('{files}')")
    return str(found.fetchall())
