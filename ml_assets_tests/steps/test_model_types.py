"""Each model type from feature tables to predictions, and one broken thing for each."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import functions as F
from sklearn.base import BaseEstimator, OutlierMixin
from xgboost import XGBRegressor

from ml_assets.platform.embedded import EmbeddedPlatform
from ml_assets.rules.registry import judge
from ml_assets.spec.errors import DataError, TrainingError
from ml_assets.steps.handles import RunHandle, VersionHandle
from ml_assets.steps.predict import predictions_layout
from ml_assets.steps.train_model import HOLDOUT_FILE
from ml_assets.steps.training.estimator import make_model
from ml_assets.steps.training.metrics import JUDGED
from ml_assets.steps.training.training_rows import TrainingRows, read_training_set
from ml_assets_tests import tiny
from ml_assets_tests.steps.conftest import Shop
from ml_assets_tests.steps.helpers import measure, red, run_steps
from ml_assets_tests.steps.test_changed_by_others import rewrite

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession

    from ml_assets.spec.model import ModelSpec
    from ml_assets.steps.execution import Outcome

SPECS: dict[str, Callable[..., ModelSpec]] = {
    "multiclass": tiny.multiclass,
    "probability": tiny.probability,
    "anomaly": tiny.anomaly,
}
SCORES = {
    "multiclass": ["probability_0", "probability_1", "probability_2"],
    "probability": ["probability"],
    "anomaly": ["anomaly_score"],
}
OWN = "ml_assets_tests.steps.test_model_types"


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> dict[str, Shop]:
    """One warehouse for all three, each run once; not to be changed by a test."""
    platform = EmbeddedPlatform(home=tmp_path_factory.mktemp("types"), spark=spark)
    made: dict[str, Shop] = {}
    for name, make in SPECS.items():
        made[name] = Shop(platform, run_steps(make(), platform))
    return made


@pytest.fixture
def copied(shops: dict[str, Shop], home: Path, spark: SparkSession) -> Callable[[str], Shop]:
    """Copy a finished shop; MLflow's artifacts are only added to and stay where they are."""

    def copy(name: str) -> Shop:
        source = shops[name].platform.home
        shutil.copytree(source, home, ignore=shutil.ignore_patterns("mlartifacts"))
        return Shop(EmbeddedPlatform(home=home, spark=spark), shops[name].outcomes)

    return copy


def trained(shop: Shop) -> RunHandle:
    handle = shop.handles["trained_model"]
    assert isinstance(handle, RunHandle)
    return handle


def again(shop: Shop, spec: ModelSpec, start: str) -> dict[str, Outcome]:
    """Run from a step on, with what the steps before it left."""
    done = list(shop.outcomes)
    kept = {a: h for a, h in shop.handles.items() if done.index(a) < done.index(start)}
    return run_steps(spec, shop.platform, handles=kept)


@pytest.mark.parametrize("name", SPECS)
def test_every_check_is_green_from_features_to_predictions(
    shops: dict[str, Shop], name: str
) -> None:
    shop, spec = shops[name], SPECS[name]()
    assert list(shop.outcomes)[-1] == "predictions"
    assert {a: red(o.verdicts) for a, o in shop.outcomes.items() if red(o.verdicts)} == {}
    version = shop.handles["model_version"]
    assert isinstance(version, VersionHandle)
    assert version.champion == version.model_version == 1
    predictions = shop.platform.tables.read(spec.scoring.table).toPandas()
    assert len(predictions) == tiny.CUSTOMERS
    kind = {"long": "int64", "double": "float64"}[spec.output_type]
    assert predictions["prediction"].dtype == kind
    stored = measure(spec, shop.platform, "predictions", shop.handles["predictions"])
    assert red(judge(spec, "predictions", stored)) == []


