"""What somebody does by hand."""

from __future__ import annotations

from pyspark.sql import functions as F

from examples.broken.by_hand import Stored, rewrite


def break_it(stored: Stored) -> None:
    """A 2 for do not know."""
    unknown = F.when(F.col("customer") == "c09", 2).otherwise(F.col("prediction"))
    rewrite(stored, stored.spec.scoring.table, prediction=unknown.cast("bigint"))
