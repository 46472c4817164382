"""Train and holdout, by time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_assets.platform.protocol import SplitCuts
from ml_assets.steps.measure import from_micros

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from ml_assets.spec.model import Split


def split_cuts(frame: DataFrame, time: str, split: Split) -> SplitCuts | None:
    """Find the time that the last ``split.holdout`` of the rows lie at or after.

    The holdout begins at the (1 - holdout) quantile of the event times (inverse of the empirical
    distribution, no interpolation); rows within the embargo before it belong to neither part.
    None when the frame has no row with an event time.
    """
    from pyspark.sql import functions as F

    micros = F.unix_micros(F.col(f"`{time}`"))
    view = frame.select(micros.alias("t"))
    share = 1 - split.holdout
    row = view.agg(
        F.expr(f"percentile_disc({share}) within group (order by t)").alias("cut")
    ).collect()[0]
    cut = from_micros(row["cut"])
    return SplitCuts(train_before=cut - split.embargo, holdout_from=cut) if cut else None


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
