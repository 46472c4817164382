"""What is other than in the shop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from examples.broken.shop import features as shop

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def activity(visits: DataFrame) -> DataFrame:
    """The receipts of the day that is to be predicted."""
    receipts = visits.select(
        "customer",
        (F.col("day") + F.expr("interval 20 hours")).alias("known_at"),
        (F.col("spent") / 5).cast("bigint").alias("receipts") % 3,
    ).toDF("customer", "known_at", "receipts")
    return shop.activity(visits).join(receipts, ["customer", "known_at"])
