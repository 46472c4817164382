"""Jobs and the schedule of a model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import dagster as dg

from ml_assets.orchestration.names import asset_key, model_tags, slug
from ml_assets.spec.model import ModelSpec
from ml_assets.steps.recipe import Recipe

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import (
        UnresolvedAssetJobDefinition,
    )


def job_name(spec: ModelSpec) -> str:
    """Name the job that materializes the whole graph."""
    return slug(spec)


def refresh_job_name(spec: ModelSpec) -> str:
    """Name the job that a changed feature table starts."""
    return f"{slug(spec)}__refresh"


def refreshed_assets(spec: ModelSpec, recipe: Recipe) -> tuple[str, ...]:
    """Everything that a new feature version makes stale: what stands on a feature table."""
    found: list[str] = []
    for step in recipe.steps_of(spec):
        if any(d.startswith("features/") or d in found for d in step.depends_on):
            found.append(step.asset)
    return tuple(found)


def check_keys(spec: ModelSpec, assets: Iterable[str], recipe: Recipe) -> list[dg.AssetCheckKey]:
    """Keys of all checks of some assets."""
    return [
        dg.AssetCheckKey(asset_key(spec, asset), rule.check)
        for asset in assets
        for rule in recipe.checks_for(asset)
    ]


def build_job(spec: ModelSpec, recipe: Recipe) -> UnresolvedAssetJobDefinition:
    """The job that materializes and judges everything."""
    keys = [asset_key(spec, step.asset) for step in recipe.steps_of(spec)]
    return dg.define_asset_job(
        job_name(spec),
        selection=dg.AssetSelection.assets(*keys),
        description=f"Materialize and judge everything of {spec.name}.",
        tags=model_tags(spec),
        # One process and one Spark session for the whole run.
        executor_def=dg.in_process_executor,
    )


def build_refresh_job(spec: ModelSpec, recipe: Recipe) -> UnresolvedAssetJobDefinition:
    """The job that measures the feature tables as they are, and rebuilds what stands on them."""
    downstream = refreshed_assets(spec, recipe)
    features = [f"features/{table.name}" for table in spec.feature_tables]
    selection = dg.AssetSelection.assets(*(asset_key(spec, a) for a in downstream))
    checks = check_keys(spec, [*features, *downstream], recipe)
    return dg.define_asset_job(
        refresh_job_name(spec),
        selection=selection | dg.AssetSelection.checks(*checks),
        description=(
            f"Check the feature tables of {spec.name} as they are stored, then rebuild "
            f"{', '.join(downstream)}. Started by the sensor when a feature table has new data."
        ),
        tags=model_tags(spec),
        executor_def=dg.in_process_executor,
    )


def build_schedule(spec: ModelSpec, job: UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    """The model's schedule (UTC), stopped until the user starts it."""
    return dg.ScheduleDefinition(
        name=f"{slug(spec)}__schedule",
        job=job,
        cron_schedule=spec.schedule,
        execution_timezone="UTC",
        description=f"Materialize everything of {spec.name} ({spec.schedule}, UTC).",
        default_status=dg.DefaultScheduleStatus.STOPPED,
    )
