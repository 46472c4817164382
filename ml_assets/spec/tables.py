"""What a user declares about sources and feature tables."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from ml_assets.spec.base import (
    ColumnName,
    Declared,
    Duration,
    Frozen,
    Identifier,
    ImportPath,
    Number,
    Ordered,
    TableName,
)
from ml_assets.spec.dagster_values import AssetName
from ml_assets.spec.findings import Place
from ml_assets.spec.reuse import ReusePath
from ml_assets.spec.wording import CHECK, SET_BY_LOADER, refusal, refuse, shown


def _plain_value(value: Any) -> Any:
    if isinstance(value, bool | int | float | str) or value is None:
        return value
    raise refusal(
        shown(value),
        expected="true, false, a number or text",
        fix="write one plain value (a date in quotes)",
    )


#: A plain value whose kind is kept: 1 stays whole, 1.0 a float, true a boolean, "1" text.
Scalar = Annotated[bool | int | float | str, BeforeValidator(_plain_value)]


class Source(Declared):
    """A table that somebody else fills, or that is seeded once on a laptop."""

    table: TableName = Field(
        examples=["main.raw.flights"], json_schema_extra={CHECK: "ml01_table_registered"}
    )
    """Three-level name of the table."""
    seed: ImportPath | None = Field(default=None, examples=[".seeds.flights"])
    """Function () -> pandas.DataFrame that fills the table when it does not exist yet."""
    description: str = Field(default="", examples=["Flights out of New York, one row each"])
    """What the table holds and who owns it."""
    event_time: ColumnName | None = Field(
        default=None,
        examples=["time_hour"],
        json_schema_extra={CHECK: "ml05_label_horizon_closed"},
    )
    """UTC timestamp column whose latest value says until when the data goes."""
    reuse: ReusePath | None = None
    """Instead of everything else: a source of another model, see below."""


class Column(Declared):
    """One feature column of a feature table."""

    comment: str = Field(
        default="",
        examples=["Wind speed in miles per hour"],
        json_schema_extra={CHECK: "ml01_documented"},
    )
    """Business meaning and unit, shown in the catalog."""
    default: Scalar | None = Field(
        default=None, examples=[0.0], json_schema_extra={CHECK: "ml03_no_nan"}
    )
    """Replaces null (and NaN, +Inf, -Inf in float columns) when the table is written."""
    max_repaired: Number = Field(
        default=0.5, gt=0, le=1, json_schema_extra={CHECK: "ml03_repaired_share"}
    )
    """Share of the values that the default may usually replace: mostly defaults is no feature."""
    max_drift: Number | None = Field(
        default=None, gt=0, examples=[5.0], json_schema_extra={CHECK: "predictions_drift"}
    )
    """Largest usual PSI of this column, where it follows the calendar; else ``thresholds.drift``."""

    @field_validator("default")
    @classmethod
    def _finite(cls, value: Scalar | None) -> Scalar | None:
        if isinstance(value, float) and value - value != 0:
            raise refusal(
                str(value),
                expected="a finite number",
                fix="declare a number that a model can use in the place of what is missing",
                rule="ml03_no_nan",
                message=f"default {value} is not finite; declare a finite number (ML-03)",
            )
        return value


class Documented(Declared):
    """A table that ml_assets writes, with what its readers need to know."""

    table: TableName = Field(
        examples=["main.flights.weather_hourly"],
        json_schema_extra={CHECK: "ml01_table_registered"},
    )
    """Three-level name of the table."""
    transform: ImportPath = Field(examples=[".features.weather_hourly"])
    """PySpark function that gets each source as a DataFrame argument of the source's name."""
    sources: tuple[Identifier, ...] = Field(min_length=1, examples=[["weather"]])
    """Names of the sources that the transform receives."""
    business: str = Field(
        default="",
        examples=["Weather at the airport in the hour before departure"],
        json_schema_extra={CHECK: "ml01_documented"},
    )
    """Business description: what the table means to the people who use it."""
    technical: str = Field(
        default="",
        examples=["Hourly observations, deduplicated, rebuilt daily"],
        json_schema_extra={CHECK: "ml01_documented"},
    )
    """Technical description: how the table is computed, from what, how often."""
    tags: Frozen[str, str] = Field(
        default={},
        validate_default=True,
        examples=[{"domain": "flights", "model": "arrival_delay"}],
        json_schema_extra={CHECK: "ml01_documented"},
    )
    """Catalog tags; ML-01 asks for at least ``domain`` and ``model``."""


