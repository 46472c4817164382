"""The limits of the checks, apart from those that are declared with one table."""

from __future__ import annotations

from pydantic import Field

from ml_assets.spec.base import Count, Declared, Number
from ml_assets.spec.wording import CHECK


class Thresholds(Declared):
    """Limits of the checks that are not tied to one table."""

    replay_rows: Count = Field(default=1000, ge=1, json_schema_extra={CHECK: "ml03_score_replay"})
    """Holdout rows that ``ml03_score_replay`` scores again through the feature store."""
    replay_tolerance: Number = Field(
        default=1e-6, ge=0, lt=0.5, json_schema_extra={CHECK: "ml03_score_replay"}
    )
    """Largest allowed difference between a replayed and a training-time value (float32 noise).

    Relative to the value; near 0 absolute, or relative to the usual size of a regressor's predictions.
    """
    row_count_change: Number = Field(default=0.5, gt=0, json_schema_extra={CHECK: "ml01_row_count"})
    """Largest usual growth of a feature table's rows, as a share of what was stored before.

    A table may shrink by as much as that growth would make up for: 0.5 allows a third less.
    """
    minority_share: Number = Field(
        default=0.01, ge=0, le=0.5, json_schema_extra={CHECK: "ml05_minority_share"}
    )
    """Smallest usual share of the rarest class among the labels."""
    base_rate_shift: Number = Field(
        default=0.1, gt=0, json_schema_extra={CHECK: "ml05_base_rate_shift"}
    )
    """Largest usual shift of the labels against those that the champion was trained on.

    Of classes: half the sum of the differences of their shares (total variation distance, 0 to 1).
    Of numbers: the difference of the means in standard deviations of the champion's labels.
    """
    leakage_rows: Count = Field(
        default=100_000, ge=1_000, json_schema_extra={CHECK: "ml06_single_feature_power"}
    )
    """Largest number of training set rows that the leakage checks look at; a sample by key above."""
    feature_power: Number = Field(
        default=0.98, gt=0.5, le=1, json_schema_extra={CHECK: "ml06_single_feature_power"}
    )
    """What no feature may reach alone: ROC AUC for classes, R² for numbers. Blocks."""
    feature_power_warn: Number = Field(
        default=0.90, gt=0.5, le=1, json_schema_extra={CHECK: "ml06_single_feature_power"}
    )
    """What a feature reaches alone only seldom without leaking. Warns."""
    too_good: Number = Field(default=0.99, gt=0.5, le=1, json_schema_extra={CHECK: "ml06_too_good"})
    """Holdout ROC AUC (of numbers: R²) above which a result is implausible."""
    shuffled_label_tolerance: Number = Field(
        default=0.05, gt=0, le=0.5, json_schema_extra={CHECK: "ml06_shuffled_label_control"}
    )
    """How far from chance a model that was trained on shuffled labels may be (ROC AUC, or R²)."""
    drift: Number = Field(default=0.2, gt=0, json_schema_extra={CHECK: "predictions_drift"})
    """Largest usual population stability index (PSI) of a feature or of the scores."""
