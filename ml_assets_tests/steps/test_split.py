"""The split is by time, with an embargo, and every row has one part."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml_assets.spec.training import Split
from ml_assets.steps.measuring.split import part_of, split_cuts

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

START = datetime(2024, 1, 1, tzinfo=UTC)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    minutes=st.lists(st.integers(0, 20_000), min_size=1, max_size=60),
    holdout=st.sampled_from([0.1, 0.2, 0.5]),
    embargo=st.sampled_from([timedelta(0), timedelta(hours=6), timedelta(days=2)]),
)
def test_train_ends_an_embargo_before_the_holdout(
    spark: SparkSession, minutes: list[int], holdout: float, embargo: timedelta
) -> None:
    times = [START + timedelta(minutes=m) for m in minutes]
    frame = spark.createDataFrame([(t,) for t in times], "t timestamp")
    cuts = split_cuts(frame, "t", Split(holdout=holdout, embargo=embargo))
    assert cuts is not None
    rows = frame.select("t", part_of("t", cuts).alias("part")).collect()
    parts = {
        name: [r["t"] for r in rows if r["part"] == name]
        for name in ("train", "embargo", "holdout")
    }
    assert sum(len(p) for p in parts.values()) == len(rows)
    assert len(parts["holdout"]) >= holdout * len(rows) - 1e-9
    assert cuts.holdout_from in times
    if parts["train"]:
        assert min(parts["holdout"]) - max(parts["train"]) > embargo or embargo == timedelta(0)


def test_no_rows_have_no_split(spark: SparkSession) -> None:
    assert split_cuts(spark.createDataFrame([], "t timestamp"), "t", Split()) is None
