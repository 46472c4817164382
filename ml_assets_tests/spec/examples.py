"""A declaration that is right, to be broken by the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ml_assets.spec.errors import DeclarationError, SpecError
from ml_assets.spec.label import Label, Scoring
from ml_assets.spec.loader import load_spec
from ml_assets.spec.model import ModelSpec
from ml_assets.spec.promotion import Gate
from ml_assets.spec.tables import Column, FeatureTable, Source
from ml_assets.spec.thresholds import Thresholds
from ml_assets.spec.training import Estimator, Split

COMPONENT = "ml_assets.components.ModelComponent"

DECLARATION = """
project: flight_ops
model: arrival_delay
description: Will the flight arrive more than 15 minutes late?
registered_model: main.flights.arrival_delay
owners: [team:flight-ops, ops@example.com]
sources:
  flights: {table: main.raw.flights, seed: .seeds.flights}
  weather: {table: main.raw.weather, description: Hourly observations}
feature_tables:
  - name: weather_hourly
    table: main.flights.weather_hourly
    transform: .features.weather_hourly
    sources: [weather]
    business: Weather in the hour before departure
    technical: Hourly, deduplicated
    tags: {domain: flights, model: arrival_delay}
    primary_keys: [origin]
    event_time: observed_at
    lookback: 3 hours
    columns:
      wind_speed: {comment: Miles per hour, default: 0.0}
      precip: {comment: Inches, default: 0}
      condition: {comment: Clear or rain, default: unknown}
    min_coverage: 0.9
  - name: planes
    table: main.flights.planes
    transform: .features.planes
    sources: [flights]
    primary_keys: [tailnum]
    columns:
      seats: {comment: Seats, default: 0}
label:
  name: is_late
  table: main.flights.arrival_delay_labels
  transform: .features.arrivals
  sources: [flights]
  keys: [flight_id, origin, tailnum]
  event_time: scheduled_at
  column: arr_delay
  threshold: 15
  label_sources: [dep_delay, air_time]
training_set: main.flights.arrival_delay_training_set
split: {holdout: 0.25, embargo: 2 days}
estimator:
  class: sklearn.ensemble.HistGradientBoostingClassifier
  params: {max_iter: 50, class_weight: {0: 1, 1: 4}}
  encoding: one_hot
gates:
  roc_auc: {min: 0.6}
  log_loss: {max: 0.7, beat_baseline: true}
scoring:
  table: main.flights.arrival_delay_predictions
  keys: .features.flights_to_score
  sources: [flights]
  business: Shown to dispatchers
on_single_class: fail
schedule: 0 6 * * mon-fri
thresholds: {replay_rows: 100, replay_tolerance: 0.001}
"""


def declaration() -> dict[str, Any]:
    """Return a fresh mapping of all fields."""
    fresh: dict[str, Any] = yaml.safe_load(DECLARATION)
    return fresh


def at(mapping: Any, *path: str | int) -> Any:
    """Walk down a mapping."""
    for step in path:
        mapping = mapping[step]
    return mapping


def changed(value: Any, *path: str | int) -> dict[str, Any]:
    """Return the declaration with one value replaced."""
    mapping = declaration()
    at(mapping, *path[:-1])[path[-1]] = value
    return mapping


def document(mapping: dict[str, Any]) -> str:
    """Write a declaration as a component file, one key a line."""
    return yaml.safe_dump({"type": COMPONENT, "attributes": mapping}, sort_keys=False)


#: The example as a person would write it; the line n of the declaration is n + 2 in the file.
WRITTEN = f"type: {COMPONENT}\nattributes:\n" + "".join(
    f"  {line}\n" for line in DECLARATION.strip().splitlines()
)


def problems(file: Path, text: str) -> list[SpecError]:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(DeclarationError) as caught:
        load_spec(file)
    return list(caught.value.problems)


def only(file: Path, text: str) -> SpecError:
    found = problems(file, text)
    assert len(found) == 1, "\n".join(map(str, found))
    return found[0]


def written(old: str, new: str) -> str:
    """Change the written example in one place."""
    assert WRITTEN.count(old) == 1, old
    return WRITTEN.replace(old, new)


def line_of(text: str, part: str) -> int:
    return next(i for i, line in enumerate(text.splitlines(), 1) if part in line)


def in_python() -> ModelSpec:
    """Declare the example without YAML."""
    weather = FeatureTable(
        name="weather_hourly",
        table="main.flights.weather_hourly",
        transform=".features.weather_hourly",
        sources=("weather",),
        business="Weather in the hour before departure",
        technical="Hourly, deduplicated",
        tags={"model": "arrival_delay", "domain": "flights"},
        primary_keys=("origin",),
        event_time="observed_at",
        lookback="180 minutes",
        columns={
            "wind_speed": Column(comment="Miles per hour", default=0.0),
            "precip": Column(comment="Inches", default=0),
            "condition": Column(comment="Clear or rain", default="unknown"),
        },
        min_coverage=0.9,
    )
    planes = FeatureTable(
        name="planes",
        table="main.flights.planes",
        transform=".features.planes",
        sources=["flights"],
        primary_keys=["tailnum"],
        columns={"seats": Column(comment="Seats", default=0)},
    )
    label = Label(
        name="is_late",
        table="main.flights.arrival_delay_labels",
        transform=".features.arrivals",
        sources=("flights",),
        keys=("flight_id", "origin", "tailnum"),
        event_time="scheduled_at",
        column="arr_delay",
        threshold=15,
        label_sources=("dep_delay", "air_time"),
    )
    return ModelSpec(
        project="flight_ops",
        model="arrival_delay",
        description="Will the flight arrive more than 15 minutes late?",
        registered_model="main.flights.arrival_delay",
        owners=("team:flight-ops", "ops@example.com"),
        sources={
            "weather": Source(table="main.raw.weather", description="Hourly observations"),
            "flights": Source(table="main.raw.flights", seed=".seeds.flights"),
        },
        feature_tables=(weather, planes),
        label=label,
        training_set="main.flights.arrival_delay_training_set",
        split=Split(holdout=0.25, embargo="48 hours"),
        estimator=Estimator(
            cls="sklearn.ensemble.HistGradientBoostingClassifier",
            params={"max_iter": 50, "class_weight": {0: 1, 1: 4}},
            encoding="one_hot",
        ),
        gates={"log_loss": Gate(max=0.7, beat_baseline=True), "roc_auc": Gate(min=0.6)},
        scoring=Scoring(
            table="main.flights.arrival_delay_predictions",
            keys=".features.flights_to_score",
            sources=("flights",),
            business="Shown to dispatchers",
        ),
        on_single_class="fail",
        schedule="0 6 * * mon-fri",
        thresholds=Thresholds(replay_rows=100, replay_tolerance=0.001),
    )
