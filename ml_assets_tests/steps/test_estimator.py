"""Strings are encoded inside the model, fitted on training rows, and never fail on new levels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from ml_assets.spec.errors import SpecError, TrainingError
from ml_assets.steps.statistics.metric_formulas import binary_metrics
from ml_assets.steps.training.estimator import as_model_inputs, make_estimator, make_model
from ml_assets.steps.training.metrics import JUDGED, TrainLabels
from ml_assets_tests import tiny

FOREST = {"class": "sklearn.ensemble.GradientBoostingClassifier", "params": {"n_estimators": 5}}


def frame(rows: int = 60) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(1)
    data = pd.DataFrame(
        {
            "amount": rng.normal(size=rows),
            "visits": rng.integers(0, 9, rows).astype(float),
            "city": rng.choice(["Oslo", "Rome", None], rows),
            "age": rng.normal(40, 9, rows),
        }
    )
    return data, (data["city"] == "Oslo").to_numpy().astype("int64")


@pytest.mark.parametrize("encoding", ["ordinal", "one_hot"])
def test_string_features_carry_their_signal_and_unseen_levels_are_scored(encoding: str) -> None:
    spec = tiny.spec(estimator={**tiny.mapping()["estimator"], "encoding": encoding})
    data, label = frame()
    model = make_model(spec, make_estimator(spec), ["city"], ["amount", "visits", "age"])
    model.fit(data, label)
    assert (model.predict(data) == label).all()
    unseen = data.assign(city="Nowhere", amount=np.nan)
    assert set(np.unique(model.predict(unseen))) <= {0, 1}


def test_numbers_alone_leave_a_nan_tolerant_estimator_bare() -> None:
    spec = tiny.spec()
    estimator = make_estimator(spec)
    assert make_model(spec, estimator, [], ["amount", "visits", "age"]) is estimator


def test_an_estimator_that_refuses_nan_gets_the_declared_default() -> None:
    spec = tiny.spec(estimator=FOREST)
    data, label = frame()
    model = make_model(spec, make_estimator(spec), ["city"], ["amount", "visits", "age"])
    model.fit(data, label)
    missing, filled = data.assign(age=np.nan), data.assign(age=0.0)
    assert (model.predict_proba(missing) == model.predict_proba(filled)).all()


def test_without_a_default_such_an_estimator_is_refused_with_the_fix() -> None:
    mapping = tiny.mapping()
    mapping["feature_tables"][1]["columns"]["age"].pop("default")
    spec = tiny.spec(estimator=FOREST, feature_tables=mapping["feature_tables"])
    with pytest.raises(TrainingError, match=r"columns\.age\.default"):
        make_model(spec, make_estimator(spec), [], ["age"])


def test_wrong_estimators_are_refused_by_name() -> None:
    with pytest.raises(
        SpecError, match=r"has no 'XGBClasifier'.*\n.*\n.*did you mean 'XGBClassifier'"
    ):
        make_estimator(tiny.spec(estimator={"class": "xgboost.XGBClasifier"}))
    with pytest.raises(SpecError, match="importing 'nowhere' failed"):
        make_estimator(tiny.spec(estimator={"class": "nowhere.Model"}))
    wrong = {"class": "sklearn.ensemble.RandomForestClassifier", "params": {"trees": 5}}
    with pytest.raises(TrainingError, match=r"estimator\.params.*\n.*trees"):
        make_estimator(tiny.spec(estimator=wrong))


def test_model_inputs_are_float64_and_objects() -> None:
    raw = pd.DataFrame(
        {"i": pd.array([1, None], "Int64"), "b": [True, False], "s": ["x", np.nan], "d": [1.5, 2.5]}
    )
    typed = as_model_inputs(raw, ["s"])
    assert [str(t) for t in typed.dtypes] == ["float64", "float64", "object", "float64"]
    assert np.isnan(typed["i"][1])
    assert typed["s"].tolist() == ["x", None]


def test_metrics_are_those_of_scikit_learn_and_the_baseline_is_the_base_rate() -> None:
    rng = np.random.default_rng(3)
    label, p = rng.integers(0, 2, 500), rng.random(500)
    metrics = binary_metrics(label, p)
    assert metrics["roc_auc"] == roc_auc_score(label, p)
    assert metrics["pr_auc"] == average_precision_score(label, p)
    assert metrics["log_loss"] == log_loss(label, p)
    assert metrics["brier"] == brier_score_loss(label, p)
    base = JUDGED["binary_classification"].baseline(TrainLabels({0: 0.75, 1: 0.25}), label)
    assert (base["roc_auc"], base["pr_auc"]) == (0.5, label.mean())
    assert base["brier"] == pytest.approx(np.mean((label - 0.25) ** 2))


@pytest.mark.parametrize(
    ("make", "path", "found"),
    [
        (tiny.spec, "sklearn.svm.LinearSVC", "a classifier without predict_proba"),
        (tiny.spec, "xgboost.XGBRegressor", "a regressor without predict_proba"),
        (tiny.multiclass, "lightgbm.LGBMRegressor", "a regressor without predict_proba"),
        (tiny.probability, "sklearn.linear_model.LinearRegression", "a regressor without"),
        (tiny.probability, "sklearn.ensemble.IsolationForest", "an anomaly detector without"),
        (tiny.regression, "sklearn.ensemble.IsolationForest", "an anomaly detector"),
        (tiny.regression, "lightgbm.LGBMClassifier", "a classifier"),
        (tiny.anomaly, "xgboost.XGBClassifier", "a classifier without decision_function"),
        (tiny.anomaly, "sklearn.linear_model.LogisticRegression", "a classifier"),
        (tiny.anomaly, "sklearn.cluster.DBSCAN", "a clusterer without predict and decision_f"),
        (tiny.anomaly, "sklearn.neighbors.LocalOutlierFactor", "an anomaly detector without"),
        (tiny.anomaly, "sklearn.covariance.EmpiricalCovariance", "an estimator without predict"),
    ],
)
def test_an_estimator_of_another_type_is_refused_before_it_is_fitted(make, path, found) -> None:
    with pytest.raises(TrainingError, match=found) as caught:
        make_estimator(make(estimator={"class": path, "params": {}}))
    assert f"as the metrics of {make().model_type} need" in caught.value.expected
    assert caught.value.fix.startswith("use ")


@pytest.mark.parametrize(
    ("make", "path", "params"),
    [
        (tiny.anomaly, "sklearn.neighbors.LocalOutlierFactor", {"novelty": True}),
        (tiny.anomaly, "sklearn.svm.OneClassSVM", {}),
        (tiny.spec, "lightgbm.LGBMClassifier", {"class_weight": "balanced"}),
        (tiny.spec, "xgboost.XGBClassifier", {"scale_pos_weight": 3.0}),
        (tiny.multiclass, "sklearn.ensemble.RandomForestClassifier", {"class_weight": "balanced"}),
        (tiny.probability, f"{__name__}.pipeline", {"C": 0.1}),
        (tiny.regression, "sklearn.ensemble.HistGradientBoostingRegressor", {}),
    ],
)
def test_an_estimator_of_the_type_is_built_with_its_params(make, path, params) -> None:
    built = make_estimator(make(estimator={"class": path, "params": params}))
    given = {name.rpartition("__")[2]: value for name, value in built.get_params().items()}
    assert {name: given[name] for name in params} == params


def pipeline(C: float) -> Pipeline:  # noqa: N803
    return make_pipeline(StandardScaler(), LogisticRegression(C=C))


@pytest.mark.parametrize(
    ("path", "takes"),
    [
        ("xgboost.XGBClassifier", True),
        ("lightgbm.LGBMClassifier", True),
        ("sklearn.ensemble.RandomForestClassifier", True),
        ("sklearn.ensemble.HistGradientBoostingClassifier", True),
        ("sklearn.ensemble.GradientBoostingClassifier", False),
        (f"{__name__}.pipeline", False),
    ],
)
def test_nulls_reach_only_what_takes_them(path: str, takes: bool) -> None:
    """What does not gets the declared default; both are scored without a complaint."""
    params = {"C": 1.0} if path.endswith("pipeline") else {}
    spec = tiny.spec(estimator={"class": path, "params": params})
    data, label = frame()
    data = data.drop(columns="city").mask(data["visits"] < 3, np.nan)
    model = make_model(spec, make_estimator(spec), [], list(data))
    assert hasattr(model, "named_steps") is not takes
    model.fit(data, label)
    filled = model.predict_proba(data.fillna(0.0))
    assert (model.predict_proba(data) == filled).all() == (not takes)
