"""The point-in-time join against DuckDB's own, and against other tools beside it."""
# ruff: noqa: S608 - the queries name files of our own

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from benchmarks import data
from benchmarks.harness import Figure, Side, empty_folder, stopwatch

FIGURES = (
    Figure(
        name="point_in_time_join",
        title="5 M x 20 features, 500 k labels : DuckDB's ASOF JOIN, keys first",
        ours="pit_join:ours",
        other="pit_join:duckdb_keys_first",
        target=1.5,
        rounds=7,
        beside={
            "pandas.merge_asof": "pit_join:pandas_merge_asof",
            "Polars join_asof": "pit_join:polars_join_asof",
            "Spark window on Sail": "pit_join:spark_window",
        },
    ),
)


def ours(scale: float) -> Side:
    """Stage a training set through the feature store."""
    from ml_assets.platform.protocol import SplitCuts
    from ml_assets.spec.catalog import TableLayout

    platform, model = data.platform_of(_rows(scale)), data.spec()
    start = datetime.fromtimestamp(data.START_US / 1e6, UTC)
    cuts = SplitCuts(start + timedelta(days=39), start + timedelta(days=40))
    with stopwatch() as timer:
        staged = platform.features.stage_training_set(
            model, TableLayout(data.TRAINING_SET), cuts, {}
        )
    answer = _answer(f"{staged.folder}/*.parquet")
    staged.discard()
    return Side(timer.seconds, _rows(scale), answer)


def duckdb_keys_first(scale: float) -> Side:
    """Write the same join by hand: match keys and times, then fetch the features."""
    import duckdb

    features, labels = _files(scale)
    selected = ", ".join(f"f.{c}" for c in data.FEATURES)
    with empty_folder() as target:
        with stopwatch() as timer:
            connection = duckdb.connect()
            connection.execute("SET preserve_insertion_order = false")
            connection.execute(
                f"""
                COPY (
                  WITH m AS (
                    SELECT l.*, f.known_at AS as_of FROM read_parquet({labels}) l
                    ASOF LEFT JOIN (SELECT k, known_at FROM read_parquet({features})) f
                    ON l.k = f.k AND l.asked_at >= f.known_at)
                  SELECT m.k, m.asked_at, {selected}, m.y, m.as_of AS __as_of_daily
                  FROM m LEFT JOIN read_parquet({features}) f ON m.k = f.k AND m.as_of = f.known_at
                ) TO '{target}' (FORMAT parquet, PER_THREAD_OUTPUT true)
                """
            )
        return Side(timer.seconds, _rows(scale), _answer(f"{target}/*.parquet"))


def pandas_merge_asof(scale: float) -> Side:
    """Sort and merge in pandas."""
    import pandas as pd
    import pyarrow.parquet as pq

    features, labels = _files(scale)
    with empty_folder() as target:
        with stopwatch() as timer:
            left = pq.ParquetDataset(labels).read().to_pandas().sort_values("asked_at")
            right = pq.ParquetDataset(features).read().to_pandas().sort_values("known_at")
            joined = pd.merge_asof(left, right, left_on="asked_at", right_on="known_at", by="k")
            joined.rename(columns={"known_at": "__as_of_daily"}).to_parquet(target / "all.parquet")
        return Side(timer.seconds, _rows(scale), _answer(f"{target}/*.parquet"))


def polars_join_asof(scale: float) -> Side:
    """Sort and join in Polars."""
    import polars as pl

    features, labels = _files(scale)
    with empty_folder() as target:
        with stopwatch() as timer:
            right = pl.scan_parquet(features).sort("known_at")
            right = right.with_columns(pl.col("known_at").alias("__as_of_daily"))
            joined = (
                pl.scan_parquet(labels)
                .sort("asked_at")
                .join_asof(right, left_on="asked_at", right_on="known_at", by="k")
            )
            joined.collect().write_parquet(target / "all.parquet")
        return Side(timer.seconds, _rows(scale), _answer(f"{target}/*.parquet"))


def spark_window(scale: float) -> Side:
    """Union labels and features, and take the last feature row before each label (one struct)."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    platform = data.platform_of(_rows(scale))
    platform.spark.range(1).count()
    with empty_folder() as target:
        with stopwatch() as timer:
            row = F.struct(F.col("known_at").alias("__as_of_daily"), *data.FEATURES)
            features = platform.tables.read(data.FEATURE_TABLE).select(
                "k",
                F.col("known_at").alias("at"),
                F.lit(None).cast("bigint").alias("y"),
                row.alias("f"),
            )
            labels = platform.tables.read(data.LABEL_TABLE).select(
                "k",
                F.col("asked_at").alias("at"),
                "y",
                F.lit(None).cast(features.schema["f"].dataType).alias("f"),
            )
            before = Window.partitionBy("k").orderBy("at", F.col("y").isNotNull())
            found = features.unionByName(labels).withColumn(
                "f", F.last("f", ignorenulls=True).over(before)
            )
            joined = found.where("y IS NOT NULL").select(
                "k", F.col("at").alias("asked_at"), "y", "f.*"
            )
            joined.write.parquet(str(target / "out"))
        return Side(timer.seconds, _rows(scale), _answer(f"{target}/out/*.parquet"))


def _rows(scale: float) -> int:
    return int(data.ROWS * scale)


def _files(scale: float) -> tuple[list[str], list[str]]:
    tables = data.platform_of(_rows(scale)).tables
    return list(tables.files(data.FEATURE_TABLE)), list(tables.files(data.LABEL_TABLE))


def _answer(files: str) -> str:
    """Fold the joined rows into numbers that do not depend on their order."""
    import duckdb

    columns = ", ".join(("k", "epoch_us(asked_at)", "y", "epoch_us(__as_of_daily)", *data.FEATURES))
    found = duckdb.sql(f"SELECT count(*), sum(hash({columns})) FROM read_parquet('{files}')")
    return str(found.fetchall())
