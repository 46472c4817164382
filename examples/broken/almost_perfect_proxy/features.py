"""What is other than in the shop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from examples.broken.shop import features as shop

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def activity(visits: DataFrame) -> DataFrame:
    """Points are given for what is spent, a few days are not booked yet."""
    points = (F.col("spent") + 2 * F.sin(F.col("amount") * 100)).alias("points")
    known_at = (F.col("day") + F.expr("interval 20 hours")).alias("known_at")
    found = visits.select("customer", known_at, points)
    return shop.activity(visits).join(found, ["customer", "known_at"])
