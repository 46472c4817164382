"""What is other than in the shop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from examples.broken.shop import features as shop

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def activity(visits: DataFrame) -> DataFrame:
    """The label, joined as if it were known."""
    label = visits.select(
        "customer",
        (F.col("day") + F.expr("interval 20 hours")).alias("known_at"),
        (F.col("spent") > 12).cast("bigint").alias("SPENDS"),
    )
    return shop.activity(visits).join(label, ["customer", "known_at"])
