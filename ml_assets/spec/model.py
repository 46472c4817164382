"""The declaration of one model: everything else is derived from it."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from ml_assets.spec.base import (
    ArgumentName,
    Count,
    Declared,
    Duration,
    Frozen,
    ImportPath,
    Number,
    TableName,
)
from ml_assets.spec.consistency import problems_between_parts
from ml_assets.spec.dagster_values import AssetName, Cron, Owner
from ml_assets.spec.errors import SpecError, did_you_mean
from ml_assets.spec.frozen import freeze, thaw
from ml_assets.spec.grants import Grants
from ml_assets.spec.model_types import KINDS, Metric, ModelKind, ModelType
from ml_assets.spec.tables import FeatureTable, Label, Scoring, Source
from ml_assets.spec.wording import CHECK, refusal, refuse

Purpose = Literal["development", "evaluation", "deployment"]


def _plain(value: Any) -> Any:
    try:
        return freeze(value)
    except TypeError as error:
        raise refusal(
            f"a Python object of type {error}",
            expected="true, false, a number, text, null, or lists and mappings of them",
            fix="write the parameter as plain values, so that it can be logged and hashed",
        ) from None


class Distributed(Declared):
    """Training on several machines at once, by ``xgboost.spark``, for rows that outgrow one.

    Needs classic Spark (on Databricks a cluster with dedicated access, not serverless) with a free
    task slot for each worker. Training rows stay on the cluster, the holdout is scored on one node.
    """

    num_workers: Count = Field(ge=1, examples=[4])
    """XGBoost workers, each one Spark task that holds its share of the training rows in memory."""


class Estimator(Declared):
    """What is fitted on the training rows."""

    cls: ImportPath | None = Field(default=None, alias="class", examples=["xgboost.XGBClassifier"])
    """Import path of a scikit-learn compatible classifier or regressor, as the model type asks.

    Without it ``xgboost.XGBClassifier``, for regression ``xgboost.XGBRegressor``.
    """
    params: Frozen[str, Annotated[Any, BeforeValidator(_plain)]] = Field(
        default={"n_estimators": 100, "max_depth": 6, "learning_rate": 0.1},
        validate_default=True,
        examples=[{"n_estimators": 200, "max_depth": 4}],
    )
    """Keyword arguments of the estimator."""
    encoding: Literal["ordinal", "one_hot"] = "ordinal"
    """How string features are encoded inside the packaged model."""
    allow_pickle: bool = Field(default=False, json_schema_extra={CHECK: "ml02_flavor_recorded"})
    """Store the model as a pickle when it cannot be stored otherwise; said in the log and recorded.

    Loading a pickle runs code that is in it. XGBoost, LightGBM and scikit-learn's own estimators do
    not need it.
    """
    distributed: Distributed | None = None
    """XGBoost only: fit on the workers of a Spark cluster. Without it on one node, in memory."""

    @property
    def arguments(self) -> dict[str, Any]:
        """The parameters as plain lists and dictionaries, to be handed to the estimator.

        Libraries look for exactly these types, and store them with the model.
        """
        return {name: thaw(value) for name, value in self.params.items()}


class Split(Declared):
    """How the training set is divided by time."""

    holdout: Number = Field(default=0.2, gt=0, lt=1, json_schema_extra={CHECK: "ml06_time_overlap"})
    """Share of the label rows, the last ones by event time, that are held out."""
    embargo: Duration = Field(
        default="1 day", validate_default=True, json_schema_extra={CHECK: "ml06_time_overlap"}
    )
    """Rows this close before the holdout are in neither part."""


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
    """Largest usual change of a feature table's rows, as a share of what was stored before."""
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


