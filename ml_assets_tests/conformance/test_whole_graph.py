"""The tiny shop through all its steps, on the databricks platform over the real client."""

from __future__ import annotations

import json

import pytest

from ml_assets.steps.handles import PredictionsHandle, RunHandle, TableHandle, VersionHandle
from ml_assets.steps.serving.moves import Desk
from ml_assets.steps.serving.promotion import rollback
from ml_assets.steps.serving.serving_history import history, standing
from ml_assets_tests import tiny
from ml_assets_tests.conformance.platforms import databricks
from ml_assets_tests.steps.helpers import red, run_steps

GRANTS = {"analysts": {"tables": ["SELECT"], "model": ["EXECUTE"]}}


@pytest.fixture(scope="module")
def spec():
    return tiny.spec(grants=GRANTS)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, spec):
    """(platform, workspace, what came of each step), after every step ran once."""
    with databricks(tmp_path_factory.mktemp("graph") / "home") as (platform, workspace):
        yield platform, workspace, run_steps(spec, platform)


def test_every_step_passes_and_leaves_its_handle(finished):
    _, _, outcomes = finished
    assert {a: red(o.verdicts) for a, o in outcomes.items() if red(o.verdicts)} == {}
    kinds = [type(o.handle) for o in outcomes.values()]
    assert kinds == [TableHandle] * 6 + [RunHandle, VersionHandle, PredictionsHandle]


def test_predictions_are_the_champions_one_per_customer(finished, spec):
    platform, _, _ = finished
    rows = platform.tables.read(spec.scoring.table).toPandas()
    assert len(rows) == tiny.CUSTOMERS
    assert rows["prediction"].dtype == "int64"
    assert set(rows["model_version"]) == {1}
    assert platform.registry.version_of(spec.registered_model, "champion") == 1


def test_feature_tables_are_unitys(finished, spec):
    """Keys as a constraint with TIMESERIES, descriptions, tags and grants, in the catalog itself."""
    _, workspace, _ = finished
    dated, static = (workspace.unity.table(t.table) for t in spec.feature_tables)
    assert (dated.primary_key, dated.timeseries) == (["customer", "known_at"], "known_at")
    assert (static.primary_key, static.timeseries) == (["customer"], None)
    assert not any(dated.columns[k]["nullable"] for k in dated.primary_key)
    assert "What customers do." in dated.comment
    assert dated.tags == {"domain": "shop", "model": "spender"}
    assert dated.columns["amount"]["metadata"]["comment"] == "Amount spent"
    for table in spec.feature_tables:
        assert workspace.unity.granted("TABLE", table.table) == {"analysts": {"SELECT"}}
    assert workspace.unity.granted("FUNCTION", spec.registered_model) == {"analysts": {"EXECUTE"}}


def test_commits_say_who_made_them(finished, spec):
    _, workspace, outcomes = finished
    handle = outcomes["training_set"].handle
    history = workspace.spark.sql(f"DESCRIBE HISTORY {spec.training_set}").collect()
    [commit] = [c for c in history if c.version == handle.delta_version]
    assert json.loads(commit.userMetadata)["ml_assets.dagster_run_id"] == "test-run"


def test_nothing_is_left_beside_the_tables(finished):
    _, workspace, _ = finished
    assert [name for name in workspace.unity.tables if "staged" in name] == []


@pytest.mark.parametrize("make", [tiny.multiclass, tiny.probability, tiny.anomaly])
def test_the_other_model_types_go_the_same_way(finished, make):
    """On the same feature tables; labels of the anomaly detector are null where nobody looked."""
    platform, _, outcomes = finished
    kept = {a: o.handle for a, o in outcomes.items() if a.startswith(("sources/", "features/"))}
    typed = make()
    made = run_steps(typed, platform, handles=kept)
    assert list(made)[-1] == "predictions"
    assert {a: red(o.verdicts) for a, o in made.items() if red(o.verdicts)} == {}
    rows = platform.tables.read(typed.scoring.table).toPandas()
    assert len(rows) == tiny.CUSTOMERS
    assert (
        str(rows["prediction"].dtype) == {"long": "int64", "double": "float64"}[typed.output_type]
    )
    if typed.class_names:
        assert [typed.class_names[c] for c in rows["prediction"]] == rows[
            "predicted_class"
        ].tolist()


def test_a_second_run_adds_one_version_of_everything(finished, spec):
    platform, _, first = finished
    second = run_steps(spec, platform)
    assert {a: red(o.verdicts) for a, o in second.items() if red(o.verdicts)} == {}
    for asset in ("features/activity", "labels", "training_set", "predictions"):
        before, after = first[asset].handle, second[asset].handle
        assert after.delta_version == before.delta_version + 1, asset
    assert platform.registry.versions(spec.registered_model) == (1, 2)


def test_another_model_is_compared_with_the_champion_promoted_and_taken_back(finished, spec):
    """Both are looked up by the real client, each by its own package."""
    platform, _, outcomes = finished
    after = ("trained_model", "model_version", "predictions")
    kept = {a: o.handle for a, o in outcomes.items() if a not in after}
    better = {"class": "xgboost.XGBClassifier", "params": {"n_estimators": 60, "max_depth": 3}}
    other = tiny.spec(grants=GRANTS, estimator=better, promotion={"margin": 0.2})
    desk = Desk(spec, platform.registry, platform.tracking)
    before = desk.champion()
    made = run_steps(other, platform, until="model_version", handles=kept)["model_version"]
    assert made.stopped == ()
    found = next(v for v in made.verdicts if v.check == "promotion_beats_champion")
    assert (found.numbers["champion"], found.numbers["compared_rows"]) == (before, 320)
    trained = platform.tracking.info(outcomes["trained_model"].handle.run_id)
    assert found.numbers["champion_roc_auc"] == pytest.approx(trained.metrics["holdout_roc_auc"])
    assert (desk.champion(), standing(desk).rollback_to) == (before + 1, before)
    rollback(desk, reason="only a try", who="ann")
    assert [e.action for e in history(desk)][:2] == ["rollback", "promote"]
    assert (desk.champion(), standing(desk).challenger) == (before, before + 1)
