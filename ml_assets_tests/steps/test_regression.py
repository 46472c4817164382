"""A regressor from declaration to predictions: the tiny shop asked for a number."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import functions as F

from ml_assets.platform.embedded import EmbeddedPlatform
from ml_assets.rules.facts import LabelFacts, PredictionFacts, TrainingSetFacts
from ml_assets.rules.registry import judge
from ml_assets.spec.errors import DataError, TrainingError
from ml_assets.steps.handles import RunHandle, TableHandle, VersionHandle
from ml_assets.steps.label_table import with_label
from ml_assets.steps.serving.replay import compare
from ml_assets.steps.statistics.metric_formulas import regression_metrics
from ml_assets.steps.train_model import HOLDOUT_FILE
from ml_assets.steps.training.estimator import make_estimator
from ml_assets.steps.training.metrics import JUDGED, TrainLabels
from ml_assets_tests import tiny
from ml_assets_tests.steps.conftest import Shop
from ml_assets_tests.steps.helpers import measure, red, run_steps

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession

ASSETS = ["labels", "training_set", "trained_model", "model_version", "predictions"]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> Shop:
    """Run once; not to be changed by a test."""
    platform = EmbeddedPlatform(home=tmp_path_factory.mktemp("numbers"), spark=spark)
    return Shop(platform, run_steps(tiny.regression(), platform))


@pytest.fixture
def copied(done: Shop, home: Path, spark: SparkSession) -> Shop:
    """Copy the finished shop; MLflow's artifacts are only added to and stay where they are."""
    shutil.copytree(done.platform.home, home, ignore=shutil.ignore_patterns("mlartifacts"))
    return Shop(EmbeddedPlatform(home=home, spark=spark), done.outcomes)


def test_every_step_passes_and_the_champion_predicts_numbers(done: Shop) -> None:
    spec, outcomes = tiny.regression(), done.outcomes
    assert list(outcomes)[-1] == "predictions"
    assert {a: red(o.verdicts) for a, o in outcomes.items() if red(o.verdicts)} == {}
    version = outcomes["model_version"].handle
    assert isinstance(version, VersionHandle)
    assert version.champion == version.model_version == 1

    predictions = done.platform.tables.read(spec.scoring.table).toPandas()
    assert len(predictions) == tiny.CUSTOMERS
    assert predictions["prediction"].dtype == "float64"
    assert predictions["prediction"].nunique() > 10
    labels = done.platform.tables.read(spec.label.table).toPandas()
    assert list(labels.columns) == ["customer", "asked_at", "spends_amount"]
    assert sorted(labels["spends_amount"]) == sorted(tiny.visits_data()["spent"])


def test_the_package_states_and_returns_doubles(done: Shop) -> None:
    handle = done.outcomes["trained_model"].handle
    assert isinstance(handle, RunHandle)
    package = done.platform.features.package_info(handle.model_uri)
    assert (package.flavor, package.outputs) == ("sklearn", ("double",))  # strings: a pipeline


def test_the_metrics_are_those_of_the_stored_evidence_beside_the_mean_of_the_training_labels(
    done: Shop,
) -> None:
    spec, handle = tiny.regression(), done.outcomes["trained_model"].handle
    assert isinstance(handle, RunHandle)
    metrics = done.platform.tracking.info(handle.run_id).metrics
    holdout = pd.read_parquet(done.platform.tracking.download(handle.run_id, HOLDOUT_FILE))
    assert list(holdout.columns) == ["customer", "asked_at", "spends_amount", "prediction"]
    truth, predicted = holdout["spends_amount"], holdout["prediction"]
    assert metrics["holdout_rmse"] == pytest.approx(np.sqrt(((truth - predicted) ** 2).mean()))
    assert metrics["holdout_mae"] == pytest.approx((truth - predicted).abs().mean())
    training = done.platform.tables.read(spec.training_set).toPandas()
    mean = training.loc[training["__split"] == "train", "spends_amount"].mean()
    assert metrics["baseline_rmse"] == pytest.approx(np.sqrt(((truth - mean) ** 2).mean()))
    assert metrics["holdout_r2"] > 0.8


@pytest.mark.parametrize("asset", ["features/activity", *ASSETS])
def test_measuring_what_is_stored_gives_the_same_verdicts(done: Shop, asset: str) -> None:
    spec, outcome = tiny.regression(), done.outcomes[asset]
    assert outcome.handle is not None
    again = judge(spec, asset, measure(spec, done.platform, asset, outcome.handle))
    assert [(v.check, v.passed) for v in again] == [(v.check, v.passed) for v in outcome.verdicts]


