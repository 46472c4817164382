"""What is other than in the shop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from examples.broken.shop import features as shop

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def activity(visits: DataFrame) -> DataFrame:
    """A segment that somebody computed from what the customer spent."""
    segment = F.when(F.col("spent") > 12, "gold").otherwise("blue").alias("segment")
    known_at = (F.col("day") + F.expr("interval 20 hours")).alias("known_at")
    found = visits.select("customer", known_at, segment)
    return shop.activity(visits).join(found, ["customer", "known_at"])
