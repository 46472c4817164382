"""The declaration of one model: everything else is derived from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from ml_assets.spec.base import ArgumentName, Declared, Frozen, TableName
from ml_assets.spec.consistency import problems_between_parts
from ml_assets.spec.dagster_values import AssetName, Cron, Owner
from ml_assets.spec.derived import with_derived
from ml_assets.spec.errors import SpecError, did_you_mean
from ml_assets.spec.grants import Grants
from ml_assets.spec.label import Label, Scoring
from ml_assets.spec.model_types import KINDS, Metric, ModelKind, ModelType
from ml_assets.spec.promotion import Gate, Promotion
from ml_assets.spec.tables import FeatureTable, Source
from ml_assets.spec.thresholds import Thresholds
from ml_assets.spec.training import Estimator, Split
from ml_assets.spec.wording import CHECK, DERIVED, refuse

Purpose = Literal["development", "evaluation", "deployment"]


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
        min_length=1,
        examples=[{"flights": {"table": "main.raw.flights"}}],
        json_schema_extra={DERIVED: "**required** where no feature table is reused"},
    )
    """Tables that the transforms read, by the name of the transform's argument.

    A model that reuses feature tables has those that they are made from, when it declares none.
    """
    feature_tables: tuple[FeatureTable, ...] = Field(min_length=1)
    """The feature tables, in the order in which the model receives their columns."""
    label: Label
    """The label table."""
    training_set: TableName = Field(
        examples=["main.flights.arrival_delay_training_set"],
        json_schema_extra={CHECK: "ml01_table_registered", DERIVED: "`<catalog>.training.<model>`"},
    )
    """Three-level name of the stored training set; catalog and model as in ``registered_model``."""
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

    @model_validator(mode="before")
    @classmethod
    def _derived(cls, data: Any) -> Any:
        return with_derived(data) if isinstance(data, Mapping) else data

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
