"""Strings are encoded inside the model, fitted on training rows, and never fail on new levels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from ml_assets.spec.errors import SpecError, TrainingError
from ml_assets.steps.estimator import as_model_inputs, make_estimator, make_model
from ml_assets.steps.metrics import JUDGED, binary_metrics
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
    base = JUDGED["binary_classification"].baseline(0.25, label)
    assert (base["roc_auc"], base["pr_auc"]) == (0.5, label.mean())
    assert base["brier"] == pytest.approx(np.mean((label - 0.25) ** 2))


@pytest.mark.parametrize("path", ["sklearn.svm.LinearSVC", "xgboost.XGBRegressor"])
def test_an_estimator_without_probabilities_is_refused_before_it_is_fitted(path: str) -> None:
    with pytest.raises(TrainingError, match=r"without predict_proba"):
        make_estimator(tiny.spec(estimator={"class": path, "params": {}}))
