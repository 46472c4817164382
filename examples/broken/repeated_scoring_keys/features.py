"""What is other than in the shop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from examples.broken.shop import features as shop

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def twice(visits: DataFrame) -> DataFrame:
    """The last day is asked for a second time."""
    keys = shop.last_days(visits)
    return keys.unionByName(keys.where(F.col("asked_at") > "2024-02-15"))
