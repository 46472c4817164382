"""One declared model as Dagster definitions."""

from __future__ import annotations

import dagster as dg

from ml_assets.orchestration.assets import build_assets
from ml_assets.orchestration.jobs import (
    build_job,
    build_refresh_job,
    build_schedule,
    build_with_reused_job,
    reused_assets,
)
from ml_assets.orchestration.resources import Sharing
from ml_assets.orchestration.sensor import build_sensor
from ml_assets.spec.model import ModelSpec
from ml_assets.steps.recipe import Recipe, default_recipe


def build_model_defs(
    spec: ModelSpec, recipe: Recipe | None = None, sharing: Sharing | None = None
) -> dg.Definitions:
    """Build the assets, checks, jobs, schedule and sensor of a model.

    The definitions need the resources of ``default_resources``. ``recipe`` replaces the steps and
    rules, for trying out orchestration alone. ``sharing`` says how Databricks job runs are shared;
    None does the steps in this process.
    """
    recipe = recipe or default_recipe()
    job, refresh = build_job(spec, recipe), build_refresh_job(spec, recipe)
    first = [build_with_reused_job(spec, recipe)] if reused_assets(spec) else []
    return dg.Definitions(
        assets=build_assets(spec, recipe, sharing),
        jobs=[job, refresh, *first],
        schedules=[build_schedule(spec, job)],
        sensors=[build_sensor(spec, recipe, refresh)],
    )
