"""What somebody does by hand."""

from __future__ import annotations

from pyspark.sql import functions as F

from examples.broken.by_hand import Stored, rewrite


def break_it(stored: Stored) -> None:
    """They look the same, and no champion made them."""
    rewrite(stored, stored.spec.scoring.table, model_version=F.lit(7).cast("bigint"))
