"""What somebody does by hand."""

from __future__ import annotations

from pyspark.sql import functions as F

from examples.broken.by_hand import Stored, rewrite


def break_it(stored: Stored) -> None:
    """Three of ten rows are held out, from any day."""
    held_out = F.abs(F.xxhash64("customer", "asked_at")) % 10 < 3
    rewrite(
        stored, stored.spec.training_set, __split=F.when(held_out, "holdout").otherwise("train")
    )
