"""What a model type means: THE place where model types differ, as far as a declaration goes.

A new model type is one more entry of ``KINDS`` and one more of ``ml_assets.steps.metrics.JUDGED``
(how a fitted model is measured). Steps, rules and platforms ask a ``ModelKind`` and never compare
the type's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

ModelType = Literal["binary_classification", "regression"]
Metric = Literal[
    "roc_auc", "pr_auc", "log_loss", "brier", "accuracy", "rmse", "mae", "median_ae", "r2"
]
OutputType = Literal["long", "double"]


@dataclass(frozen=True)
class MetricKind:
    """The range of a metric (None: no end), and which way is better."""

    smaller_is_better: bool = False
    lowest: float | None = 0.0
    highest: float | None = 1.0


@dataclass(frozen=True)
class ModelKind:
    """One model type.

    ``output_type`` is what ML-02 asks the signature for. ``label_classes`` are the values that a
    label may have, ``predicted_classes`` those of a prediction; None means any finite number.
    ``metrics`` are measured on the holdout and can be gates. ``estimator`` is fitted when none is
    declared; ``spark_estimator`` is its counterpart for training on a cluster.
    """

    output_type: OutputType
    label_classes: tuple[int, ...] | None
    predicted_classes: tuple[int, ...] | None
    metrics: tuple[Metric, ...]
    estimator: str
    spark_estimator: str


METRICS: Mapping[Metric, MetricKind] = {
    "roc_auc": MetricKind(),
    "pr_auc": MetricKind(),
    "log_loss": MetricKind(smaller_is_better=True, highest=None),
    "brier": MetricKind(smaller_is_better=True),
    "accuracy": MetricKind(),
    "rmse": MetricKind(smaller_is_better=True, highest=None),
    "mae": MetricKind(smaller_is_better=True, highest=None),
    "median_ae": MetricKind(smaller_is_better=True, highest=None),
    "r2": MetricKind(lowest=None),
}

KINDS: Mapping[ModelType, ModelKind] = {
    "binary_classification": ModelKind(
        output_type="long",
        label_classes=(0, 1),
        predicted_classes=(0, 1),
        metrics=("roc_auc", "pr_auc", "log_loss", "brier", "accuracy"),
        estimator="xgboost.XGBClassifier",
        spark_estimator="xgboost.spark.SparkXGBClassifier",
    ),
    "regression": ModelKind(
        output_type="double",
        label_classes=None,
        predicted_classes=None,
        metrics=("rmse", "mae", "median_ae", "r2"),
        estimator="xgboost.XGBRegressor",
        spark_estimator="xgboost.spark.SparkXGBRegressor",
    ),
}
