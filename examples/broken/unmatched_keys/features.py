"""What is other than in the shop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from examples.broken.shop import features as shop

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def profile(customers: DataFrame) -> DataFrame:
    """Only customers who told their age before they were 60 are loaded."""
    return shop.profile(customers).where(F.col("age") < 60)
