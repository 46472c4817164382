"""What is other than in the shop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from examples.broken.shop import features as shop

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def activity(visits: DataFrame) -> DataFrame:
    """The same rows came a second time, an hour later."""
    rows = shop.activity(visits)
    late = rows.withColumn("known_at", F.col("known_at") + F.expr("interval 1 hour"))
    return rows.unionByName(late)
