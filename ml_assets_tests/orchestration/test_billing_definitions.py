"""What the definitions of the three billing models are: two of them stand on the first one's table."""

from __future__ import annotations

import dagster as dg
import pytest
import yaml
from dagster._utils.tags import TagConcurrencyLimitsCounter

from ml_assets.orchestration.instance import SETTINGS
from ml_assets.orchestration.jobs import reused_assets
from ml_assets.rules.registry import checks_for
from ml_assets.spec.loader import load_spec
from ml_assets_tests.orchestration.test_definitions import ROOT

OWNER = "health_monitor/cost_predictor"
REUSING = ("health_monitor/next_day_cost", "health_monitor/usage_anomaly")
TABLE = f"{OWNER}/features/cost_prediction_features"
SOURCES = (f"{OWNER}/sources/list_prices", f"{OWNER}/sources/usage")


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    from ml_assets.definitions import defs

    return defs


@pytest.fixture(scope="module")
def graph(definitions: dg.Definitions) -> dg.AssetGraph:
    return definitions.resolve_asset_graph()


def _deps(graph: dg.AssetGraph, model: str) -> dict[str, tuple[str, ...]]:
    """Dependencies by asset, in whole keys."""
    nodes = {
        key.to_user_string(): graph.get(key).to_asset_spec() for key in graph.get_all_asset_keys()
    }
    return {
        name.removeprefix(f"{model}/"): tuple(
            sorted(d.asset_key.to_user_string() for d in spec.deps)
        )
        for name, spec in nodes.items()
        if name.startswith(f"{model}/")
    }


def _graph_of(model: str) -> dict[str, tuple[str, ...]]:
    """What every model has after its feature tables."""
    return {
        "labels": SOURCES,
        "training_set": tuple(sorted((TABLE, f"{model}/labels"))),
        "trained_model": (f"{model}/training_set",),
        "model_version": (f"{model}/trained_model",),
        "predictions": tuple(sorted((TABLE, *SOURCES, f"{model}/model_version"))),
    }


def test_the_owner_makes_the_table_and_the_sources(graph: dg.AssetGraph) -> None:
    own = {
        "sources/usage": (),
        "sources/list_prices": (),
        "features/cost_prediction_features": SOURCES,
    }
    assert _deps(graph, OWNER) == {**own, **_graph_of(OWNER)}


@pytest.mark.parametrize("model", REUSING)
def test_a_reusing_model_stands_on_the_owner_s_assets_and_makes_none_of_them(
    graph: dg.AssetGraph, model: str
) -> None:
    assert _deps(graph, model) == _graph_of(model)


@pytest.mark.parametrize("model", [OWNER, *REUSING])
def test_every_asset_has_the_checks_of_its_rules(graph: dg.AssetGraph, model: str) -> None:
    spec = load_spec(ROOT / "ml_assets/defs" / model)
    found: dict[str, set[str]] = {name: set() for name in _deps(graph, model)}
    for key in graph.asset_check_keys:
        name = key.asset_key.to_user_string()
        if name.startswith(f"{model}/"):
            found[name.removeprefix(f"{model}/")].add(key.name)
    assert found == {name: {rule.check for rule in checks_for(spec, name)} for name in found}


@pytest.mark.parametrize("model", REUSING)
def test_the_jobs_of_a_reusing_model(definitions: dg.Definitions, model: str) -> None:
    slug = model.replace("/", "__")

    def selected(job: str) -> set[str]:
        keys = definitions.resolve_job_def(job).asset_layer.selected_asset_keys
        return {key.to_user_string() for key in keys}

    own = {f"{model}/{name}" for name in _graph_of(model)}
    assert selected(slug) == own
    assert selected(f"{slug}__with_reused") == own | {TABLE, *SOURCES}
    assert selected(f"{slug}__refresh") == own - {f"{model}/labels"}
    ops = {node.name for node in definitions.resolve_job_def(f"{slug}__refresh").nodes}
    assert TABLE.replace("/", "__") in ops  # its checks are executed there, it is not made


def test_a_model_that_reuses_nothing_has_no_third_job(definitions: dg.Definitions) -> None:
    names = {job.name for job in definitions.jobs or ()}
    assert not {
        n
        for n in names
        if n.startswith((OWNER.replace("/", "__") + "__with", "flight_ops__arrival_delay__with"))
    }


def test_the_description_says_whose_the_table_is(graph: dg.AssetGraph) -> None:
    key = dg.AssetKey(["health_monitor", "next_day_cost", "training_set"])
    about = graph.get(key).to_asset_spec().description or ""
    assert "`features/cost_prediction_features` of health_monitor/cost_predictor" in about


@pytest.mark.parametrize("model", REUSING)
def test_a_reusing_model_is_short_and_takes_what_the_owner_says(model: str) -> None:
    file = ROOT / "ml_assets/defs" / model / "defs.yaml"
    spec, owner = load_spec(file), load_spec(ROOT / "ml_assets/defs" / OWNER)
    (table,), (own,) = spec.feature_tables, owner.feature_tables
    assert (table.table, table.primary_keys, table.event_time) == (
        own.table,
        own.primary_keys,
        own.event_time,
    )
    assert table.declared_hash == own.declared_hash
    assert set(spec.features) <= set(owner.features)
    assert {spec.sources[n].table for n in spec.sources} == {
        s.table for s in owner.sources.values()
    }
    assert len(reused_assets(spec)) == 3


@pytest.mark.parametrize("model", REUSING)
def test_runs_that_write_the_same_feature_table_queue(
    definitions: dg.Definitions, model: str
) -> None:
    """By Dagster's own count, under the limits that are written into a new home."""
    limits = yaml.safe_load(SETTINGS)["concurrency"]["runs"]["tag_concurrency_limits"]

    def run(job: str) -> dg.DagsterRun:
        tags = definitions.resolve_job_def(job).run_tags
        return dg.DagsterRun(job_name=job, run_id=job, tags=dict(tags))

    def waits(job: str, while_runs: str) -> bool:
        return TagConcurrencyLimitsCounter(limits, [run(while_runs)]).is_blocked(run(job))

    owner, slug = OWNER.replace("/", "__"), model.replace("/", "__")
    assert waits(f"{slug}__with_reused", while_runs=owner)
    assert waits(owner, while_runs=f"{slug}__with_reused")
    assert waits(slug, while_runs=f"{slug}__with_reused")
    assert not waits(slug, while_runs=owner)
