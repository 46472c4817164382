"""The sensor on Databricks: a warehouse is asked, and what is missing is said instead of raised."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

import dagster as dg
import pytest
from databricks.sdk.service.sql import StatementState

from ml_assets.orchestration import sensor as sensors
from ml_assets.orchestration import versions
from ml_assets.orchestration.assets import build_assets
from ml_assets.orchestration.jobs import build_refresh_job
from ml_assets.orchestration.names import asset_key
from ml_assets.orchestration.sensor import build_sensor
from ml_assets_tests.orchestration.fakes import Bench, MakeBench
from ml_assets_tests.orchestration.warehouse_of_test import Warehouse, commit

if TYPE_CHECKING:
    from pathlib import Path

WITH_WAREHOUSE = "databricks: {catalog: main, schema: ml, warehouse_id: w1, observe_every: 1 hour}"
WITHOUT = "databricks: {catalog: main, schema: ml}"


class Watch:
    """Ticks of the model's sensor against a warehouse."""

    def __init__(self, bench: Bench, file: Path) -> None:
        self.bench, self.file = bench, file
        self.cursor: str | None = None
        self.warehouse = Warehouse({"activity": [commit(0)], "profile": [commit(4)]})

    @property
    def sensor(self) -> dg.SensorDefinition:
        spec, recipe = self.bench.spec, self.bench.world.recipe()
        return build_sensor(spec, recipe, build_refresh_job(spec, recipe))

    def tick(self) -> dg.SensorResult:
        context = dg.build_sensor_context(instance=self.bench.instance, cursor=self.cursor)
        result = self.sensor(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        return result


@pytest.fixture
def watch(make_bench: MakeBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watch:
    file = tmp_path / "ml_assets.yaml"
    file.write_text(WITH_WAREHOUSE)
    monkeypatch.setenv("ML_ASSETS_PLATFORM", "databricks")
    monkeypatch.setenv("ML_ASSETS_CONFIG", str(file))
    watch = Watch(make_bench(), file)
    monkeypatch.setattr(versions, "workspace_client", lambda _: watch.warehouse.client)
    return watch


def _reason(result: dg.SensorResult) -> str:
    assert result.run_requests == []
    assert isinstance(result.skip_reason, dg.SkipReason)
    return str(result.skip_reason.skip_message)


def test_it_looks_as_often_as_configured_and_says_that_it_costs(watch: Watch) -> None:
    assert watch.sensor.minimum_interval_seconds == 3600
    assert "looks every 1 hour" in str(watch.sensor.description)
    assert "costs money" in str(watch.sensor.description)
    watch.file.write_text(WITHOUT)
    assert watch.sensor.minimum_interval_seconds == 15 * 60


def test_new_data_starts_one_run_and_asks_once_for_each_table(watch: Watch) -> None:
    assert "main.shop.activity version 0, main.shop.profile version 4" in _reason(watch.tick())
    watch.warehouse.histories["activity"].append(commit(1))
    watch.warehouse.asked.clear()
    (request,) = watch.tick().run_requests or []
    assert request.run_key == "main.shop.activity@1:2026-11-23T10:01:00.000Z"
    assert len(watch.warehouse.asked) == 2


def test_an_optimized_table_starts_nothing(watch: Watch) -> None:
    watch.tick()
    watch.warehouse.histories["activity"].append(commit(1, "OPTIMIZE"))
    assert _reason(watch.tick()).startswith("No new data")


@pytest.mark.parametrize("sharing", ["per_model", "per_asset"])
@pytest.mark.parametrize("wanted", [None, "training_set", "features/activity"])
def test_a_version_written_by_a_run_that_will_use_it_is_waited_for(
    watch: Watch, sharing: Literal["per_model", "per_asset"], wanted: str | None
) -> None:
    watch.tick()
    run = _unfinished_run(watch, sharing, wanted)
    metadata = json.dumps({"ml_assets.dagster_run_id": run.run_id})
    watch.warehouse.histories["activity"].append(commit(1, metadata=metadata))
    result = watch.tick()
    if wanted == "features/activity":
        assert len(result.run_requests or []) == 1
    else:
        assert f"written by run {run.run_id}" in _reason(result)


def _unfinished_run(
    watch: Watch, sharing: Literal["per_model", "per_asset"], wanted: str | None
) -> dg.DagsterRun:
    """A run of everything, or of one asset, by job runs on Databricks."""
    spec, recipe = watch.bench.spec, watch.bench.world.recipe()
    definitions = dg.Definitions(
        assets=build_assets(spec, recipe, sharing),
        jobs=[dg.define_asset_job("everything")],
        resources={"databricks": dg.ResourceDefinition.none_resource()},
    )
    job, selection = definitions.resolve_job_def("everything"), None
    if wanted:
        selection = {asset_key(spec, wanted)}
        job = job.get_subset(asset_selection=selection)
    return watch.bench.instance.create_run_for_job(
        job, status=dg.DagsterRunStatus.STARTED, asset_selection=selection
    )


def test_without_a_warehouse_it_says_what_to_configure_and_asks_nothing(watch: Watch) -> None:
    watch.tick()
    before = watch.cursor
    watch.file.write_text(WITHOUT)
    watch.warehouse.asked.clear()
    reason = _reason(watch.tick())
    assert f"{watch.file}: databricks.warehouse_id" in reason
    assert "set ML_ASSETS_WAREHOUSE_ID" in reason
    assert watch.cursor == before
    assert watch.warehouse.asked == []


def test_a_warehouse_that_is_still_starting_is_asked_again_later(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import timedelta

    watch.tick()
    before = watch.cursor
    monkeypatch.setattr(sensors, "TICK_PATIENCE", timedelta(0))
    watch.warehouse.states = [StatementState.PENDING] * 100
    assert "the statement is PENDING" in _reason(watch.tick())
    assert watch.cursor == before
    assert len(watch.warehouse.cancelled) == 1
