"""What somebody does by hand."""

from __future__ import annotations

from pyspark.sql import functions as F

from examples.broken.by_hand import Stored, build_again, overwrite


def break_it(stored: Stored) -> None:
    """Prices went up fourfold."""
    visits = stored.platform.tables.read("shop.raw.visits")
    week = visits.where(F.col("day") >= "2024-02-08").withColumns(
        {"day": F.col("day") + F.expr("interval 7 days"), "amount": F.col("amount") * 4}
    )
    overwrite(stored, "shop.raw.visits", visits.unionByName(week))
    build_again(stored, "features/activity")
