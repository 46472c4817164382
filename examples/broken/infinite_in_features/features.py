"""What is other than in the shop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from examples.broken.shop import features as shop

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def activity(visits: DataFrame) -> DataFrame:
    """exp(x) is infinite from x = 710 on."""
    return shop.activity(visits).withColumn("amount", F.exp(F.col("amount") * 20))