@pytest.mark.parametrize("name", SPECS)
def test_the_run_holds_the_metrics_of_the_stored_evidence(
    shops: dict[str, Shop], name: str
) -> None:
    shop, spec = shops[name], SPECS[name]()
    tracking, run_id = shop.platform.tracking, trained(shop).run_id
    holdout = pd.read_parquet(tracking.download(run_id, HOLDOUT_FILE))
    first = ["customer", "asked_at", spec.label.name, "prediction"]
    assert list(holdout.columns) == [*first, *SCORES[name]]
    scores = holdout[SCORES[name]].to_numpy()
    scores = scores if name == "multiclass" else scores[:, 0]
    labels = holdout[spec.label.name].to_numpy(dtype="float64", na_value=np.nan)
    found = {f"holdout_{k}": v for k, v in JUDGED[spec.model_type].metrics(labels, scores).items()}
    logged = tracking.info(run_id).metrics
    assert {k: logged[k] for k in found} == pytest.approx(found)
    assert {f"holdout_{m}" for m in spec.kind.metrics} == set(found)
    if spec.kind.learns_label:
        shares = [logged[f"label_share_{c}"] for c in spec.label_classes or ()]
        assert sum(shares) == pytest.approx(1)
        assert logged["baseline_log_loss"] > logged["holdout_log_loss"]
    else:
        assert not [m for m in logged if m.startswith("label_")]
        assert np.isnan(labels).any()


@pytest.mark.parametrize("name", SPECS)
def test_the_loaded_champion_gives_the_scores_of_the_evidence(
    shops: dict[str, Shop], name: str
) -> None:
    """What a comparison with the champion does: look up by its package, score by its model."""
    shop, spec = shops[name], SPECS[name]()
    platform, run = shop.platform, trained(shop)
    holdout = pd.read_parquet(platform.tracking.download(run.run_id, HOLDOUT_FILE))
    keys = platform.tables.read(spec.label.table).select(*spec.label_keys)
    uri = platform.registry.uri(spec.registered_model, "champion")
    looked_up = platform.features.look_up(spec, keys, uri)
    model = platform.features.load_model(uri)
    scores = JUDGED[spec.model_type].score(model, looked_up[list(spec.features)])
    found = looked_up[list(spec.label_keys)].assign(**JUDGED[spec.model_type].columns(scores))
    holdout["asked_at"] = holdout["asked_at"].astype("datetime64[ns]")
    both = holdout.merge(found, on=list(spec.label_keys), suffixes=("", "_again"))
    assert len(both) == len(holdout)
    for column in SCORES[name]:
        np.testing.assert_allclose(both[column], both[f"{column}_again"], rtol=1e-6)


def test_classes_are_readable_and_travel_in_the_package(shops: dict[str, Shop]) -> None:
    shop, spec = shops["multiclass"], tiny.multiclass()
    info = shop.platform.features.package_info(trained(shop).model_uri)
    assert info.classes == ("little", "some", "much")
    table = shop.platform.tables.read(spec.scoring.table).toPandas()
    assert [spec.class_names[c] for c in table["prediction"]] == table["predicted_class"].tolist()
    assert len(set(table["predicted_class"])) > 1
    shown = shop.outcomes["predictions"].details
    assert shown["predicted_much"] == (table["predicted_class"] == "much").sum()


def test_probabilities_lie_between_0_and_1_and_are_no_classes(shops: dict[str, Shop]) -> None:
    table = shops["probability"].platform.tables.read("shop.predictions.chance").toPandas()
    assert table["prediction"].between(0, 1).all()
    assert table["prediction"].nunique() > 10


def test_an_anomaly_detector_never_sees_a_label(
    shops: dict[str, Shop], spark: SparkSession
) -> None:
    """With every label turned round, the same model comes out."""
    from ml_assets.steps.training.fitting import fit

    shop, spec = shops["anomaly"], tiny.anomaly()
    rows = read_training_set(spec, shop.platform, shop.handles["training_set"])  # type: ignore[arg-type]
    turned = TrainingRows(spec, rows.frame.withColumn("odd", -F.col("odd")), rows.strings)
    none = TrainingRows(
        spec, rows.frame.withColumn("odd", F.lit(None).cast("bigint")), rows.strings
    )
    features = rows.collected(rows.frame)[list(spec.features)]
    scores = [
        fit(spec, shop.platform, each).model.decision_function(features)
        for each in (rows, turned, none)
    ]
    assert (scores[0] == scores[1]).all()
    assert (scores[0] == scores[2]).all()


def stored_as(shop: Shop, spec: ModelSpec, change: Callable[[DataFrame], DataFrame]) -> list[str]:
    """Let somebody overwrite the predictions, and name the checks that turn red."""
    frame = shop.platform.tables.read(spec.scoring.table)
    shop.platform.tables.stage(change(frame), predictions_layout(spec)).publish()
    facts = measure(spec, shop.platform, "predictions", shop.handles["predictions"])
    return [v.check for v in judge(spec, "predictions", facts) if not v.passed and v.blocking]


