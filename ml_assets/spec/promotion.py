"""What a version must reach to become the champion."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from ml_assets.spec.base import Count, Declared, Number
from ml_assets.spec.model_types import Metric
from ml_assets.spec.wording import CHECK, refusal


class Gate(Declared):
    """An absolute condition on a holdout metric that a version must meet to serve."""

    min: Number | None = Field(
        default=None, examples=[0.7], json_schema_extra={CHECK: "promotion_absolute"}
    )
    """Smallest allowed value."""
    max: Number | None = Field(
        default=None, examples=[0.5], json_schema_extra={CHECK: "promotion_absolute"}
    )
    """Largest allowed value."""
    beat_baseline: bool = Field(default=False, json_schema_extra={CHECK: "promotion_absolute"})
    """Must be better than always predicting the mean of the training labels (the base rate)."""

    @model_validator(mode="after")
    def _some_condition(self) -> Self:
        if self.min is None and self.max is None and not self.beat_baseline:
            raise refusal(
                "a gate without a condition",
                expected="min, max or beat_baseline: true",
                fix="add one of them, for example min: 0.7",
                rule="promotion_absolute",
                message="a gate needs min, max or beat_baseline: true",
            )
        if self.min is not None and self.max is not None and self.min > self.max:
            raise refusal(
                f"min {self.min:g} above max {self.max:g}",
                expected="a range that a metric can be in",
                fix="exchange min and max",
                rule="promotion_absolute",
            )
        return self


class Promotion(Declared):
    """How a candidate is compared with the champion, on the same holdout rows."""

    metric: Metric | None = Field(
        default=None, examples=["pr_auc"], json_schema_extra={CHECK: "promotion_beats_champion"}
    )
    """Holdout metric that decides; the model type's own when left out."""
    margin: Number = Field(
        default=0.02, ge=0, json_schema_extra={CHECK: "promotion_beats_champion"}
    )
    """How much worse than the champion a candidate may be.

    In units of the metric; for metrics without an upper end (rmse, mae, log_loss, …) as a share of
    the champion's value.
    """
    confidence: Number = Field(
        default=0.95, gt=0.5, lt=1, json_schema_extra={CHECK: "promotion_beats_champion"}
    )
    """Level of the interval of the difference between the two."""
    draws: Count = Field(
        default=1000, ge=100, le=100_000, json_schema_extra={CHECK: "promotion_beats_champion"}
    )
    """Bootstrap draws of that interval."""
