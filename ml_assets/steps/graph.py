"""The steps of a declared model, in graph order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_assets.spec.owners import asset_path
from ml_assets.steps import (
    clean_features,
    label_table,
    predict,
    register_version,
    seed_source,
    train_model,
    training_set,
)
from ml_assets.steps.handles import PredictionsHandle, RunHandle, TableHandle, VersionHandle

if TYPE_CHECKING:
    from collections.abc import Callable

    from ml_assets.platform.protocol import Platform
    from ml_assets.rules.facts import Facts
    from ml_assets.spec.model import ModelSpec
    from ml_assets.steps.execution import Inputs, Prepared
    from ml_assets.steps.handles import Handle

    Build = Callable[[ModelSpec, Platform, Inputs], Prepared]
    Measure = Callable[[ModelSpec, Platform, Inputs], Facts]


@dataclass(frozen=True)
class Step:
    """One asset: how it is built, how what is stored of it is measured, what it stands on.

    ``measure`` reads stored things only; ``inputs.handles`` then holds the asset's own latest
    handle under its own name. ``measure`` is None for seeded sources, which have no checks.
    """

    asset: str
    build: Build
    measure: Measure | None
    handle: type[Handle]
    depends_on: tuple[str, ...]
    kinds: tuple[str, ...]
    table: str | None = None


def steps_of(spec: ModelSpec) -> tuple[Step, ...]:
    """List the steps of a model, each after the ones it depends on."""
    return (
        *_source_steps(spec, reused=False),
        *_feature_steps(spec, reused=False),
        _labels(spec),
        _training_set(spec),
        _TRAINED_MODEL,
        _MODEL_VERSION,
        _predictions(spec),
    )


def reused_by(spec: ModelSpec) -> tuple[Step, ...]:
    """List what another model makes and this one stands on: to read handles by, never to be done."""
    return (*_source_steps(spec, reused=True), *_feature_steps(spec, reused=True))


def _source_steps(spec: ModelSpec, *, reused: bool) -> tuple[Step, ...]:
    build = _not_ours if reused else seed_source.build
    return tuple(
        Step(f"sources/{name}", build, None, TableHandle, (), ("delta",), source.table)
        for name, source in spec.sources.items()
        if source.seed and bool(source.reuse) is reused
    )


def _feature_steps(spec: ModelSpec, *, reused: bool) -> tuple[Step, ...]:
    build = _not_ours if reused else clean_features.build
    measure = None if reused else clean_features.measure
    return tuple(
        Step(
            f"features/{t.name}",
            build,
            measure,
            TableHandle,
            () if reused else _sources(t.sources),
            ("delta", "pyspark"),
            t.table,
        )
        for t in spec.feature_tables
        if bool(t.reuse) is reused
    )


def _labels(spec: ModelSpec) -> Step:
    return Step(
        "labels",
        label_table.build,
        label_table.measure,
        TableHandle,
        _sources(spec.label.sources),
        ("delta", "pyspark"),
        spec.label.table,
    )


def _training_set(spec: ModelSpec) -> Step:
    return Step(
        "training_set",
        training_set.build,
        training_set.measure,
        TableHandle,
        (*_looked_up(spec), "labels"),
        ("delta", "duckdb"),
        spec.training_set,
    )


_TRAINED_MODEL = Step(
    "trained_model",
    train_model.build,
    train_model.measure,
    RunHandle,
    ("training_set",),
    ("mlflow", "python"),
)
_MODEL_VERSION = Step(
    "model_version",
    register_version.build,
    register_version.measure,
    VersionHandle,
    ("trained_model",),
    ("mlflow",),
)


def _predictions(spec: ModelSpec) -> Step:
    return Step(
        "predictions",
        predict.build,
        predict.measure,
        PredictionsHandle,
        ("model_version", *_looked_up(spec), *_sources(spec.scoring.sources)),
        ("delta", "duckdb"),
        spec.scoring.table,
    )


def _looked_up(spec: ModelSpec) -> tuple[str, ...]:
    return tuple(f"features/{t.name}" for t in spec.feature_tables)


def _not_ours(spec: ModelSpec, platform: Platform, inputs: Inputs) -> Prepared:  # noqa: ARG001
    owner = "/".join(asset_path(spec, inputs.asset))
    message = f"{inputs.asset} of {spec.name} is made as {owner}"
    raise AssertionError(message)


def _sources(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"sources/{name}" for name in names)
