"""Which days were out of the ordinary, as far as it can be said afterwards."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from ml_assets.defs.health_monitor.cost_predictor.features import LEAST_COST, outcomes

#: Days before the judged one that say what is usual; a day is judged when half of them are known.
USUAL_DAYS = 28
#: Up to the first factor of the usual a day was normal, from the second on (declared as the label's
#: threshold) an anomaly; in between nobody knows.
NORMAL, ANOMALY = 1.8, 2.5
DAY = 86_400


def jumps(usage: DataFrame, list_prices: DataFrame) -> DataFrame:
    """Hold the last day before each date against the four weeks before it.

    ``cost_jump`` is the cost of the day before ``date`` over the median cost of the ``USUAL_DAYS``
    before that day. It is null where nobody can say: between ``NORMAL`` and ``ANOMALY``, where less
    than half of these days are known, and where they cost next to nothing.
    """
    costs = outcomes(usage, list_prices)
    before = (
        Window.partitionBy("workspace_id")
        .orderBy(F.unix_timestamp("date"))
        .rangeBetween(-USUAL_DAYS * DAY, -DAY)
    )
    usual = F.percentile("next_day_cost", 0.5).over(before)
    known = F.count("next_day_cost").over(before)
    jump = F.col("next_day_cost") / F.col("usual")
    judged = costs.select("*", usual.alias("usual"), known.alias("known")).where(
        (F.col("known") >= USUAL_DAYS // 2) & (F.col("usual") >= LEAST_COST)
    )
    sure = (jump <= NORMAL) | (jump >= ANOMALY)
    return judged.select(
        "workspace_id",
        (F.col("date") + F.expr("interval 1 day")).alias("date"),
        F.when(sure, jump).alias("cost_jump"),
    )
