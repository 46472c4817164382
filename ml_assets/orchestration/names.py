"""What things are called in Dagster: everything is derived from the model and the asset's name."""

from __future__ import annotations

import dagster as dg

from ml_assets.spec.model import ModelSpec
from ml_assets.spec.owners import asset_path

#: Tags that every asset, job and run of a model carries. Runs of one model are queued behind each
#: other by ``MODEL_TAG`` (see ``instance.py``).
PROJECT_TAG = "ml_assets/project"
MODEL_TAG = "ml_assets/model"
#: On runs that write feature tables: whose. Runs of a model and of its heirs wait for each other.
FEATURES_TAG = "ml_assets/writes_features_of"


def slug(spec: ModelSpec) -> str:
    """Name a model where Dagster allows letters, digits and underscores only."""
    return f"{spec.project}__{spec.model}"


def asset_key(spec: ModelSpec, asset: str) -> dg.AssetKey:
    """Turn an asset's name (``features/weather``) into its key under project and model.

    Of what the model reuses: under its owner's.
    """
    return dg.AssetKey(asset_path(spec, asset))


def asset_name(key: dg.AssetKey) -> str:
    """Turn a key back into the asset's name, without project and model."""
    return "/".join(key.path[2:])


def op_name(spec: ModelSpec, asset: str) -> str:
    """Name the op that builds or checks an asset; a step of a run is called like its op."""
    return step_key(asset_key(spec, asset))


def step_key(key: dg.AssetKey) -> str:
    """Name the step of a run that builds or checks the asset of a key."""
    return "__".join(key.path)


def model_tags(spec: ModelSpec) -> dict[str, str]:
    """Tag everything that belongs to a model."""
    return {PROJECT_TAG: spec.project, MODEL_TAG: slug(spec)}
