"""PySpark transforms of the arrival delay model, as one would write them for Databricks."""

from pyspark.sql import Column, DataFrame, Window, WindowSpec
from pyspark.sql import functions as F

ROUTE = ["carrier", "origin", "dest"]
#: Minutes beyond the delay at the gate and the time in the air until an arrival is known to
#: everybody: taxiing out and in, and reporting. Taxiing alone took up to 235 minutes in 2013.
REPORTING_MINUTES = 240
LATE_MINUTES = 15
#: Two days after the scheduled departure every arrival is known: it took up to 36 hours in 2013.
#: Declared as ``label.horizon`` too.
OUTCOME_MINUTES = 48 * 60


def weather_hourly(weather: DataFrame) -> DataFrame:
    """Give each observation the end of its hour: it was made within it, mostly at minute 51."""
    return weather.select(
        "origin",
        after_minutes(F.col("time_hour"), F.lit(60)).alias("known_at"),
        "temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib",
    )  # fmt: skip


def planes(planes: DataFrame) -> DataFrame:
    """Describe each plane; ``speed`` is left out, it is missing for 99 % of them."""
    return planes.select(
        "tailnum",
        F.col("year").alias("plane_year"),
        F.col("engines").alias("plane_engines"),
        F.col("seats").alias("plane_seats"),
        F.col("manufacturer").alias("plane_manufacturer"),
        F.col("engine").alias("plane_engine_type"),
    )


def flight_schedule(flights: DataFrame) -> DataFrame:
    """Tell what the timetable says of each flight, long before it leaves."""
    departure = scheduled_departure()
    return flights.select(
        flight_id().alias("flight_id"),
        F.col("carrier").alias("operated_by"),
        F.col("origin").alias("departs_from"),
        F.col("dest").alias("flies_to"),
        F.col("distance").alias("distance_miles"),
        F.col("hour").alias("departure_hour"),
        F.col("minute").alias("departure_minute"),
        F.dayofweek(departure).alias("departure_weekday"),
    )


def carrier_route_history(flights: DataFrame) -> DataFrame:
    """Sum up, at each arrival, how late a carrier was on a route in the last 7 and 30 days.

    The event time is when the last of those delays became known, not when the flight left.
    """
    known_at = after_minutes(
        scheduled_departure(), F.col("dep_delay") + F.col("air_time") + REPORTING_MINUTES
    )
    arrived = flights.where(measured("arr_delay") & measured("air_time"))
    moments = arrived.groupBy(*ROUTE, known_at.alias("known_at")).agg(
        F.count("arr_delay").alias("flights"),
        F.sum("arr_delay").alias("delay"),
        F.sum((F.col("arr_delay") > LATE_MINUTES).cast("double")).alias("late"),
    )
    columns = []
    for days in (7, 30):
        flown, delay, late = (
            F.sum(name).over(_last_days(days)) for name in ("flights", "delay", "late")
        )
        columns += [
            flown.alias(f"route_flights_{days}d"),
            (delay / flown).alias(f"route_mean_delay_{days}d"),
            (late / flown).alias(f"route_late_share_{days}d"),
        ]
    return moments.select(*ROUTE, "known_at", *columns)


def arrivals(flights: DataFrame) -> DataFrame:
    """Label rows: flights that arrived, as of their scheduled departure.

    Those of the last two days are left out: only some of them would have arrived when the data ends,
    and the late ones would be missing.
    """
    arrived = flights.where(measured("arr_delay"))
    end = flights.agg(F.max("time_hour").alias("end"))
    known_at = after_minutes(scheduled_departure(), F.lit(OUTCOME_MINUTES))
    return _keys(arrived.crossJoin(end).where(known_at <= F.col("end")), "arr_delay")


def last_month(flights: DataFrame) -> DataFrame:
    """Keys to score: every scheduled flight of the last month in the timetable."""
    month = F.make_date(F.col("year"), F.col("month"), F.lit(1))
    latest = flights.agg(F.max(month).alias("latest"))
    return _keys(flights.crossJoin(latest).where(month == F.col("latest")))


def scheduled_departure() -> Column:
    """UTC time that the timetable gives: the hour in UTC, plus the minutes."""
    return after_minutes(F.col("time_hour"), F.col("minute"))


def flight_id() -> Column:
    """One flight number leaves an airport at most once in an hour."""
    hour = F.date_format("time_hour", "yyyyMMddHH")
    return F.concat_ws("-", hour, F.col("carrier"), F.col("flight"), F.col("origin"))


def measured(column: str) -> Column:
    """Whether a number is there: cancelled flights hold NaN, which is not null."""
    return F.col(column).isNotNull() & ~F.isnan(column)


def after_minutes(time: Column, minutes: Column) -> Column:
    """Add minutes to a timestamp. As a double: microseconds do not fit into 32 bits."""
    micros = (minutes.cast("double") * 60_000_000).cast("bigint")
    return F.timestamp_micros(F.unix_micros(time) + micros)


def _keys(flights: DataFrame, *more: str) -> DataFrame:
    return flights.select(
        flight_id().alias("flight_id"),
        *ROUTE,
        "tailnum",
        scheduled_departure().alias("scheduled_departure"),
        *more,
    )


def _last_days(days: int) -> WindowSpec:
    by_time = Window.partitionBy(*ROUTE).orderBy(F.unix_timestamp("known_at"))
    return by_time.rangeBetween(-days * 86_400, 0)
