"""Train and holdout, by time."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ml_assets.platform.protocol import SplitCuts
from ml_assets.steps.measuring.measure import from_micros

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from ml_assets.spec.training import Split


def split_cuts(frame: DataFrame, time: str, split: Split) -> SplitCuts | None:
    """Find the time that the last ``split.holdout`` of the rows lie at or after.

    The holdout begins at the (1 - holdout) quantile of the event times (inverse of the empirical
    distribution, no interpolation); rows within the embargo before it belong to neither part.
    None when the frame has no row with an event time.
    """
    from pyspark.sql import functions as F

    moments = frame.groupBy(F.unix_micros(F.col(f"`{time}`")).alias("t"))
    counted = with_cut(moments.agg(F.count(F.lit(1)).alias("n")), split)
    return cuts_at(counted.agg(F.min("cut")).collect()[0][0], split)


def with_cut(counted: DataFrame, split: Split) -> DataFrame:
    """Add ``cut`` to counts ``n`` of rows by their event time ``t`` (microseconds): where the holdout begins.

    A time may have several counts; rows without a time do not count. ``cut`` is the quantile of
    ``split_cuts``, the same in all rows; null when no row has a time.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    everything = Window.partitionBy(F.lit(0))
    until_here = everything.orderBy("t").rowsBetween(Window.unboundedPreceding, Window.currentRow)
    timed = F.when(F.col("t").isNotNull(), F.col("n")).otherwise(0)
    reached = F.sum(timed).over(until_here) >= F.sum(timed).over(everything) * (1 - split.holdout)
    marked = counted.withColumn("at_cut", F.when(reached, F.col("t")))
    return marked.withColumn("cut", F.min("at_cut").over(everything)).drop("at_cut")


def cuts_at(cut: int | None, split: Split) -> SplitCuts | None:
    """Split at a ``cut`` of ``with_cut``."""
    holdout_from = from_micros(cut)
    return SplitCuts(holdout_from - split.embargo, holdout_from) if holdout_from else None


def part_by_cut(split: Split) -> Column:
    """Name the part of rows that have a ``t`` and a ``cut``, as ``part_of`` does."""
    from pyspark.sql import functions as F

    embargo = split.embargo // timedelta(microseconds=1)
    return (
        F.when(F.col("t") >= F.col("cut"), "holdout")
        .when(F.col("t") < F.col("cut") - F.lit(embargo), "train")
        .when(F.col("t").isNotNull(), "embargo")
    )


def part_of(time: str, cuts: SplitCuts | None) -> Column:
    """Name each row's part: ``train``, ``embargo`` or ``holdout``; null without an event time."""
    from pyspark.sql import functions as F

    if cuts is None:
        return F.lit(None).cast("string")
    column = F.col(f"`{time}`")
    return (
        F.when(column >= F.lit(cuts.holdout_from), "holdout")
        .when(column < F.lit(cuts.train_before), "train")
        .when(column.isNotNull(), "embargo")
    )
