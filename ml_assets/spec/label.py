"""What a user declares about the label, and about the keys that are scored."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from ml_assets.spec.base import (
    ColumnName,
    Declared,
    Duration,
    Frozen,
    Identifier,
    ImportPath,
    Number,
    TableName,
)
from ml_assets.spec.findings import Place
from ml_assets.spec.tables import Documented, Scalar, repeated
from ml_assets.spec.wording import CHECK, DERIVED, refusal, refuse, shown


class Label(Documented):
    """Keys, event time and the label: what is to be predicted, for whom, as of when."""

    table: TableName = Field(
        examples=["main.flights.arrival_delay_labels"],
        json_schema_extra={CHECK: "ml01_table_registered", DERIVED: "`<catalog>.labels.<model>`"},
    )
    """Three-level name of the table; catalog and model as in ``registered_model``."""
    sources: tuple[Identifier, ...] = Field(
        min_length=1, examples=[["flights"]], json_schema_extra={DERIVED: "all sources"}
    )
    """Names of the sources that the transform receives."""
    tags: Frozen[str, str] = Field(
        default={},
        validate_default=True,
        examples=[{"domain": "flights", "model": "arrival_delay"}],
        json_schema_extra={
            CHECK: "ml01_documented",
            DERIVED: "the first feature table's domain, this model",
        },
    )
    """Catalog tags."""
    name: ColumnName = Field(examples=["is_late"], json_schema_extra={CHECK: "ml05_binary_labels"})
    """Name of the stored label column: 0/1 for a classifier, a number for regression."""
    keys: tuple[ColumnName, ...] = Field(
        min_length=1,
        examples=[["flight_id", "origin"]],
        json_schema_extra={DERIVED: "the feature tables' primary keys"},
    )
    """Key columns; together they must cover every feature table's primary keys."""
    event_time: ColumnName = Field(
        examples=["scheduled_at"],
        json_schema_extra={
            CHECK: "ml06_future_feature",
            DERIVED: "**required** where no feature table is reused",
        },
    )
    """UTC timestamp column: the as-of time, the moment a row is scored for."""
    column: Identifier = Field(
        examples=["arr_delay"], json_schema_extra={CHECK: "ml05_binary_labels"}
    )
    """The column of the transform's result that the label is computed from."""
    threshold: Number | None = Field(
        default=None, examples=[15], json_schema_extra={CHECK: "ml05_binary_labels"}
    )
    """Two classes only: label is 1 (an anomaly: -1) where ``column`` > threshold, else 0 (1).

    Without it ``column`` must already hold these integers.
    """
    classes: tuple[Scalar, ...] = Field(
        default=(),
        max_length=1000,
        examples=[["bronze", "silver", "gold"]],
        json_schema_extra={CHECK: "ml05_binary_labels"},
    )
    """Multi-class only: the values of ``column``; the stored label is a value's place, from 0."""
    horizon: Duration = Field(
        default="0 days",
        validate_default=True,
        examples=["1 day"],
        json_schema_extra={CHECK: "ml05_label_horizon_closed"},
    )
    """How long after its event time the outcome of a row is known."""
    label_sources: tuple[Identifier, ...] = Field(
        default=(),
        examples=[["dep_delay", "air_time"]],
        json_schema_extra={CHECK: "ml06_label_not_in_features"},
    )
    """Columns that reveal the outcome; none may be a feature (ML-06)."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        places: list[tuple[Place, str]] = [
            *((("keys", i), key) for i, key in enumerate(self.keys)),
            (("event_time",), self.event_time),
            (("name",), self.name),
        ]
        problems = repeated(places, "a column of its own for each key, event_time and name")
        for place, name in places[:-1]:
            if name.lower() == "model_version":
                text = refusal(
                    shown(name),
                    expected="another name: the predictions carry a column of this one",
                    fix="rename the column in the transforms",
                )
                problems.append((place, text))
        refuse("Label", problems)
        return self


class Scoring(Declared):
    """Which keys are scored, and where their predictions go."""

    table: TableName = Field(
        examples=["main.flights.arrival_delay_predictions"],
        json_schema_extra={
            CHECK: "ml01_table_registered",
            DERIVED: "`<catalog>.predictions.<model>`",
        },
    )
    """Three-level name of the predictions table; catalog and model as in ``registered_model``."""
    keys: ImportPath = Field(examples=[".features.flights_to_score"])
    """PySpark function that returns the keys and as-of times to score (columns as in ``label``)."""
    sources: tuple[Identifier, ...] = Field(
        min_length=1, examples=[["flights"]], json_schema_extra={DERIVED: "all sources"}
    )
    """Names of the sources that the function receives."""
    business: str = Field(default="", examples=["Shown to dispatchers the evening before"])
    """What the predictions are used for."""
