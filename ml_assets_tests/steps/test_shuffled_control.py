"""The shuffled-label control: near chance for what learns, far from it for what knows otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import r2_score, roc_auc_score

from ml_assets.rules.facts import ModelFacts
from ml_assets.rules.ml06_power import shuffled_label_control
from ml_assets.steps.training.shuffled_control import (
    auc_of_noise,
    r2_of_noise,
    shuffled_control,
    turned,
)
from ml_assets_tests import tiny
from ml_assets_tests.rules import facts_of as f

RNG = np.random.default_rng(2)
MULTI = {
    "model_type": "multiclass_classification",
    "label": {
        **{k: v for k, v in tiny.mapping()["label"].items() if k != "threshold"},
        "classes": ["few", "some", "many"],
    },
    "gates": {"accuracy": {"min": 0.1}},
}


class Peeker(ClassifierMixin, BaseEstimator):
    """Ignores the labels that it is given: it knows how labels are made."""

    def fit(self, features: Any, labels: Any) -> Peeker:  # noqa: ARG002
        self.classes_ = np.arange(2)
        return self

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        score = 1 / (1 + np.exp(10 - np.nan_to_num(features[:, 0])))
        return np.stack([1 - score, score], axis=1)

    def predict(self, features: np.ndarray) -> np.ndarray:
        return self.predict_proba(features).argmax(axis=1)


class PeekingClasses(Peeker):
    """The same of three classes."""

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        amount = np.nan_to_num(features[:, 0])
        return np.stack([amount < 7, (amount >= 7) & (amount < 13), amount >= 13], axis=1) * 1.0


class PeekingNumbers(RegressorMixin, BaseEstimator):
    """The same of numbers."""

    def fit(self, features: Any, labels: Any) -> PeekingNumbers:  # noqa: ARG002
        self.fitted_ = True
        return self

    def predict(self, features: np.ndarray) -> np.ndarray:
        return np.nan_to_num(features[:, 0])


def rows(kind: str, count: int = 3000) -> pd.DataFrame:
    amount = RNG.gamma(2.0, 5.0, count)
    frame = pd.DataFrame(
        {
            "amount": amount,
            "visits": RNG.integers(0, 9, count).astype("float64"),
            "city": RNG.choice(["Oslo", "Rome", None], count),
            "age": RNG.normal(40, 9, count),
        }
    )
    noisy = amount + RNG.normal(0, 2, count)
    labels = {
        "binary": (noisy > 10).astype("int64"),
        "several": np.digitize(noisy, [7, 13]),
        "number": noisy,
    }
    return frame.assign(spends=labels[kind], spends_amount=labels[kind])


def spec_of(kind: str, path: str | None, **params: Any) -> Any:
    estimator = {"params": params, "encoding": "one_hot"} | ({"class": path} if path else {})
    if kind == "number":
        return tiny.regression(estimator=estimator)
    return tiny.spec(estimator=estimator, **(MULTI if kind == "several" else {}))


def judged(kind: str, path: str | None, **params: Any) -> Any:
    spec = spec_of(kind, path, **params)
    found = shuffled_control(spec, rows(kind), rows(kind), ("city",))
    facts = ModelFacts("1", "", f.PACKAGE, "long", 1, metrics=found.metrics())
    return found, shuffled_label_control(spec, "trained_model", facts)


SMALL = {"n_estimators": 20, "max_depth": 4}


@pytest.mark.parametrize(
    ("kind", "path", "params"),
    [
        ("binary", None, SMALL),
        ("binary", "sklearn.linear_model.LogisticRegression", {"max_iter": 500}),
        ("binary", "sklearn.naive_bayes.GaussianNB", {}),
        ("binary", "sklearn.ensemble.RandomForestClassifier", {"n_estimators": 20}),
        ("several", None, SMALL),
        ("several", "sklearn.linear_model.LogisticRegression", {"max_iter": 500}),
        ("number", None, SMALL),
        ("number", "sklearn.linear_model.LinearRegression", {}),
        ("number", "sklearn.ensemble.RandomForestRegressor", {"n_estimators": 10}),
    ],
)
def test_what_learns_from_labels_is_near_chance(
    kind: str, path: str | None, params: dict[str, Any]
) -> None:
    found, finding = judged(kind, path, **params)
    assert finding.passed, finding.message
    assert (found.train_rows, found.holdout_rows) == (3000, 3000)
    assert found.fits == (3 if kind == "several" else 2)
    assert found.standard_error < 0.03


@pytest.mark.parametrize(
    ("kind", "name"),
    [("binary", "Peeker"), ("several", "PeekingClasses"), ("number", "PeekingNumbers")],
)
def test_an_estimator_that_knows_the_labels_otherwise_is_found(kind: str, name: str) -> None:
    found, finding = judged(kind, f"{__name__}.{name}")
    assert not finding.passed
    assert found.value > 0.7
    assert "shuffled labels" in finding.message
    assert "other than by the labels" in finding.fix


def test_shuffled_and_turned_round() -> None:
    binary = turned(tiny.spec(), np.array([0, 1, 1]))
    assert [t.tolist() for t in binary] == [[0, 1, 1], [1, 0, 0]]
    several = turned(tiny.spec(**MULTI), np.array([0, 1, 2, 2]))
    assert [t.tolist() for t in several] == [[0, 1, 2, 2], [1, 2, 0, 0], [2, 0, 1, 1]]
    absent = turned(tiny.spec(**MULTI), np.array([1, 1, 1, 1]))
    assert [sorted(set(t.tolist())) for t in absent] == [[0, 1, 2]] * 3
    numbers = turned(tiny.regression(), np.array([1.0, 2.0, 6.0]))
    assert [t.tolist() for t in numbers] == [[1, 2, 6], [5, 4, 0]]


def test_the_measures_are_scikit_learns() -> None:
    truth = RNG.integers(0, 3, 400)
    scores = [RNG.dirichlet([1, 1, 1], 400) for _ in range(3)]
    value, error = auc_of_noise(truth, scores)
    wanted = [roc_auc_score(truth, s, multi_class="ovr", average="macro") for s in scores]
    assert value == pytest.approx(np.mean(wanted))
    assert 0.01 < error < 0.06
    binary = truth > 0
    value, _ = auc_of_noise(binary.astype(int), [s[:, :2] for s in scores])
    assert value == pytest.approx(np.mean([roc_auc_score(binary, s[:, 1]) for s in scores]))
    numbers = RNG.normal(size=400)
    value, error = r2_of_noise(numbers, [s[:, 0] for s in scores])
    assert value == pytest.approx(np.mean([r2_score(numbers, s[:, 0]) for s in scores]))
    assert 0 < error < 0.2


def test_the_standard_errors_are_the_spread_over_many_samples() -> None:
    truth = (np.arange(300) < 60).astype(int)
    drawn = [auc_of_noise(truth, [RNG.random((300, 2))]) for _ in range(400)]
    values, errors = np.array(drawn).T
    assert errors[0] == pytest.approx(values.std(), rel=0.15)
    drawn = [r2_of_noise(RNG.normal(size=300), [RNG.normal(0, 0.2, 300)]) for _ in range(400)]
    values, errors = np.array(drawn).T
    assert errors.mean() == pytest.approx(values.std(), rel=0.15)


def test_labels_that_do_not_vary_are_said_to_be_so() -> None:
    spec = spec_of("binary", None, **SMALL)
    with pytest.raises(ValueError, match="one class"):
        shuffled_control(spec, rows("binary"), rows("binary").assign(spends=0), ("city",))
    assert np.isnan(r2_of_noise(np.ones(5), [np.ones(5)])).all()
