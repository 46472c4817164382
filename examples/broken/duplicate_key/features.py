"""What is other than in the shop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from examples.broken.shop import features as shop

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def activity(visits: DataFrame) -> DataFrame:
    """Two tills, and nobody added them up."""
    rows = shop.activity(visits)
    return rows.unionByName(rows.where(F.col("visits") == 1))
