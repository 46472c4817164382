"""The shop's transforms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def activity(visits: DataFrame) -> DataFrame:
    """What a customer did on a day, known in the evening."""
    known_at = F.col("day") + F.expr("interval 20 hours")
    return visits.select("customer", known_at.alias("known_at"), "amount", "visits")


def profile(customers: DataFrame) -> DataFrame:
    """Who the customer is."""
    return customers.select("customer", "age")


def outcomes(visits: DataFrame) -> DataFrame:
    """What the customer spends the next day, asked for at noon."""
    asked_at = F.col("day") + F.expr("interval 36 hours")
    return visits.select("customer", asked_at.alias("asked_at"), "spent")


def last_days(visits: DataFrame) -> DataFrame:
    """Score every customer for the last week."""
    week = visits.agg((F.max("day") - F.expr("interval 7 days")).alias("since"))
    rows = visits.crossJoin(week).where(F.col("day") > F.col("since"))
    return rows.select("customer", (F.col("day") + F.expr("interval 36 hours")).alias("asked_at"))
