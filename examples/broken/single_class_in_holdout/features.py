"""What is other than in the shop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from examples.broken.shop import features as shop

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def outcomes(visits: DataFrame) -> DataFrame:
    """Nothing was sold from February on."""
    closed = F.col("asked_at") >= "2024-02-01"
    return shop.outcomes(visits).withColumn("spent", F.when(closed, 0.0).otherwise(F.col("spent")))
