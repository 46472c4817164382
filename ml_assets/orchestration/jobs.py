"""Jobs and the schedule of a model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import dagster as dg

from ml_assets.orchestration.names import FEATURES_TAG, asset_key, model_tags, slug
from ml_assets.spec.model import ModelSpec
from ml_assets.spec.owners import asset_path, is_reused
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


def with_reused_job_name(spec: ModelSpec) -> str:
    """Name the job that also materializes what the model reuses from others."""
    return f"{slug(spec)}__with_reused"


def who_makes(spec: ModelSpec, asset: str) -> str:
    """Say which job makes an asset of another model, in the words of an error; else nothing."""
    if not is_reused(spec, asset):
        return ""
    return f"; it is its owner's, and the job {with_reused_job_name(spec)} makes it too"


def reused_assets(spec: ModelSpec) -> tuple[str, ...]:
    """The assets of other models that this one stands on."""
    tables = [f"features/{t.name}" for t in spec.feature_tables if t.reuse]
    return (*tables, *(f"sources/{name}" for name, source in spec.sources.items() if source.reuse))


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
        for rule in recipe.checks_for(spec, asset)
    ]


def build_job(spec: ModelSpec, recipe: Recipe) -> UnresolvedAssetJobDefinition:
    """The job that materializes and judges everything."""
    keys = [asset_key(spec, step.asset) for step in recipe.steps_of(spec)]
    return dg.define_asset_job(
        job_name(spec),
        selection=dg.AssetSelection.assets(*keys),
        description=f"Materialize and judge everything of {spec.name}.{_left_out(spec)}",
        tags={**model_tags(spec), FEATURES_TAG: slug(spec)},
        # One process and one Spark session for the whole run.
        executor_def=dg.in_process_executor,
    )


def _left_out(spec: ModelSpec) -> str:
    if not reused_assets(spec):
        return ""
    return f" What it reuses is made by its owner, or by the job {with_reused_job_name(spec)}."


def build_with_reused_job(spec: ModelSpec, recipe: Recipe) -> UnresolvedAssetJobDefinition:
    """The job that makes what the model reuses, too: the first run of a model that reuses.

    It holds the owner's feature tables and seeded sources, and nothing else of the owner.
    """
    reused = dg.AssetSelection.assets(*(asset_key(spec, a) for a in reused_assets(spec)))
    own = dg.AssetSelection.assets(*(asset_key(spec, s.asset) for s in recipe.steps_of(spec)))
    # Sources that somebody else fills are upstream, too, but nothing here materializes them.
    made = reused.upstream() & dg.AssetSelection.all()
    return dg.define_asset_job(
        with_reused_job_name(spec),
        selection=own | made,
        description=(
            f"Materialize and judge everything of {spec.name}, and before it what it reuses: "
            f"{', '.join('/'.join(asset_path(spec, a)) for a in reused_assets(spec))}. The other "
            "job leaves that to its owner."
        ),
        tags={**model_tags(spec), FEATURES_TAG: _first_owner(spec)},
        executor_def=dg.in_process_executor,
    )


def _first_owner(spec: ModelSpec) -> str:
    """Whose job this one waits for; a run has one such tag, so of several owners for the first's."""
    project, model, *_ = asset_path(spec, reused_assets(spec)[0])
    return f"{project}__{model}"


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
