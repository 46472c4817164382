"""The Spark session of the job, classic or Connect (shared clusters and serverless are Connect)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_TIME_ZONE = "spark.sql.session.timeZone"


def job_session() -> SparkSession:
    """Return the session that the runtime has made for this job."""
    from pyspark.sql import SparkSession

    session: SparkSession = SparkSession.builder.getOrCreate()
    return session


def in_utc(session: SparkSession) -> SparkSession:
    """Let the session read and write times as UTC, whatever the cluster's zone is."""
    if session.conf.get(_TIME_ZONE) not in {"UTC", "Etc/UTC"}:
        session.conf.set(_TIME_ZONE, "UTC")
    return session
