"""What is known of a workspace's cost at the beginning of a day, and what the day then costs.

Three moments matter, and they are not the same:

- ``used_on``, the day on which something was used;
- ``known_on``, the midnight (UTC) that begins the day after its record was ingested. A record carries
  the day of its ingestion, not the hour, so it counts from the end of that day on; corrections
  (``RETRACTION`` with the negative quantity, ``RESTATEMENT``) are records of their own, with their
  own ingestion, and the sum of all three types is what was used;
- ``date``, the midnight that begins the day to predict: the as-of time.

A feature row of ``date`` adds up records with ``used_on < date`` and ``known_on <= date``. Whatever is
ingested later changes no row of that date. The outcome of ``date`` is what is known of the day
``SETTLED_DAYS`` later; corrections that come after that change no label.
"""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

#: Windows of the features, in days; the longest decides how far back a record counts.
WEEK, MONTH = 7, 30
#: A day's cost is taken as final this long after the day began. ``label.horizon`` says the same.
SETTLED_DAYS = 3
#: Dollars that a day must have cost for a growth rate to mean something.
LEAST_COST = 1.0
KEYS = ["workspace_id", "date"]
#: Today and the days before it that are scored: whole weeks.
SCORED_DAYS = 28


def cost_prediction_features(usage: DataFrame, list_prices: DataFrame) -> DataFrame:
    """Sum up, for each workspace and day, what was known at its beginning of the days before."""
    daily = costs(usage, list_prices)
    windows = _windows(daily)
    days = _days(daily, usage).join(_last_use(daily), KEYS, "left").join(windows, KEYS, "left")
    until_now = Window.partitionBy("workspace_id").orderBy("date").rowsBetween(
        Window.unboundedPreceding, Window.currentRow
    )  # fmt: skip
    last_used = F.max("last_used").over(until_now)
    week, month = F.col("cost_7d") / WEEK, F.col("cost_30d") / MONTH
    return days.select(
        "workspace_id",
        F.col("date").cast("timestamp").alias("date"),
        F.dayofweek("date").alias("weekday"),
        F.dayofmonth("date").alias("day_of_month"),
        "cost_1d", "cost_2d_ago", "cost_week_ago", "cost_7d", "cost_30d", "dbus_7d", "dbus_30d",
        ratio(F.col("cost_1d"), week).alias("cost_1d_vs_7d"),
        ratio(F.col("cost_2d_ago"), week).alias("cost_2d_ago_vs_7d"),
        ratio(F.col("cost_week_ago"), week).alias("cost_week_ago_vs_7d"),
        ratio(week, month).alias("cost_7d_vs_30d"),
        "days_used_7d", "skus_7d",
        F.datediff("date", last_used).alias("days_since_last_use"),
    )  # fmt: skip


def outcomes(usage: DataFrame, list_prices: DataFrame) -> DataFrame:
    """What each day cost, and by how much more than the day before, as soon as that is settled.

    ``cost_growth_rate`` is the day's cost over that of the day before, minus 1. Both are taken as
    known ``SETTLED_DAYS`` after the day began. Days after one that cost less than ``LEAST_COST``
    have no row (there is nothing to grow from); a day without usage after one with usage cost 0, a
    growth of -1.
    """
    daily = costs(usage, list_prices)
    known = F.col("known_on") <= F.date_add("date", SETTLED_DAYS)
    day = daily.withColumn("date", F.col("used_on"))
    today = day.where(known).groupBy(*KEYS).agg(F.sum("cost").alias("next_day_cost"))
    eve = daily.withColumn("date", F.date_add("used_on", 1)).where(known)
    before = eve.groupBy(*KEYS).agg(F.sum("cost").alias("cost_before"))
    rows = before.where(F.col("cost_before") >= LEAST_COST).join(today, KEYS, "left")
    cost = F.coalesce(F.col("next_day_cost"), F.lit(0.0))
    settled = rows.crossJoin(_complete(usage)).where(
        F.date_add("date", SETTLED_DAYS) <= F.col("until")
    )
    return settled.select(
        "workspace_id",
        F.col("date").cast("timestamp").alias("date"),
        cost.alias("next_day_cost"),
        (cost / F.col("cost_before") - 1).alias("cost_growth_rate"),
    )


def latest_days(usage: DataFrame, list_prices: DataFrame) -> DataFrame:
    """Keys to score: today, and the four weeks before it, of workspaces that were used the day before.

    Today is the day of the last ingestion; the weeks before show how right the model has been. After
    a day without usage nobody asks for growth, and no row of that kind was learned from.
    """
    last = usage.agg(F.max("ingestion_date").alias("today"))
    eve = costs(usage, list_prices).where(F.col("known_on") == F.date_add("used_on", 1))
    days = eve.select("workspace_id", F.col("known_on").alias("date")).distinct()
    lately = F.col("date").between(F.date_sub("today", SCORED_DAYS - 1), F.col("today"))
    recent = days.crossJoin(last).where(lately)
    return recent.select("workspace_id", F.col("date").cast("timestamp").alias("date"))


