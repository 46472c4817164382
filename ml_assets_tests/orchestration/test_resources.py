"""The Spark session as dagster-pyspark's resource, and the platform that steps are handed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg
import pytest
from dagster_pyspark import LazyPySparkResource

from ml_assets.orchestration.resources import (
    PlatformProvider,
    default_resources,
    platform_name,
)
from ml_assets.orchestration.spark import SailSessionResource
from ml_assets.platform.embedded import EmbeddedPlatform
from ml_assets.spec.errors import SpecError

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession


def test_the_spark_resource_is_dagster_pyspark_s() -> None:
    assert issubclass(SailSessionResource, LazyPySparkResource)


def test_it_gives_the_process_s_one_session(spark: SparkSession) -> None:
    assert SailSessionResource().spark_session is spark
    assert SailSessionResource().spark_session is SailSessionResource().spark_session


def test_it_starts_nothing_before_the_session_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from ml_assets.platform.embedded import session

    started: list[str] = []
    monkeypatch.setattr(session, "start_session", lambda: started.append("yes") or "a session")
    resource = SailSessionResource()
    provider = PlatformProvider(resource)
    assert started == []
    assert provider.spark.spark_session == "a session"
    assert started == ["yes"]


def test_settings_are_applied_to_the_running_session(spark: SparkSession) -> None:
    before = spark.conf.get("spark.sql.session.timeZone")
    try:
        resource = SailSessionResource(spark_config={"spark.sql.session.timeZone": "Europe/Oslo"})
        found = resource.spark_session.conf.get("spark.sql.session.timeZone")
        assert found == "Europe/Oslo"
    finally:
        spark.conf.set("spark.sql.session.timeZone", str(before))


def test_assets_of_users_get_it_as_a_lazy_pyspark_resource(spark: SparkSession) -> None:
    seen = []

    def count(spark: LazyPySparkResource) -> None:
        seen.append(spark.spark_session.range(3).count())

    # Without string annotations: Dagster reads the type of the parameter.
    count.__annotations__ = {"spark": LazyPySparkResource, "return": None}
    definitions = dg.Definitions(
        [dg.asset(count)], resources=default_resources(), jobs=[dg.define_asset_job("job")]
    )
    assert definitions.resolve_job_def("job").execute_in_process().success
    assert seen == [3]


def test_steps_get_the_embedded_platform_on_that_session(home: Path, spark: SparkSession) -> None:
    platform = PlatformProvider(SailSessionResource()).open()
    assert isinstance(platform, EmbeddedPlatform)
    assert platform.home == home
    assert platform.spark is spark


@pytest.mark.parametrize("value", ["", "embedded"])
def test_embedded_is_the_default(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_ASSETS_PLATFORM", value)
    assert platform_name() == "embedded"


def test_any_other_platform_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_ASSETS_PLATFORM", "embeded")
    with pytest.raises(SpecError, match="did you mean 'embedded'") as caught:
        PlatformProvider(SailSessionResource()).open()
    assert caught.value.where == "ML_ASSETS_PLATFORM"