@pytest.mark.parametrize(
    ("name", "column", "value"),
    [
        ("multiclass", "prediction", "3L"),
        ("multiclass", "predicted_class", "'gold'"),
        ("multiclass", "predicted_class", "NULL"),
        ("probability", "prediction", "1.5D"),
        ("probability", "prediction", "-0.1D"),
        ("anomaly", "prediction", "0L"),
    ],
)
def test_predictions_that_the_type_does_not_allow_are_red(
    copied: Callable[[str], Shop], name: str, column: str, value: str
) -> None:
    changed = F.when(F.col("customer") == "c01", F.expr(value)).otherwise(F.col(column))
    found = stored_as(copied(name), SPECS[name](), lambda f: f.withColumn(column, changed))
    assert found == ["predictions_schema"]


def test_a_package_with_the_classes_in_another_order_is_red(copied: Callable[[str], Shop]) -> None:
    label = tiny.multiclass_mapping()["label"]
    spec = tiny.multiclass(label={**label, "classes": ["much", "some", "little"]})
    shop = copied("multiclass")
    facts = measure(spec, shop.platform, "trained_model", shop.handles["trained_model"])
    assert "ml02_output_schema" in red(judge(spec, "trained_model", facts))


def test_a_number_in_the_place_of_a_probability_is_red(copied: Callable[[str], Shop]) -> None:
    """A package that somebody else made: it promises a double, and returns one, yet no probability."""
    shop, spec = copied("probability"), tiny.probability()
    rows = read_training_set(spec, shop.platform, shop.handles["training_set"])  # type: ignore[arg-type]
    frame = rows.collected(rows.frame)
    number = make_model(spec, XGBRegressor(n_estimators=5), ["city"], ["amount", "visits", "age"])
    model = number.fit(frame[list(spec.features)], frame["amount"].fillna(0))
    run = trained(shop)
    uri = shop.platform.features.log_model(
        spec, model, run_id=run.run_id, input_example=frame[list(spec.features)].head(3)
    )
    facts = measure(spec, shop.platform, "trained_model", replace(run, model_uri=uri))
    (verdict,) = (v for v in judge(spec, "trained_model", facts) if not v.passed)
    assert verdict.check == "ml02_prediction_dtype"
    assert "expected double, all from 0 to 1" in verdict.message


def test_a_detector_that_flags_most_rows_is_not_promoted(copied: Callable[[str], Shop]) -> None:
    params = {"n_estimators": 10, "contamination": 0.5, "random_state": 0}
    spec = tiny.anomaly(estimator={"params": params}, gates={"anomaly_share": {"max": 0.2}})
    outcomes = again(copied("anomaly"), spec, "trained_model")
    assert "promotion_absolute" in red(outcomes["model_version"].verdicts)
    assert "predictions" not in outcomes


def test_a_class_without_training_rows_skips_the_training(copied: Callable[[str], Shop]) -> None:
    label = tiny.multiclass_mapping()["label"]
    spec = tiny.multiclass(label={**label, "classes": ["little", "some", "much", "absurd"]})
    outcomes = again(copied("multiclass"), spec, "labels")
    (verdict,) = [v for v in outcomes["labels"].verdicts if not v.passed and v.severity == "error"]
    assert verdict.check == "ml05_not_single_class"
    assert "declared classes missing from train: 3 (absurd)" in verdict.message
    assert verdict.fix.endswith("until then training is skipped")
    assert outcomes["labels"].handle is None
    assert "trained_model" not in outcomes


def test_a_class_whose_rows_somebody_deleted_after_the_check_is_not_left_out_silently(
    copied: Callable[[str], Shop],
) -> None:
    """The estimator would be fitted on the others, and never predict a class that is declared."""
    shop, spec = copied("multiclass"), tiny.multiclass()
    rewrite(shop.platform, spec.label.table, lambda rows: rows[rows[spec.label.name] != 2])
    with pytest.raises(TrainingError, match="no training row of class 'much'") as refused:
        again(shop, spec, "training_set")
    assert refused.value.rule == "ml05_not_single_class"


