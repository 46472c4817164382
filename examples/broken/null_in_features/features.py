"""What is other than in the shop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from examples.broken.shop import features as shop

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def activity(visits: DataFrame) -> DataFrame:
    """Amounts of single visits are not recorded."""
    return shop.activity(visits).withColumn("amount", F.when(F.col("visits") > 1, F.col("amount")))
