"""What is other than in the shop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from examples.broken.shop import features as shop

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def activity(visits: DataFrame) -> DataFrame:
    """The receipt's number says nothing about the next one."""
    till = F.substring("customer", 2, 2).cast("bigint")
    return shop.activity(visits).withColumn("receipt", till * 50 + F.dayofyear("known_at"))
