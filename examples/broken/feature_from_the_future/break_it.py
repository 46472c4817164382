"""What somebody does by hand."""

from __future__ import annotations

from pyspark.sql import functions as F

from examples.broken.by_hand import Stored, rewrite


def break_it(stored: Stored) -> None:
    """The evening of a day is joined to a question of that noon."""
    late = F.col("asked_at") + F.expr("interval 8 hours")
    rewrite(stored, stored.spec.training_set, __as_of_activity=late)
