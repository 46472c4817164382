"""The six steps on the tiny shop: what is stored, what is said of it, what happens the second time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

from ml_assets.steps.handles import PredictionsHandle, RunHandle, TableHandle, VersionHandle
from ml_assets.steps.train_model import HOLDOUT_FILE
from ml_assets_tests import tiny
from ml_assets_tests.steps.helpers import measure, red, run_steps

if TYPE_CHECKING:
    from ml_assets_tests.steps.conftest import Shop

ASSETS = [
    "sources/visits", "sources/customers", "features/activity", "features/profile", "labels",
    "training_set", "trained_model", "model_version", "predictions",
]  # fmt: skip


def test_every_step_passes_and_leaves_its_handle(finished: Shop) -> None:
    spec, platform, outcomes = tiny.spec(), finished.platform, finished.outcomes
    assert list(outcomes) == ASSETS
    assert {a: red(o.verdicts) for a, o in outcomes.items() if red(o.verdicts)} == {}
    kinds = [type(o.handle) for o in outcomes.values()]
    assert kinds == [TableHandle] * 6 + [RunHandle, VersionHandle, PredictionsHandle]

    training = platform.tables.read(spec.training_set).toPandas()
    assert list(training.columns) == [
        "customer", "asked_at", "amount", "visits", "city", "age", "spends", "__split",
        "__as_of_activity", "__matched_profile",
    ]  # fmt: skip
    assert (training["__as_of_activity"].dropna() <= training["asked_at"]).all()
    assert training["__matched_profile"].mean() == (tiny.CUSTOMERS - 1) / tiny.CUSTOMERS
    assert training.loc[~training["__matched_profile"], "age"].isna().all()
    train, holdout = (training[training["__split"] == s]["asked_at"] for s in ("train", "holdout"))
    assert holdout.min() - train.max() >= spec.split.embargo

    labels = platform.tables.read(spec.label.table).toPandas()
    assert list(labels.columns) == ["customer", "asked_at", "spends"]
    assert sorted(labels["spends"].unique()) == [0, 1]

    predictions = platform.tables.read(spec.scoring.table).toPandas()
    assert len(predictions) == tiny.CUSTOMERS
    assert predictions["prediction"].dtype == "int64"
    assert set(predictions["model_version"]) == {1}


def test_the_repairs_are_counted_and_the_stored_table_is_clean(finished: Shop) -> None:
    platform, outcome = finished.platform, finished.outcomes["features/activity"]
    raw = tiny.visits_data()
    assert outcome.details["repaired_values"] == {
        "amount": int(raw["amount"].isna().sum() + (raw["amount"] == float("inf")).sum()),
        "visits": 0,
        "city": int(raw["city"].isna().sum()),
    }
    info = platform.tables.info("shop.features.activity")
    assert info.column_names == ("customer", "known_at", "amount", "visits", "city")
    assert {c.name: c.comment for c in info.columns}["amount"] == "Amount spent"
    assert (info.primary_keys, info.event_time, info.tags["domain"]) == (
        ("customer",),
        "known_at",
        "shop",
    )


def test_a_second_run_adds_one_version_of_everything(shop: Shop) -> None:
    spec, platform = tiny.spec(), shop.platform
    first, second = shop.outcomes, run_steps(spec, platform)
    assert (
        platform.tables.info("shop.raw.visits").version
        == first["sources/visits"].handle.delta_version
    )
    for asset in ("features/activity", "labels", "training_set", "predictions"):
        a, b = first[asset].handle, second[asset].handle
        assert isinstance(a, TableHandle)
        assert isinstance(b, TableHandle)
        assert (b.delta_version - a.delta_version, a.rows) == (1, b.rows)
    assert platform.registry.versions(spec.registered_model) == (1, 2)
    assert platform.registry.version_of(spec.registered_model, "champion") == 2
    assert platform.registry.tags(spec.registered_model, 2)["ml_assets.previous_champion"] == "1"


def test_registering_the_same_run_twice_makes_one_version(shop: Shop) -> None:
    spec, platform, handles = tiny.spec(), shop.platform, shop.handles
    for asset in ("model_version", "predictions"):
        handles.pop(asset)
    again = run_steps(spec, platform, handles=handles)
    assert list(again) == ["model_version", "predictions"]
    assert platform.registry.versions(spec.registered_model) == (1,)


def test_runs_are_in_their_experiments_and_traceable(finished: Shop) -> None:
    spec, platform, outcomes = tiny.spec(), finished.platform, finished.outcomes
    for asset, purpose in (
        ("trained_model", "development"),
        ("model_version", "evaluation"),
        ("predictions", "deployment"),
    ):
        handle = outcomes[asset].handle
        assert isinstance(handle, RunHandle | VersionHandle | PredictionsHandle)
        run = platform.tracking.info(handle.run_id)
        assert run.experiment == f"/Shared/shop_ml_spender_{purpose}"
        tags = {
            k: run.tags[f"ml_assets.{k}"] for k in ("dagster_run_id", "git_commit", "spec_hash")
        }
        assert tags == {
            "dagster_run_id": "test-run",
            "git_commit": "0" * 40,
            "spec_hash": spec.hash,
        }
    training = outcomes["training_set"].handle
    assert isinstance(training, TableHandle)
    assert set(training.inputs) == {
        "shop.labels.spender",
        "shop.features.activity",
        "shop.features.profile",
    }


def test_the_holdout_evidence_holds_what_the_metrics_say(finished: Shop) -> None:
    platform, outcomes = finished.platform, finished.outcomes
    handle = outcomes["trained_model"].handle
    assert isinstance(handle, RunHandle)
    holdout = pd.read_parquet(platform.tracking.download(handle.run_id, HOLDOUT_FILE))
    from sklearn.metrics import roc_auc_score

    auc = roc_auc_score(holdout["spends"], holdout["probability"])
    assert platform.tracking.info(handle.run_id).metrics["holdout_roc_auc"] == pytest.approx(auc)
    assert auc > 0.8


@pytest.mark.parametrize("asset", ASSETS[2:])
def test_measuring_what_is_stored_gives_the_same_verdicts(finished: Shop, asset: str) -> None:
    from ml_assets.rules.registry import judge

    spec, outcome = tiny.spec(), finished.outcomes[asset]
    assert outcome.handle is not None
    again = judge(spec, asset, measure(spec, finished.platform, asset, outcome.handle))
    assert [(v.check, v.passed) for v in again] == [(v.check, v.passed) for v in outcome.verdicts]


@pytest.mark.parametrize(
    ("path", "encoding"),
    [
        ("sklearn.linear_model.LogisticRegression", "one_hot"),
        ("sklearn.ensemble.GradientBoostingClassifier", "ordinal"),
        ("sklearn.ensemble.RandomForestClassifier", "ordinal"),
        ("sklearn.ensemble.HistGradientBoostingClassifier", "one_hot"),
        ("xgboost.XGBRFClassifier", "ordinal"),
    ],
)
def test_other_estimators_go_through_the_whole_graph(shop: Shop, path: str, encoding: str) -> None:
    estimator = {"class": path, "params": {}, "encoding": encoding}
    handles = {a: shop.handles[a] for a in ASSETS[:6]}
    # A registered model of its own: none of these has to be as good as the champion.
    spec = tiny.spec(estimator=estimator, registered_model="shop.models.other")
    outcomes = run_steps(spec, shop.platform, handles=handles)
    assert list(outcomes) == ["trained_model", "model_version", "predictions"]
    assert [red(o.verdicts) for o in outcomes.values()] == [[], [], []]
