"""What a model type means: THE place where model types differ, as far as a declaration goes.

A new model type is one more entry of ``KINDS`` and one more of ``ml_assets.steps.training.metrics.JUDGED``
(how a fitted model is measured). Steps, rules and platforms ask a ``ModelKind`` and never compare
the type's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

ModelType = Literal[
    "binary_classification",
    "multiclass_classification",
    "probability",
    "regression",
    "anomaly_detection",
]
Metric = Literal[
    "roc_auc",
    "pr_auc",
    "log_loss",
    "brier",
    "accuracy",
    "balanced_accuracy",
    "f1_macro",
    "roc_auc_ovr",
    "calibration_error",
    "rmse",
    "mae",
    "median_ae",
    "r2",
    "anomaly_share",
    "precision",
    "recall",
]
OutputType = Literal["long", "double"]


@dataclass(frozen=True)
class MetricKind:
    """The range of a metric (None: no end), and which way is better.

    ``has_baseline``: a constant prediction is a yardstick. Of a calibration error it is none, because
    the base rate is calibrated and knows nothing; nor of what is flagged, because it flags nothing.
    """

    smaller_is_better: bool = False
    lowest: float | None = 0.0
    highest: float | None = 1.0
    has_baseline: bool = True


@dataclass(frozen=True)
class ModelKind:
    """One model type.

    ``output_type`` is what ML-02 asks the signature for. ``label_classes`` are the values that a
    label may have, ``predicted_classes`` those of a prediction; None means any finite number, within
    ``predicted_range`` when there is one. With ``declared_classes`` both are instead the places of
    ``label.classes``: 0 to k-1. ``metrics`` are measured on the holdout and can be gates; versions
    are compared by ``headline`` unless another is declared. ``estimator`` is fitted when none is
    declared; ``spark_estimator`` is its counterpart for training on a cluster, when there is one.
    A model that does not ``learn_label`` is fitted on features alone, and its label, which may be
    null where nobody knows the outcome, only judges it: nothing can leak from it.
    """

    output_type: OutputType
    label_classes: tuple[int, ...] | None
    predicted_classes: tuple[int, ...] | None
    metrics: tuple[Metric, ...]
    headline: Metric
    estimator: str
    spark_estimator: str | None = None
    declared_classes: bool = False
    predicted_range: tuple[float, float] | None = None
    learns_label: bool = True

    @property
    def leak_metric(self) -> Metric:
        """The metric that means the same for every label: 1 is perfect, whatever the unit."""
        return next(m for m in self.metrics if m in {"roc_auc", "roc_auc_ovr", "r2"})


METRICS: Mapping[Metric, MetricKind] = {
    "roc_auc": MetricKind(),
    "pr_auc": MetricKind(),
    "log_loss": MetricKind(smaller_is_better=True, highest=None),
    "brier": MetricKind(smaller_is_better=True),
    "accuracy": MetricKind(),
    "balanced_accuracy": MetricKind(),
    "f1_macro": MetricKind(),
    "roc_auc_ovr": MetricKind(),
    "calibration_error": MetricKind(smaller_is_better=True, has_baseline=False),
    "rmse": MetricKind(smaller_is_better=True, highest=None),
    "mae": MetricKind(smaller_is_better=True, highest=None),
    "median_ae": MetricKind(smaller_is_better=True, highest=None),
    "r2": MetricKind(lowest=None),
    "anomaly_share": MetricKind(smaller_is_better=True, has_baseline=False),
    "precision": MetricKind(has_baseline=False),
    "recall": MetricKind(has_baseline=False),
}

KINDS: Mapping[ModelType, ModelKind] = {
    "binary_classification": ModelKind(
        output_type="long",
        label_classes=(0, 1),
        predicted_classes=(0, 1),
        metrics=("roc_auc", "pr_auc", "log_loss", "brier", "accuracy"),
        headline="roc_auc",
        estimator="xgboost.XGBClassifier",
        spark_estimator="xgboost.spark.SparkXGBClassifier",
    ),
    "multiclass_classification": ModelKind(
        output_type="long",
        label_classes=None,
        predicted_classes=None,
        declared_classes=True,
        metrics=("log_loss", "accuracy", "balanced_accuracy", "f1_macro", "roc_auc_ovr"),
        headline="log_loss",
        estimator="xgboost.XGBClassifier",
        spark_estimator="xgboost.spark.SparkXGBClassifier",
    ),
    "probability": ModelKind(
        output_type="double",
        label_classes=(0, 1),
        predicted_classes=None,
        predicted_range=(0.0, 1.0),
        metrics=("roc_auc", "pr_auc", "log_loss", "brier", "calibration_error"),
        headline="log_loss",
        estimator="xgboost.XGBClassifier",
        spark_estimator="xgboost.spark.SparkXGBClassifier",
    ),
    "regression": ModelKind(
        output_type="double",
        label_classes=None,
        predicted_classes=None,
        metrics=("rmse", "mae", "median_ae", "r2"),
        headline="rmse",
        estimator="xgboost.XGBRegressor",
        spark_estimator="xgboost.spark.SparkXGBRegressor",
    ),
    "anomaly_detection": ModelKind(
        output_type="long",
        label_classes=(-1, 1),
        predicted_classes=(-1, 1),
        metrics=("roc_auc", "pr_auc", "precision", "recall", "anomaly_share"),
        headline="roc_auc",
        estimator="sklearn.ensemble.IsolationForest",
        learns_label=False,
    ),
}
