"""The sensor on real Delta tables: what counts as new data, what starts a run, what waits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import dagster as dg
import pyarrow as pa
import pytest
from dagster._core.storage.tags import PARENT_RUN_ID_TAG, ROOT_RUN_ID_TAG
from deltalake import CommitProperties, DeltaTable, write_deltalake

from ml_assets.orchestration.names import asset_key
from ml_assets_tests.orchestration.fakes import Bench, MakeBench

if TYPE_CHECKING:
    from pathlib import Path

ACTIVITY, PROFILE = "main.shop.activity", "main.shop.profile"
DOWNSTREAM = {"training_set", "trained_model", "model_version", "predictions"}


class Watch:
    """Ticks of the model's sensor, with the cursor that Dagster would keep."""

    def __init__(self, bench: Bench, home: Path) -> None:
        self.bench, self.home, self.cursor = bench, home, None
        self.definitions = bench.definitions()
        self.sensor = self.definitions.resolve_sensor_def("shop__churn__sensor")

    def write(self, table: str, run_id: str | None = None) -> None:
        properties = {"ml_assets.dagster_run_id": run_id} if run_id else {}
        write_deltalake(
            self.path(table),
            pa.table({"person": ["a"]}),
            mode="overwrite",
            commit_properties=CommitProperties(custom_metadata=properties),
        )

    def path(self, table: str) -> str:
        return str(self.home.joinpath("warehouse", *table.split(".")))

    def tick(self) -> dg.SensorResult:
        context = dg.build_sensor_context(
            instance=self.bench.instance, cursor=self.cursor, definitions=self.definitions
        )
        result = self.sensor(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        return result

    def training_set_holds(self, **versions: int) -> None:
        tables = {"activity": ACTIVITY, "profile": PROFILE}
        handle = {"inputs": {tables[name]: version for name, version in versions.items()}}
        key = asset_key(self.bench.spec, "training_set")
        self.bench.instance.report_runless_asset_event(
            dg.AssetMaterialization(key, metadata=handle)
        )


@pytest.fixture
def watch(home: Path, make_bench: MakeBench) -> Watch:
    watch = Watch(make_bench(), home)
    watch.write(ACTIVITY)
    watch.write(PROFILE)
    return watch


def _reason(result: dg.SensorResult) -> str:
    assert result.run_requests == []
    reason = result.skip_reason
    assert isinstance(reason, dg.SkipReason)
    return str(reason.skip_message)


def _request(result: dg.SensorResult) -> dg.RunRequest:
    (request,) = result.run_requests or []
    return request


def test_it_is_stopped_until_the_user_starts_it(watch: Watch) -> None:
    assert watch.sensor.default_status == dg.DefaultSensorStatus.STOPPED
    assert watch.sensor.minimum_interval_seconds == 30


def test_the_first_tick_only_records(watch: Watch) -> None:
    reason = _reason(watch.tick())
    assert "First look: main.shop.activity version 0, main.shop.profile version 0" in reason
    assert json.loads(str(watch.cursor)) == {ACTIVITY: 0, PROFILE: 0}


def test_nothing_new_starts_nothing(watch: Watch) -> None:
    watch.tick()
    assert _reason(watch.tick()).startswith("No new data: main.shop.activity version 0")


def test_new_data_starts_one_run(watch: Watch) -> None:
    watch.tick()
    watch.write(ACTIVITY)
    request = _request(watch.tick())
    assert {"/".join(k.path[2:]) for k in request.asset_selection or []} == DOWNSTREAM
    checked = {"/".join(k.asset_key.path[2:]) for k in request.asset_check_keys or []}
    assert checked == {"features/activity", *DOWNSTREAM}
    assert request.tags["ml_assets/new_data"] == "main.shop.activity version 1"
    assert json.loads(str(watch.cursor)) == {ACTIVITY: 1, PROFILE: 0}
    assert _reason(watch.tick()).startswith("No new data")


def test_new_data_is_observed_with_its_version(watch: Watch) -> None:
    watch.tick()
    watch.write(ACTIVITY)
    (event,) = watch.tick().asset_events
    assert event.asset_key == asset_key(watch.bench.spec, "features/activity")
    assert event.tags == {"dagster/data_version": "1"}


def test_new_data_in_two_tables_starts_one_run_for_both(watch: Watch) -> None:
    watch.tick()
    watch.write(ACTIVITY)
    watch.write(PROFILE)
    request = _request(watch.tick())
    checked = {"/".join(k.asset_key.path[2:]) for k in request.asset_check_keys or []}
    assert {"features/activity", "features/profile"} <= checked


def test_each_version_has_a_run_key_of_its_own(watch: Watch) -> None:
    watch.tick()
    keys = []
    for _ in range(2):
        watch.write(ACTIVITY)
        keys.append(_request(watch.tick()).run_key)
    assert len(set(keys)) == 2
    assert all(str(key).startswith(f"{ACTIVITY}@") for key in keys)


def test_a_table_that_was_dropped_and_written_anew_is_new_data(watch: Watch, home: Path) -> None:
    import shutil

    watch.write(ACTIVITY)
    watch.tick()
    watch.write(ACTIVITY)
    first = _request(watch.tick()).run_key
    watch.training_set_holds(activity=2, profile=0)
    shutil.rmtree(watch.path(ACTIVITY))
    watch.write(ACTIVITY)
    assert _request(watch.tick()).run_key != first


def test_a_commit_that_changes_no_data_starts_nothing(watch: Watch) -> None:
    watch.tick()
    DeltaTable(watch.path(ACTIVITY)).alter.set_table_description("Another text")
    DeltaTable(watch.path(ACTIVITY)).optimize.compact()
    assert DeltaTable(watch.path(ACTIVITY)).version() > 0
    assert _reason(watch.tick()).startswith("No new data: main.shop.activity version 0")


def test_a_version_that_the_training_set_holds_starts_nothing(watch: Watch) -> None:
    watch.tick()
    watch.write(ACTIVITY)
    watch.training_set_holds(activity=1, profile=0)
    result = watch.tick()
    assert _reason(result) == "The latest training set already holds main.shop.activity version 1."
    assert json.loads(str(result.cursor))[ACTIVITY] == 1
    assert len(result.asset_events) == 1


def test_a_version_newer_than_the_training_set_s_starts_a_run(watch: Watch) -> None:
    watch.tick()
    watch.write(ACTIVITY)
    watch.training_set_holds(activity=0, profile=0)
    assert "activity@1" in str(_request(watch.tick()).run_key)


def _unfinished_run(watch: Watch, *assets: str) -> dg.DagsterRun:
    job = watch.definitions.resolve_job_def("shop__churn")
    keys = {asset_key(watch.bench.spec, a) for a in assets}
    if assets:
        job = job.get_subset(asset_selection=keys)
    return watch.bench.instance.create_run_for_job(
        job, status=dg.DagsterRunStatus.STARTED, asset_selection=keys or None
    )


def test_a_version_of_a_killed_run_is_waited_for_while_its_re_execution_will_use_it(
    watch: Watch,
) -> None:
    watch.tick()
    killed = _unfinished_run(watch)
    watch.bench.instance.report_run_failed(killed)
    again = {PARENT_RUN_ID_TAG: killed.run_id, ROOT_RUN_ID_TAG: killed.run_id}
    watch.bench.instance.add_run_tags(_unfinished_run(watch).run_id, again)
    watch.write(ACTIVITY, killed.run_id)
    assert "still in progress" in _reason(watch.tick())


def test_a_version_written_by_a_run_that_will_use_it_is_waited_for(watch: Watch) -> None:
    watch.tick()
    before = watch.cursor
    run = _unfinished_run(watch)
    watch.write(ACTIVITY, run.run_id)
    result = watch.tick()
    assert f"written by run {run.run_id}, which is still in progress" in _reason(result)
    assert result.cursor == before

    watch.bench.instance.report_run_failed(run)
    assert "activity@1" in str(_request(watch.tick()).run_key)


def test_a_version_written_by_a_run_that_used_it_starts_nothing(watch: Watch) -> None:
    watch.tick()
    run = _unfinished_run(watch)
    watch.write(ACTIVITY, run.run_id)
    watch.tick()
    watch.training_set_holds(activity=1, profile=0)
    watch.bench.instance.report_run_failed(run)
    assert "already holds" in _reason(watch.tick())


def test_a_version_written_by_a_run_of_the_feature_table_alone_starts_a_run(watch: Watch) -> None:
    watch.tick()
    run = _unfinished_run(watch, "features/activity")
    watch.write(ACTIVITY, run.run_id)
    assert "activity@1" in str(_request(watch.tick()).run_key)


def test_a_version_written_by_a_run_of_another_instance_starts_a_run(watch: Watch) -> None:
    watch.tick()
    watch.write(ACTIVITY, "0b54b4a9-no-such-run")
    assert "activity@1" in str(_request(watch.tick()).run_key)


def test_without_any_table_it_says_so(home: Path, make_bench: MakeBench) -> None:
    watch = Watch(make_bench(), home)
    assert "no feature table exists yet" in _reason(watch.tick())
    assert "no feature table exists" in _reason(watch.tick())


def test_a_first_table_after_the_first_tick_is_new_data(home: Path, make_bench: MakeBench) -> None:
    watch = Watch(make_bench(), home)
    watch.tick()
    watch.write(PROFILE)
    assert "profile@0" in str(_request(watch.tick()).run_key)


def test_the_requested_run_checks_the_table_first_and_rebuilds_what_stands_on_it(
    watch: Watch,
) -> None:
    bench: Any = watch.bench
    bench.run()
    watch.tick()
    watch.write(ACTIVITY)
    watch.write(ACTIVITY)
    request = _request(watch.tick())
    bench.world.built.clear()
    bench.world.measured.clear()
    job = watch.definitions.resolve_job_def("shop__churn__refresh").get_subset(
        asset_selection=set(request.asset_selection or []),
        asset_check_selection=set(request.asset_check_keys or []),
    )
    assert job.execute_in_process(instance=bench.instance).success
    assert bench.world.measured == ["features/activity"]
    assert bench.world.built == ["training_set", "trained_model", "model_version", "predictions"]