def test_numbers_are_measured_by_their_range_and_never_listed_one_by_one(done: Shop) -> None:
    spec, spent = tiny.regression(), tiny.visits_data()["spent"]
    facts = {a: measure(spec, done.platform, a, done.handles[a]) for a in ASSETS}
    labels, training, predictions = (
        facts["labels"], facts["training_set"], facts["predictions"],
    )  # fmt: skip
    assert isinstance(labels, LabelFacts)
    assert isinstance(training, TrainingSetFacts)
    assert isinstance(predictions, PredictionFacts)
    assert vars(labels)["values"] == training.split_values == vars(predictions)["values"] == {}
    found = labels.spreads["all"]
    assert (found.finite, found.lowest, found.highest) == (1000, spent.min(), spent.max())
    assert found.mean == pytest.approx(spent.mean())
    rows = training.split_rows
    assert labels.spreads["holdout"].finite == rows["holdout"]
    assert labels.spreads["train"].finite == rows["train"]
    assert predictions.spread is not None
    assert predictions.spread.finite == tiny.CUSTOMERS


@pytest.mark.parametrize(
    "path",
    [
        "sklearn.linear_model.Ridge",
        "sklearn.ensemble.GradientBoostingRegressor",
        "sklearn.ensemble.RandomForestRegressor",
        "sklearn.ensemble.HistGradientBoostingRegressor",
        "xgboost.XGBRFRegressor",
    ],
)
def test_other_regressors_go_through_the_whole_graph(copied: Shop, path: str) -> None:
    handles = {a: h for a, h in copied.handles.items() if a not in ASSETS[2:]}
    # A registered model of its own: none of these has to be as good as the champion.
    estimator, other = {"class": path, "params": {}}, "shop.models.other"
    spec = tiny.regression(estimator=estimator, registered_model=other)
    outcomes = run_steps(spec, copied.platform, handles=handles)
    assert list(outcomes) == ASSETS[2:]
    assert [red(o.verdicts) for o in outcomes.values()] == [[], [], []]


def test_without_strings_the_regressor_is_stored_in_xgboost_s_own_format(
    platform: EmbeddedPlatform,
) -> None:
    mapping = tiny.regression_mapping()
    del mapping["feature_tables"][0]["columns"]["city"]
    mapping["feature_tables"][0]["transform"] = ".steps.test_regression.without_city"
    outcomes = run_steps(tiny.regression(feature_tables=mapping["feature_tables"]), platform)
    assert {a: red(o.verdicts) for a, o in outcomes.items() if red(o.verdicts)} == {}
    handle = outcomes["trained_model"].handle
    assert isinstance(handle, RunHandle)
    assert platform.features.package_info(handle.model_uri).flavor == "xgboost"
    assert isinstance(outcomes["predictions"].handle, TableHandle)


def without_city(visits: DataFrame) -> DataFrame:
    return tiny.activity(visits).drop("city")


def unknown(visits: DataFrame) -> DataFrame:
    return tiny.outcomes(visits).withColumn(
        "spent", F.when(F.col("spent") > 1, F.col("spent")).otherwise(F.lit(float("nan")))
    )


def unlimited(visits: DataFrame) -> DataFrame:
    return tiny.outcomes(visits).withColumn(
        "spent", F.when(F.col("spent") > 1, F.col("spent")).otherwise(F.lit(float("-inf")))
    )


def always(visits: DataFrame) -> DataFrame:
    return tiny.outcomes(visits).withColumn("spent", F.lit(7).cast("decimal(9,2)"))


def text(visits: DataFrame) -> DataFrame:
    return tiny.outcomes(visits).withColumn("spent", F.concat(F.col("spent"), F.lit(" euros")))


@pytest.mark.parametrize(
    ("transform", "check", "words"),
    [
        ("unknown", "ml05_binary_labels", "nulls, 0 NaN and 0 infinite"),
        ("unlimited", "ml05_binary_labels", "0 nulls, 0 NaN and"),
        ("always", "ml05_not_single_class", "constant in: all, train, holdout"),
    ],
)
def test_outcomes_that_cannot_be_learned_are_refused_and_nothing_is_published(
    copied: Shop, transform: str, check: str, words: str
) -> None:
    spec = tiny.regression(label=_label(transform))
    before = copied.platform.tables.info(spec.label.table)
    handles = {a: h for a, h in copied.handles.items() if a not in ASSETS}
    outcomes = run_steps(spec, copied.platform, handles=handles)
    assert list(outcomes) == ["labels"]
    assert outcomes["labels"].handle is None
    (verdict,) = (v for v in outcomes["labels"].verdicts if not v.passed and v.severity == "error")
    assert verdict.check == check
    assert words in verdict.message
    assert copied.platform.tables.info(spec.label.table) == before


