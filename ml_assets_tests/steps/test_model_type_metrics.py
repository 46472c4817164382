"""The metrics of each model type, beside scikit-learn's own words for them, and at their edges."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics
from sklearn.calibration import calibration_curve

from ml_assets.spec.errors import TrainingError
from ml_assets.spec.model_types import KINDS
from ml_assets.steps.statistics.metric_formulas import (
    CALIBRATION_BINS,
    UNDEFINED,
    anomaly_metrics,
    binary_metrics,
    calibration_error,
    multiclass_metrics,
    probability_metrics,
    regression_metrics,
)
from ml_assets.steps.train_model import MOST_VALUES, _counted
from ml_assets.steps.training.metrics import JUDGED, TrainLabels
from ml_assets_tests import tiny

SEEDS = st.integers(0, 10_000)


def classes_of(seed: int, rows: int = 200, k: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(k), rng.integers(0, k, rows - k)])
    raw = rng.random((rows, k)) + 0.5 * np.eye(k)[labels]
    return labels, raw / raw.sum(axis=1, keepdims=True)


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_multiclass_metrics_are_those_of_scikit_learn(seed: int) -> None:
    labels, scores = classes_of(seed)
    predicted = scores.argmax(axis=1)
    expected = {
        "log_loss": metrics.log_loss(labels, scores),
        "accuracy": metrics.accuracy_score(labels, predicted),
        "balanced_accuracy": metrics.balanced_accuracy_score(labels, predicted),
        "f1_macro": metrics.f1_score(labels, predicted, average="macro"),
        "roc_auc_ovr": metrics.roc_auc_score(labels, scores, multi_class="ovr", average="macro"),
    }
    assert multiclass_metrics(labels, scores) == pytest.approx(expected)


@given(SEEDS, st.sampled_from([1, 10, 500]))
@settings(max_examples=30, deadline=None)
def test_the_calibration_error_is_the_weighted_gap_of_scikit_learns_curve(
    seed: int, rows: int
) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.choice([0.0, 0.1, 0.25, 0.3, 0.999, 1.0, rng.random()], rows)
    labels = rng.integers(0, 2, rows)
    observed, said = calibration_curve(labels, scores, n_bins=CALIBRATION_BINS)
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1)
    sizes = np.bincount(np.searchsorted(edges[1:-1], scores), minlength=CALIBRATION_BINS)
    expected = (np.abs(observed - said) * sizes[sizes > 0]).sum() / rows
    assert calibration_error(labels, scores) == pytest.approx(expected, abs=1e-12)


def test_a_calibration_error_is_0_when_shares_are_as_said_and_1_when_all_is_wrong() -> None:
    assert calibration_error(np.array([1, 0, 0, 0]), np.full(4, 0.25)) == 0
    assert calibration_error(np.array([1, 0]), np.array([0.0, 1.0])) == 1


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_anomaly_metrics_look_for_the_anomaly_among_the_known(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.concatenate([[-1.0, 1.0], rng.choice([-1.0, 1.0, np.nan], 98)])
    scores = rng.normal(size=100) - labels.clip(-1, 1) * 0.5
    scores = np.where(np.isnan(scores), rng.normal(size=100), scores)
    known = ~np.isnan(labels)
    truth, flagged = labels[known] == -1, scores[known] > 0
    expected = {
        "roc_auc": metrics.roc_auc_score(truth, scores[known]),
        "pr_auc": metrics.average_precision_score(truth, scores[known]),
        "precision": metrics.precision_score(truth, flagged),
        "recall": metrics.recall_score(truth, flagged),
        "anomaly_share": (scores > 0).mean(),
    }
    assert anomaly_metrics(labels, scores) == pytest.approx(expected)


def test_a_probability_is_measured_without_a_threshold() -> None:
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 2, 300), rng.random(300)
    binary, measured = binary_metrics(labels, scores), probability_metrics(labels, scores)
    assert set(measured) == set(KINDS["probability"].metrics)
    assert set(binary) == set(KINDS["binary_classification"].metrics)
    assert {k: v for k, v in measured.items() if k in binary} == {
        k: v for k, v in binary.items() if k != "accuracy"
    }


@pytest.mark.parametrize("missing", [0, 2, 3])
def test_a_class_that_the_holdout_lacks_leaves_one_metric_out_and_names_it(missing: int) -> None:
    labels, scores = classes_of(1)
    kept = labels != missing
    judged = JUDGED["multiclass_classification"]
    found = judged.metrics(labels[kept], scores[kept])
    assert set(found) == set(KINDS["multiclass_classification"].metrics) - {"roc_auc_ovr"}
    assert judged.unmeasured(found) == {"roc_auc_ovr": "needs rows of every class"}
    assert found["log_loss"] == pytest.approx(
        metrics.log_loss(labels[kept], scores[kept], labels=range(4))
    )


@pytest.mark.parametrize(
    ("kind", "label", "scores", "undefined"),
    [
        ("binary_classification", 1, [0.7], {"roc_auc", "pr_auc"}),
        ("probability", 0, [0.7], {"roc_auc", "pr_auc"}),
        ("multiclass_classification", 1, [[0.2, 0.5, 0.3]], {"roc_auc_ovr"}),
        ("regression", 3.5, [3.0], {"r2"}),
        ("anomaly_detection", -1, [-0.1], {"roc_auc", "pr_auc", "precision"}),
        ("anomaly_detection", 1, [0.1], {"roc_auc", "pr_auc", "recall"}),
        (
            "anomaly_detection",
            np.nan,
            [0.1],
            {"roc_auc", "pr_auc", "precision", "recall"},
        ),
    ],
)
def test_one_row_gives_what_one_row_can_give(kind, label, scores, undefined) -> None:
    judged = JUDGED[kind]
    found = judged.metrics([label], np.array(scores, dtype="float64"))
    assert set(found) == set(KINDS[kind].metrics) - undefined
    assert all(np.isfinite(v) for v in found.values())
    assert set(judged.unmeasured(found)) == undefined <= set(UNDEFINED)


@pytest.mark.parametrize("kind", KINDS)
def test_a_prediction_that_is_none_is_an_error_and_no_number(kind: str) -> None:
    scores = np.full((3, 2), 0.5) if KINDS[kind].declared_classes else np.full(3, 0.5)
    scores[1] = np.nan
    with pytest.raises(TrainingError, match="1 of 3 rows") as caught:
        JUDGED[kind].metrics([1, 0, 1], scores)
    assert caught.value.rule == "ml02_prediction_dtype"
    with pytest.raises(TrainingError, match="0 of 0 rows"):
        JUDGED[kind].metrics([], scores[:0])


@pytest.mark.parametrize("kind", ["binary_classification", "probability"])
@pytest.mark.parametrize("wrong", [-0.01, 1.01, np.inf])
def test_what_is_no_probability_is_an_error(kind: str, wrong: float) -> None:
    with pytest.raises(TrainingError, match=r"1 of 3 rows .* than a probability"):
        JUDGED[kind].metrics([1, 0, 1], np.array([0.2, wrong, 1.0]))


def test_a_predicted_value_that_is_no_class_is_counted_however_many_classes_there_are() -> None:
    names = [f"c{i}" for i in range(30)]
    spec = tiny.multiclass(label={**tiny.multiclass_mapping()["label"], "classes": names})
    predicted = pd.Series([*range(30)] * 3 + [77, 77, *range(100, 140)])
    found = _counted(spec, predicted)
    assert [found[str(c)] for c in range(30)] == [3] * 30
    assert (found["77"], len(found)) == (2, 30 + MOST_VALUES)
    assert _counted(tiny.spec(), pd.Series([1, None], dtype="Int64")) == {"1": 1, "<NA>": 1}


def test_all_ties_are_chance() -> None:
    labels = np.array([0, 1, 2, 2, 1])
    found = multiclass_metrics(labels, np.full((5, 3), 1 / 3))
    assert (found["roc_auc_ovr"], found["log_loss"]) == (0.5, pytest.approx(np.log(3)))
    known = np.array([-1.0, 1.0, 1.0, np.nan])
    found = anomaly_metrics(known, np.zeros(4))
    assert (found["roc_auc"], found["pr_auc"]) == (0.5, pytest.approx(1 / 3))
    assert (found["recall"], found["anomaly_share"]) == (0, 0)


def test_baselines_know_the_training_labels_and_nothing_else() -> None:
    labels = np.array([0, 1, 1, 2])
    shares = {0: 0.5, 1: 0.3, 2: 0.2}
    found = JUDGED["multiclass_classification"].baseline(TrainLabels(shares), labels)
    assert found["log_loss"] == pytest.approx(-np.log([0.5, 0.3, 0.3, 0.2]).mean())
    assert (found["accuracy"], found["roc_auc_ovr"]) == (0.25, 0.5)

    found = JUDGED["probability"].baseline(TrainLabels({0: 0.75, 1: 0.25}), np.array([0, 1]))
    assert found["brier"] == pytest.approx((0.25**2 + 0.75**2) / 2)
    assert "calibration_error" not in found

    found = JUDGED["anomaly_detection"].baseline(TrainLabels(), np.array([-1, 1, 1, np.nan]))
    assert found == {"roc_auc": 0.5, "pr_auc": pytest.approx(1 / 3)}

    found = JUDGED["regression"].baseline(TrainLabels(mean=2.0, std=1.0), np.array([1.0, 3.0]))
    assert (found["rmse"], found["r2"]) == (1, 0)


def test_training_labels_are_logged_as_shares_or_as_mean_and_spread() -> None:
    shares = TrainLabels({0: 0.75, 1: 0.25}).metrics()
    assert shares == {"label_share_0": 0.75, "label_share_1": 0.25}
    assert TrainLabels(mean=2.0, std=0.0).metrics() == {"label_mean": 2.0, "label_std": 0.0}
    assert TrainLabels().metrics() == {}


def test_equal_labels_have_no_r2() -> None:
    found = regression_metrics(np.full(4, 2.0), np.array([1.0, 2.0, 3.0, 2.0]))
    assert found == {"rmse": pytest.approx(0.5**0.5), "mae": 0.5, "median_ae": 0.5}
