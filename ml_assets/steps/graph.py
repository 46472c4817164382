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
    sources = tuple(
        Step(f"sources/{name}", seed_source.build, None, TableHandle, (), ("delta",), source.table)
        for name, source in spec.sources.items()
        if source.seed and not source.reuse
    )
    features = tuple(
        Step(
            f"features/{t.name}",
            clean_features.build,
            clean_features.measure,
            TableHandle,
            _sources(t.sources),
            ("delta", "pyspark"),
            t.table,
        )
        for t in spec.feature_tables
        if not t.reuse
    )
    looked_up = tuple(f"features/{t.name}" for t in spec.feature_tables)
    return (
        *sources,
        *features,
        Step(
            "labels",
            label_table.build,
            label_table.measure,
            TableHandle,
            _sources(spec.label.sources),
            ("delta", "pyspark"),
            spec.label.table,
        ),
        Step(
            "training_set",
            training_set.build,
            training_set.measure,
            TableHandle,
            (*looked_up, "labels"),
            ("delta", "duckdb"),
            spec.training_set,
        ),
        Step(
            "trained_model",
            train_model.build,
            train_model.measure,
            RunHandle,
            ("training_set",),
            ("mlflow", "python"),
        ),
        Step(
            "model_version",
            register_version.build,
            register_version.measure,
            VersionHandle,
            ("trained_model",),
            ("mlflow",),
        ),
        Step(
            "predictions",
            predict.build,
            predict.measure,
            PredictionsHandle,
            ("model_version", *looked_up, *_sources(spec.scoring.sources)),
            ("delta", "duckdb"),
            spec.scoring.table,
        ),
    )


def reused_by(spec: ModelSpec) -> tuple[Step, ...]:
    """List what another model makes and this one stands on: to read handles by, never to be done."""
    sources = tuple(
        Step(f"sources/{name}", _not_ours, None, TableHandle, (), ("delta",), source.table)
        for name, source in spec.sources.items()
        if source.seed and source.reuse
    )
    features = tuple(
        Step(f"features/{t.name}", _not_ours, None, TableHandle, (), ("delta", "pyspark"), t.table)
        for t in spec.feature_tables
        if t.reuse
    )
    return (*sources, *features)


def _not_ours(spec: ModelSpec, platform: Platform, inputs: Inputs) -> Prepared:  # noqa: ARG001
    owner = "/".join(asset_path(spec, inputs.asset))
    message = f"{inputs.asset} of {spec.name} is made as {owner}"
    raise AssertionError(message)


def _sources(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"sources/{name}" for name in names)