def test_an_outcome_that_is_text_names_the_cast(copied: Shop) -> None:
    handles = {a: h for a, h in copied.handles.items() if a not in ASSETS}
    with pytest.raises(DataError, match="type string with model_type: regression") as caught:
        run_steps(tiny.regression(label=_label("text")), copied.platform, handles=handles)
    assert (caught.value.rule, caught.value.fix) == (
        "ml05_binary_labels",
        "cast the column in the transform",
    )


def _label(transform: str) -> dict[str, Any]:
    label = tiny.regression_mapping()["label"]
    return {**label, "transform": f".steps.test_regression.{transform}"}


@pytest.mark.parametrize("kind", ["tinyint", "int", "bigint", "float", "decimal(9,2)"])
def test_numbers_of_any_type_become_doubles_and_unknown_ones_null(
    spark: SparkSession, kind: str
) -> None:
    rows = [("a", 1.0), ("b", None), ("c", -3.0)]
    frame = spark.createDataFrame(rows, "customer string, spent double").select(
        "customer",
        F.lit("2024-01-01").cast("timestamp").alias("asked_at"),
        F.col("spent").cast(kind),
    )
    made = with_label(frame, tiny.regression())
    assert dict(made.dtypes)["spends_amount"] == "double"
    assert [r["spends_amount"] for r in made.orderBy("customer").collect()] == [1.0, None, -3.0]


def test_a_stored_label_that_somebody_filled_with_nan_is_red(copied: Shop) -> None:
    spec, table = tiny.regression(), copied.platform.tables
    frame = table.read(spec.label.table).withColumn(
        "spends_amount",
        F.when(F.col("customer") == "c01", float("nan")).otherwise(F.col("spends_amount")),
    )
    from ml_assets.steps.label_table import label_layout

    table.stage(frame, label_layout(spec)).publish()
    facts = measure(spec, copied.platform, "labels", copied.handles["labels"])
    verdicts = judge(spec, "labels", facts)
    assert red(verdicts) == ["ml05_binary_labels"]
    assert f"{tiny.DAYS} NaN" in next(v.message for v in verdicts if not v.passed)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("xgboost.XGBClassifier", "a classifier"),
        ("sklearn.svm.LinearSVC", "a classifier"),
        ("sklearn.preprocessing.StandardScaler", "an estimator without predict"),
    ],
)
def test_what_is_no_regressor_is_refused_before_it_is_fitted(path: str, found: str) -> None:
    with pytest.raises(TrainingError, match=found) as caught:
        make_estimator(tiny.regression(estimator={"class": path, "params": {}}))
    assert "a regressor" in caught.value.expected


def test_metrics_are_those_of_scikit_learn() -> None:
    from sklearn import metrics

    rng = np.random.default_rng(3)
    truth, predicted = rng.normal(size=500), rng.normal(size=500)
    assert regression_metrics(truth, predicted) == {
        "rmse": metrics.root_mean_squared_error(truth, predicted),
        "mae": metrics.mean_absolute_error(truth, predicted),
        "median_ae": metrics.median_absolute_error(truth, predicted),
        "r2": metrics.r2_score(truth, predicted),
    }
    base = JUDGED["regression"].baseline(TrainLabels(mean=float(truth.mean())), truth)
    assert base["r2"] == pytest.approx(0)
    assert base["rmse"] == pytest.approx(truth.std())


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize(("off", "different"), [(1e-9, 0), (1e-3, 1)])
def test_the_replay_of_numbers_does_not_depend_on_their_unit(
    unit: float, off: float, different: int
) -> None:
    then = pd.DataFrame({"k": range(5), "prediction": np.array([-2.0, 0.0, 1.0, 3.0, 50.0]) * unit})
    now = then.assign(prediction=then["prediction"].mask(then["k"] == 3, 3 * (1 + off) * unit))
    facts = compare(then, now, ["k"], 1e-6, relative=True)
    assert (facts.different, facts.null_predictions) == (different, 0)
    assert facts.max_difference == pytest.approx(off, rel=1e-3, abs=1e-12)
    nothing = then.assign(prediction=0.0)
    assert compare(nothing, nothing, ["k"], 1e-6, relative=True).max_difference == 0
