"""Why an estimator cannot be judged as its model type is; said before it is fitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Unfit:
    """What an estimator is, what the model type needs, and what to declare instead."""

    found: str
    expected: str
    fix: str


def no_probabilities(estimator: Any) -> Unfit | None:
    """Refuse what is no classifier with ``predict_proba``."""
    if hasattr(estimator, "predict_proba"):
        return None
    return Unfit(
        found=f"{_kind(estimator)} without predict_proba",
        expected="a classifier that gives probabilities",
        fix="use a classifier with predict_proba, such as xgboost.XGBClassifier, or wrap it in "
        "sklearn.calibration.CalibratedClassifierCV",
    )


def no_numbers(estimator: Any) -> Unfit | None:
    """Refuse what is no regressor."""
    if hasattr(estimator, "predict") and _kind(estimator) in {"a regressor", "an estimator"}:
        return None
    return Unfit(
        found=_kind(estimator) if hasattr(estimator, "predict") else "an estimator without predict",
        expected="a regressor",
        fix="use a regressor, such as xgboost.XGBRegressor, or declare the model_type of the "
        "estimator (binary_classification, multiclass_classification, anomaly_detection)",
    )


def no_anomaly_scores(estimator: Any) -> Unfit | None:
    """Refuse what does not find anomalies without labels, with a score whose border is 0."""
    kind = _kind(estimator)
    lacks = [m for m in ("predict", "decision_function") if not hasattr(estimator, m)]
    if kind in {"an anomaly detector", "an estimator"} and not lacks:
        return None
    return Unfit(
        found=f"{kind} without {' and '.join(lacks)}" if lacks else kind,
        expected="an anomaly detector with predict (-1 or 1) and decision_function",
        fix="use sklearn.ensemble.IsolationForest, sklearn.svm.OneClassSVM or "
        "sklearn.neighbors.LocalOutlierFactor with params: {novelty: true}",
    )


def _kind(estimator: Any) -> str:
    """Name the kind as scikit-learn's tags tell it; a stranger's class is just an estimator."""
    from sklearn.base import is_classifier, is_clusterer, is_outlier_detector, is_regressor

    kinds = (
        (is_classifier, "a classifier"),
        (is_regressor, "a regressor"),
        (is_outlier_detector, "an anomaly detector"),
        (is_clusterer, "a clusterer"),
    )
    return next((name for is_kind, name in kinds if is_kind(estimator)), "an estimator")