class FeatureTable(Documented):
    """A clean feature table with keys, and an event time when the data has one."""

    name: AssetName = Field(examples=["weather_hourly"])
    """Short name, used in the asset key ``features/<name>``."""
    primary_keys: tuple[ColumnName, ...] = Field(
        min_length=1,
        examples=[["origin"]],
        json_schema_extra={CHECK: "ml01_primary_key_unique"},
    )
    """Key columns, without the event time."""
    event_time: ColumnName | None = Field(
        default=None, examples=["observed_at"], json_schema_extra={CHECK: "ml06_future_feature"}
    )
    """UTC timestamp column: the moment the row became known. Leave out for static tables."""
    lookback: Duration | None = Field(
        default=None, examples=["3 hours"], json_schema_extra={CHECK: "ml06_future_feature"}
    )
    """How old a row may be at the as-of time (inclusive); without it, any age."""
    columns: Ordered[ColumnName, Column] = Field(
        min_length=1, examples=[{"wind_speed": {"comment": "Miles per hour", "default": 0.0}}]
    )
    """The feature columns, in order: exactly what the transform returns beside keys and time."""
    min_coverage: Number = Field(
        default=0.95, ge=0, le=1, json_schema_extra={CHECK: "ml03_lookup_coverage"}
    )
    """Share of label keys and scoring keys that must find a row (``ml03_lookup_coverage``)."""
    max_age: Duration | None = Field(
        default=None, examples=["2 days"], json_schema_extra={CHECK: "ml01_fresh"}
    )
    """How old the latest event time may usually be now; without it only the sources are compared."""
    reuse: ReusePath | None = None
    """Instead of everything else: a table that another model makes, see below."""
    owner_hash: str = Field(default="", json_schema_extra={SET_BY_LOADER: True})
    """The hash of the owner's declaration of a reused table (set by the loader)."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        places: list[tuple[Place, str]] = [
            *((("primary_keys", i), key) for i, key in enumerate(self.primary_keys)),
            *([(("event_time",), self.event_time)] if self.event_time else []),
            *((("columns", name), name) for name in self.columns),
        ]
        problems = repeated(places, "a column that is declared once: as key, event time or feature")
        if self.lookback is not None and self.event_time is None:
            lost = refusal(
                "a lookback without an event_time",
                expected="an event_time: a static table has no age",
                fix="declare event_time, or remove lookback",
                rule="ml06_future_feature",
                message="lookback needs an event_time: a static table has no age",
            )
            problems.append((("lookback",), lost))
        if self.max_age is not None and self.event_time is None:
            ageless = refusal(
                "a max_age without an event_time",
                expected="an event_time: the age of a table is that of its latest row",
                fix="declare event_time, or remove max_age: a static table is compared with its sources",
                rule="ml01_fresh",
            )
            problems.append((("max_age",), ageless))
        refuse("FeatureTable", problems)
        return self

    @property
    def keys(self) -> tuple[str, ...]:
        """Primary keys, then the event time when there is one."""
        return (*self.primary_keys, *([self.event_time] if self.event_time else []))

    @property
    def declared_hash(self) -> str:
        """Twelve hex digits that change when its owner declares the table in another way."""
        return self.owner_hash or hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]


def repeated(
    places: list[tuple[Place, str]], expected: str, rule: str | None = None
) -> list[tuple[Place, Any]]:
    """Find names that were used before, whatever their case (SQL does not tell it apart)."""
    first: dict[str, tuple[Place, str]] = {}
    problems = []
    for place, name in places:
        before = first.setdefault(name.lower(), (place, name))
        if before[0] != place:
            there = ".".join(map(str, before[0]))
            text = refusal(
                f"{name!r}, which is already used by {there}",
                expected=expected,
                fix="rename or remove one of them",
                rule=rule,
                message=f"{name!r} is declared more than once (before by {there})",
            )
            problems.append((place, text))
    return problems