class ModelSpec(Declared):
    """One model, declared once."""

    project: AssetName = Field(
        examples=["flight_ops"], json_schema_extra={CHECK: "ml04_experiment_names"}
    )
    """Project, first part of every asset key and experiment name."""
    model: AssetName = Field(
        examples=["arrival_delay"], json_schema_extra={CHECK: "ml04_experiment_names"}
    )
    """Model, second part of every asset key and experiment name."""
    description: str = Field(default="", examples=["Will the flight arrive late?"])
    """What the model predicts and what is done with it."""
    package: str | None = None
    """Python package that import paths with a leading dot start from (set by the loader)."""
    model_type: ModelType = Field(
        default="binary_classification", json_schema_extra={CHECK: "ml02_output_schema"}
    )
    """Decides the output schema (ML-02), the metrics, the label rules and the default estimator."""
    registered_model: TableName = Field(
        examples=["main.flights.arrival_delay"],
        json_schema_extra={CHECK: "ml01_table_registered"},
    )
    """Three-level name in the model registry."""
    owners: tuple[Owner, ...] = Field(default=(), examples=[["team:flight-ops"]])
    """Dagster owners: e-mail addresses or ``team:name``."""
    sources: Frozen[ArgumentName, Source] = Field(
        min_length=1, examples=[{"flights": {"table": "main.raw.flights"}}]
    )
    """Tables that the transforms read, by the name of the transform's argument."""
    feature_tables: tuple[FeatureTable, ...] = Field(min_length=1)
    """The feature tables, in the order in which the model receives their columns."""
    label: Label
    """The label table."""
    training_set: TableName = Field(
        examples=["main.flights.arrival_delay_training_set"],
        json_schema_extra={CHECK: "ml01_table_registered"},
    )
    """Three-level name of the stored training set."""
    split: Split = Split()
    """Train and holdout."""
    estimator: Estimator = Estimator()
    """What is trained."""
    gates: Frozen[Metric, Gate] = Field(
        min_length=1,
        examples=[{"roc_auc": {"min": 0.7}}],
        json_schema_extra={CHECK: "promotion_absolute"},
    )
    """Holdout conditions for the champion alias, by metric."""
    scoring: Scoring
    """Batch predictions."""
    on_single_class: Literal["skip", "fail"] = Field(
        default="skip", json_schema_extra={CHECK: "ml05_not_single_class"}
    )
    """A label with one class (regression: one value): skip training with a red check, or fail (ML-05)."""
    schedule: Cron = "0 6 * * *"
    """Cron of the model's schedule (UTC; stopped until the user starts it)."""
    thresholds: Thresholds = Thresholds()
    """Limits of the checks."""
    promotion: Promotion = Promotion()
    """Comparison with the champion."""
    grants: Grants = Field(
        default={}, validate_default=True, examples=[{"analysts": {"tables": ["SELECT"]}}]
    )
    """Who may use the model's tables and the model, by principal (Databricks only)."""

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        refuse("ModelSpec", problems_between_parts(self))
        return self

    @property
    def features(self) -> tuple[str, ...]:
        """The model's inputs, in order."""
        return tuple(c for t in self.feature_tables for c in t.columns)

    @property
    def kind(self) -> ModelKind:
        """What the model type means for labels, metrics and predictions."""
        return KINDS[self.model_type]

    @property
    def label_classes(self) -> tuple[int, ...] | None:
        """Values that a stored label may have; None when it is any finite number."""
        if self.kind.declared_classes:
            return tuple(range(len(self.label.classes)))
        return self.kind.label_classes

    @property
    def predicted_classes(self) -> tuple[int, ...] | None:
        """Values that a prediction may have; None when it is a number."""
        return self.label_classes if self.kind.declared_classes else self.kind.predicted_classes

    @property
    def class_names(self) -> tuple[str, ...]:
        """Text of each class of ``label.classes``, by its code; empty when none are declared."""
        return tuple(str(c).lower() if isinstance(c, bool) else str(c) for c in self.label.classes)

    @property
    def output_type(self) -> str:
        """The signature's output type that ML-02 asks for."""
        return self.kind.output_type

    @property
    def estimator_class(self) -> str:
        """Import path of what is fitted: the declared class, or the model type's own."""
        return self.estimator.cls or self.kind.estimator

    @property
    def label_keys(self) -> tuple[str, ...]:
        """The label's keys and its event time."""
        return (*self.label.keys, self.label.event_time)

    @property
    def name(self) -> str:
        """``project/model``."""
        return f"{self.project}/{self.model}"

    @property
    def hash(self) -> str:
        """Twelve hex digits that change when the declaration changes.

        The same in every process and on every machine: neither the package nor the order of
        mappings counts, but for the order of feature columns, which is the model's input order.
        """
        declared = self.model_dump(mode="json", exclude={"package"})
        text = json.dumps([declared, self.features], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def experiment(self, purpose: Purpose) -> str:
        """Name the MLflow experiment for a purpose (ML-04)."""
        return f"/Shared/{self.project}_ml_{self.model}_{purpose}"

    def feature_table(self, name: str) -> FeatureTable:
        """Find a feature table by its short name.

        Raises
        ------
        SpecError
            When none has that name.
        """
        names = [t.name for t in self.feature_tables]
        if name not in names:
            raise SpecError(
                f"{self.name}: feature table {name!r}",
                found="no feature table of that name",
                expected=f"one of {', '.join(names)}",
                fix=f"correct the name{did_you_mean(name, names)}",
            )
        return self.feature_tables[names.index(name)]