def test_a_metric_that_the_holdout_cannot_give_is_named_in_the_run(
    copied: Callable[[str], Shop],
) -> None:
    """Nobody knows an outcome: the share of anomalies is all there is."""
    shop = copied("anomaly")
    label = {**tiny.anomaly_mapping()["label"], "transform": f"{OWN}.nobody_knows"}
    spec = tiny.anomaly(label=label)
    outcomes = again(shop, spec, "labels")
    before = ["labels", "training_set", "trained_model"]
    assert [red(outcomes[a].verdicts) for a in before] == [[], [], []]
    handle = outcomes["trained_model"].handle
    assert isinstance(handle, RunHandle)
    run = shop.platform.tracking.info(handle.run_id)
    measured = {m for m in run.metrics if m.startswith(("holdout_", "baseline_"))}
    assert measured == {"holdout_anomaly_share", "holdout_rows"}
    assert run.tags["ml_assets.not_measured_recall"] == "needs a known anomaly"


def nobody_knows(visits: DataFrame) -> DataFrame:
    return tiny.outcomes(visits).withColumn("spent", F.lit(None).cast("double"))


class ByDistance(OutlierMixin, BaseEstimator):  # type: ignore[misc]
    """A detector of our own: it can only be stored as a pickle."""

    def fit(self, X: Any, y: Any = None) -> ByDistance:  # noqa: ARG002
        self.center_ = np.asarray(X).mean(axis=0)
        self.border_ = np.quantile(self._distance(X), 0.9)
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        return self.border_ - self._distance(X)

    def predict(self, X: Any) -> np.ndarray:
        return np.where(self.decision_function(X) < 0, -1, 1)

    def _distance(self, X: Any) -> np.ndarray:
        return np.linalg.norm(np.asarray(X, dtype="float64") - self.center_, axis=1)


def test_a_model_of_ones_own_class_is_refused_with_the_field_that_allows_it(
    copied: Callable[[str], Shop],
) -> None:
    spec = tiny.anomaly(estimator={"class": f"{OWN}.ByDistance", "params": {}})
    with pytest.raises(TrainingError, match="ByDistance") as caught:
        again(copied("anomaly"), spec, "trained_model")
    assert "estimator.allow_pickle: true" in caught.value.fix
    assert caught.value.rule == "ml02_flavor_recorded"


def test_an_allowed_pickle_is_said_in_the_log_recorded_and_shown(
    copied: Callable[[str], Shop], caplog: pytest.LogCaptureFixture
) -> None:
    shop = copied("anomaly")
    estimator = {"class": f"{OWN}.ByDistance", "params": {}, "allow_pickle": True}
    spec = tiny.anomaly(estimator=estimator, registered_model="shop.models.distance")
    with caplog.at_level(logging.WARNING, logger="ml_assets"):
        outcomes = again(shop, spec, "trained_model")
    assert list(outcomes)[-1] == "predictions"
    assert any("stored as a pickle" in r.getMessage() for r in caplog.records)
    handle = outcomes["trained_model"].handle
    assert isinstance(handle, RunHandle)
    assert shop.platform.features.package_info(handle.model_uri).pickled == "cloudpickle"
    assert shop.platform.tracking.info(handle.run_id).tags["ml_assets.pickle"] == "cloudpickle"
    (verdict,) = (v for v in outcomes["trained_model"].verdicts if not v.passed)
    assert (verdict.check, verdict.severity, verdict.blocking) == (
        "ml02_flavor_recorded",
        "warn",
        False,
    )
    table = shop.platform.tables.read(spec.scoring.table).toPandas()
    assert set(table["prediction"]) <= {-1, 1}


def test_a_pickle_that_does_not_say_so_is_not_loaded(copied: Callable[[str], Shop]) -> None:
    import yaml

    from ml_assets.platform.embedded.packages import package_folder
    from ml_assets.platform.raw_models import load_model

    shop = copied("anomaly")
    estimator = {"class": f"{OWN}.ByDistance", "params": {}, "allow_pickle": True}
    outcomes = again(shop, tiny.anomaly(estimator=estimator), "trained_model")
    handle = outcomes["trained_model"].handle
    assert isinstance(handle, RunHandle)
    client = shop.platform.tracking.store.client
    package = shop.platform.home / "stolen"
    shutil.copytree(package_folder(client, handle.model_uri), package)
    assert isinstance(load_model(package).model.steps[-1][1], ByDistance)
    path = package / "data/feature_store/raw_model/MLmodel"
    content = yaml.safe_load(path.read_text())
    del content["metadata"]
    path.write_text(yaml.safe_dump(content))
    copy = package.rename(shop.platform.home / "stolen again")
    with pytest.raises(DataError, match="cloudpickle"):
        load_model(copy)