def costs(usage: DataFrame, list_prices: DataFrame) -> DataFrame:
    """Dollars and DBUs by workspace, SKU, day of use and the midnight from which they are known.

    A record costs what is listed for its SKU at its end: dollars of the effective list price, which
    no discount is taken from. A record without a list price costs nothing that is known; one without
    a workspace (what the account itself is billed for) belongs to none of them.
    """
    listed = F.coalesce("pricing.effective_list.default", "pricing.default").cast("double")
    prices = list_prices.where(F.col("currency_code") == "USD").select(
        "sku_name", "cloud", "usage_unit", "price_start_time", "price_end_time",
        listed.alias("price"),
    )  # fmt: skip
    used = usage.where(F.col("workspace_id").isNotNull()).select(
        "workspace_id", "sku_name", "cloud", "usage_unit", "usage_date", "usage_end_time",
        "ingestion_date", F.col("usage_quantity").cast("double").alias("quantity"),
    )  # fmt: skip
    at_end = (F.col("usage_end_time") >= F.col("price_start_time")) & (
        F.col("price_end_time").isNull() | (F.col("usage_end_time") < F.col("price_end_time"))
    )
    same = ["sku_name", "cloud", "usage_unit"]
    on = [used[name] == prices[name] for name in same]
    priced = used.join(prices, [*on, at_end], "left").select(
        *(used[c] for c in used.columns), "price"
    )
    cost = F.coalesce(F.col("quantity") * F.col("price"), F.lit(0.0))
    dbus = F.when(F.col("usage_unit") == "DBU", F.col("quantity")).otherwise(0.0)
    ingested = F.greatest("usage_date", F.coalesce("ingestion_date", "usage_date"))
    moments = [F.col("usage_date").alias("used_on"), F.date_add(ingested, 1).alias("known_on")]
    return priced.groupBy("workspace_id", "sku_name", *moments).agg(
        F.sum(cost).alias("cost"), F.sum(dbus).alias("dbus")
    )


def ratio(part: Column, whole: Column) -> Column:
    """Divide; null where there is nothing to divide by, for the declared default to fill."""
    return F.when(whole > 0, part / whole)


def _windows(daily: DataFrame) -> DataFrame:
    """Let each entry count on the dates on which it is known and not too old."""
    last = F.date_add("used_on", MONTH)
    counted = daily.where(F.col("known_on") <= last)
    dates = F.explode(F.sequence("known_on", last)).alias("date")
    entries = counted.select("workspace_id", "sku_name", "used_on", "cost", "dbus", dates)
    age = F.datediff("date", "used_on")

    def total(name: str, days: Column) -> Column:
        return F.sum(F.when(days, F.col(name)).otherwise(0.0))

    week = age <= WEEK
    return entries.groupBy(*KEYS).agg(
        total("cost", age == 1).alias("cost_1d"),
        total("cost", age == 2).alias("cost_2d_ago"),  # noqa: PLR2004
        total("cost", age == WEEK).alias("cost_week_ago"),
        total("cost", week).alias("cost_7d"),
        F.sum("cost").alias("cost_30d"),
        total("dbus", week).alias("dbus_7d"),
        F.sum("dbus").alias("dbus_30d"),
        F.count_distinct(F.when(week, F.col("used_on"))).alias("days_used_7d"),
        F.count_distinct(F.when(week, F.col("sku_name"))).alias("skus_7d"),
    )


def _days(daily: DataFrame, usage: DataFrame) -> DataFrame:
    """Every date from a workspace's first known record until the last ingestion."""
    first = daily.groupBy("workspace_id").agg(F.min("known_on").alias("first"))
    last = usage.agg(F.max("ingestion_date").alias("last"))
    spans = first.crossJoin(last).where(F.col("first") <= F.col("last"))
    return spans.select("workspace_id", F.explode(F.sequence("first", "last")).alias("date"))


def _last_use(daily: DataFrame) -> DataFrame:
    """Of what became known on a date, the latest day of use."""
    known = daily.groupBy("workspace_id", F.col("known_on").alias("date"))
    return known.agg(F.max("used_on").alias("last_used"))


def _complete(usage: DataFrame) -> DataFrame:
    """Until when the data goes: the days before are over, and what they brought is ingested."""
    ended = F.to_date(F.max("usage_end_time"))
    return usage.agg(F.least(ended, F.max("ingestion_date")).alias("until"))
