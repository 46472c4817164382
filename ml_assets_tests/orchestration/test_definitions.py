"""What the definitions of the flights model are: a contract with the people who watch the UI."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.observe import observe

from ml_assets.orchestration.names import asset_name
from ml_assets.rules.registry import checks_for
from ml_assets.spec.loader import load_spec
from ml_assets_tests.orchestration.fakes import MakeBench, make_spec

ROOT = Path(__file__).parents[2]
MODEL = ["flight_ops", "arrival_delay"]
SOURCES = ("sources/flights", "sources/planes", "sources/weather")
FEATURES = (
    "features/carrier_route_history",
    "features/flight_schedule",
    "features/planes",
    "features/weather_hourly",
)
GRAPH = {
    "sources/flights": ((), {"delta"}),
    "sources/planes": ((), {"delta"}),
    "sources/weather": ((), {"delta"}),
    "features/flight_schedule": (("sources/flights",), {"delta", "pyspark"}),
    "features/weather_hourly": (("sources/weather",), {"delta", "pyspark"}),
    "features/planes": (("sources/planes",), {"delta", "pyspark"}),
    "features/carrier_route_history": (("sources/flights",), {"delta", "pyspark"}),
    "labels": (("sources/flights",), {"delta", "pyspark"}),
    "training_set": ((*FEATURES, "labels"), {"delta", "duckdb"}),
    "trained_model": (("training_set",), {"mlflow", "python"}),
    "model_version": (("trained_model",), {"mlflow"}),
    "predictions": ((*FEATURES, "model_version", "sources/flights"), {"delta", "duckdb"}),
}
DOWNSTREAM = ("training_set", "trained_model", "model_version", "predictions")
TABLES = {
    "sources/flights": "flight_ops.raw.flights",
    "features/weather_hourly": "flight_ops.features.weather_hourly",
    "training_set": "flight_ops.training.arrival_delay",
    "trained_model": None,
}


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    from ml_assets.definitions import defs

    return defs


@pytest.fixture(scope="module")
def graph(definitions: dg.Definitions) -> dg.AssetGraph:
    return definitions.resolve_asset_graph()


def _nodes(graph: dg.AssetGraph) -> dict[str, dg.AssetSpec]:
    keys = [key for key in graph.get_all_asset_keys() if key.path[:2] == MODEL]
    return {asset_name(key): graph.get(key).to_asset_spec() for key in keys}


def test_the_definitions_are_loadable(definitions: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(definitions)


def test_keys_dependencies_and_kinds(graph: dg.AssetGraph) -> None:
    found = {
        name: (tuple(sorted(asset_name(d.asset_key) for d in spec.deps)), spec.kinds)
        for name, spec in _nodes(graph).items()
    }
    assert found == GRAPH


def test_every_asset_is_described_owned_grouped_tagged_and_versioned(graph: dg.AssetGraph) -> None:
    for name, spec in _nodes(graph).items():
        assert spec.group_name == "flight_ops__arrival_delay", name
        assert spec.owners == ["team:flight-ops"], name
        assert spec.tags["ml_assets/model"] == "flight_ops__arrival_delay", name
        assert len(spec.description or "") > 40, name
        assert spec.code_version, name


def test_descriptions_say_what_the_business_wants_to_know(graph: dg.AssetGraph) -> None:
    text = _nodes(graph)["features/weather_hourly"].description or ""
    assert text.startswith("Weather at the airport of departure")
    assert "- **Table:** `flight_ops.features.weather_hourly`" in text
    assert "- **Primary keys:** `origin`" in text
    assert "- **Event time:** `known_at`, at most 6 hours old" in text
    labels = _nodes(graph)["labels"].description or ""
    assert "`is_late` = 1 where `arr_delay` > 15" in labels


def test_tables_are_named(graph: dg.AssetGraph) -> None:
    nodes = _nodes(graph)
    found = {name: nodes[name].metadata.get("dagster/table_name") for name in TABLES}
    assert found == TABLES


def test_every_asset_has_the_checks_of_its_rules_and_no_others(graph: dg.AssetGraph) -> None:
    spec = load_spec(ROOT / "ml_assets/defs/flight_ops/arrival_delay/defs.yaml")
    found: dict[str, set[str]] = {name: set() for name in GRAPH}
    for key in graph.asset_check_keys:
        if key.asset_key.path[:2] == MODEL:
            found[asset_name(key.asset_key)].add(key.name)
    assert found == {name: {rule.check for rule in checks_for(spec, name)} for name in GRAPH}
    assert {"ml03_no_nan", "ml01_primary_key_unique"} <= found["features/planes"]
    assert found["sources/flights"] == set()


def test_checks_block_as_the_rule_book_says(definitions: dg.Definitions) -> None:
    blocking = {
        (asset_name(check.asset_key), check.name): check.blocking
        for asset in definitions.assets or []
        if isinstance(asset, dg.AssetsDefinition)
        for check in asset.check_specs
    }
    assert blocking["features/planes", "ml03_no_nan"]
    assert blocking["model_version", "promotion_absolute"]
    assert not blocking["trained_model", "ml02_input_example"]
    # A single-class label skips what is downstream: the check is red, the run stays green.
    assert not blocking["labels", "ml05_not_single_class"]


def test_a_single_class_label_blocks_when_it_is_to_fail(make_bench: MakeBench) -> None:
    for policy, expected in (("skip", False), ("fail", True)):
        bench = make_bench(None, make_spec(on_single_class=policy))
        checks = {
            check.name: check.blocking
            for asset in bench.definitions().assets or []
            if isinstance(asset, dg.AssetsDefinition)
            for check in asset.check_specs
        }
        assert checks["not_single_class"] is expected


def test_a_check_can_be_executed_without_building_its_asset(graph: dg.AssetGraph) -> None:
    for key in graph.asset_check_keys:
        # None: belongs to no set that must be executed together; the UI offers "Execute".
        assert graph.get_execution_set_identifier(key) is None, key


def test_jobs_schedule_and_sensor(definitions: dg.Definitions) -> None:
    repository = definitions.get_repository_def()
    jobs = {job.name for job in repository.get_all_jobs()}
    assert {"flight_ops__arrival_delay", "flight_ops__arrival_delay__refresh"} <= jobs
    schedule = repository.get_schedule_def("flight_ops__arrival_delay__schedule")
    assert (schedule.name, schedule.cron_schedule) == (
        "flight_ops__arrival_delay__schedule",
        "0 6 * * *",
    )
    assert schedule.execution_timezone == "UTC"
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
    assert len(repository.schedule_defs) == len(repository.sensor_defs) == 4
    sensor = repository.get_sensor_def("flight_ops__arrival_delay__sensor")
    assert sensor.default_status == dg.DefaultSensorStatus.STOPPED


def test_the_job_holds_everything_and_the_refresh_job_what_stands_on_features(
    definitions: dg.Definitions,
) -> None:
    whole = definitions.resolve_job_def("flight_ops__arrival_delay").asset_layer
    assert {asset_name(k) for k in whole.selected_asset_keys} == set(GRAPH)
    refresh = definitions.resolve_job_def("flight_ops__arrival_delay__refresh").asset_layer
    assert {asset_name(k) for k in refresh.selected_asset_keys} == set(DOWNSTREAM)
    ops = {
        node.name.removeprefix("flight_ops__arrival_delay__")
        for node in definitions.resolve_job_def("flight_ops__arrival_delay__refresh").nodes
    }
    assert ops == {a.replace("/", "__") for a in (*FEATURES, *DOWNSTREAM)}


def test_runs_execute_in_one_process(definitions: dg.Definitions) -> None:
    for name in ("flight_ops__arrival_delay", "flight_ops__arrival_delay__refresh"):
        assert definitions.resolve_job_def(name).executor_def is dg.in_process_executor


def test_resources(definitions: dg.Definitions) -> None:
    assert set(definitions.resources or {}) == {"spark", "platform"}


def test_the_code_version_changes_with_the_declaration(make_bench: MakeBench) -> None:
    def versions(**changes: object) -> set[str | None]:
        assets = make_bench(None, make_spec(**changes)).definitions().assets or []
        specs = [s for a in assets if isinstance(a, dg.AssetsDefinition) for s in a.specs]
        return {spec.code_version for spec in specs if spec.skippable}

    assert len(versions()) == 1
    assert versions() == versions()
    assert versions() != versions(description="Another model")


def test_an_external_source_is_observed_by_its_delta_version(
    make_bench: MakeBench, home: object
) -> None:
    import pyarrow as pa
    from deltalake import write_deltalake

    bench = make_bench()
    write_deltalake(f"{home}/warehouse/main/raw/people", pa.table({"person": ["a"]}))
    write_deltalake(f"{home}/warehouse/main/raw/people", pa.table({"person": ["b"]}), mode="append")
    assets = [a for a in bench.definitions().assets or [] if isinstance(a, dg.AssetsDefinition)]
    (people,) = [a for a in assets if a.key.path[-1] == "people"]
    result = observe([people], instance=bench.instance)
    (event,) = result.get_asset_observation_events()
    assert (event.asset_observation_data.asset_observation.tags or {})[
        "dagster/data_version"
    ] == "1"


def test_observing_a_missing_external_source_says_who_fills_it(make_bench: MakeBench) -> None:
    assets = [
        a for a in make_bench().definitions().assets or [] if isinstance(a, dg.AssetsDefinition)
    ]
    (people,) = [a for a in assets if a.key.path[-1] == "people"]
    with pytest.raises(dg.Failure, match=r"There is no table main\.raw\.people"):
        observe([people])
