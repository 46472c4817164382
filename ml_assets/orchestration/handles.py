"""Handles between assets, read from the event log.

What a step leaves for the next one (table versions, run ids, model versions) is the metadata of its
latest materialization. It is read from there on demand, not through Dagster inputs, because

- the same call serves a whole run, a downstream-only run and a re-execution from failure;
- an op that only executes checks needs no upstream handle, while Dagster would load every input;
- a missing upstream can be answered with a sentence that names the asset to materialize.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import dagster as dg

from ml_assets.orchestration.jobs import who_makes
from ml_assets.orchestration.names import asset_key
from ml_assets.spec.model import ModelSpec
from ml_assets.steps.handles import Handle
from ml_assets.steps.recipe import Recipe

H = TypeVar("H", bound=Handle)


class HandleError(dg.Failure):
    """An upstream asset has no usable handle; says which asset to materialize first."""

    def __init__(self, key: dg.AssetKey, why: str, hint: str = "") -> None:
        name = key.to_user_string()
        super().__init__(
            description=f"{name} {why}. Materialize {name} first{hint}.",
            metadata={"missing": dg.MetadataValue.asset(key)},
            allow_retries=False,
        )


def latest_handle(instance: dg.DagsterInstance, key: dg.AssetKey, kind: type[H]) -> H | None:
    """Rebuild the handle of the latest materialization; None when there was none.

    Raises
    ------
    HandleError
        When the latest materialization carries no handle of this kind, as one that was reported
        by hand in the UI.
    """
    metadata = latest_metadata(instance, key)
    if metadata is None:
        return None
    try:
        return kind.from_metadata(metadata)
    except KeyError as error:
        why = f"was materialized by something else than ml_assets (its metadata has no {error})"
        raise HandleError(key, why) from error


def require_handle(
    instance: dg.DagsterInstance, key: dg.AssetKey, kind: type[H], hint: str = ""
) -> H:
    """Rebuild the handle of the latest materialization; ``hint`` says who else makes it.

    Raises
    ------
    HandleError
        When there is no materialization, or one without a handle.
    """
    handle = latest_handle(instance, key, kind)
    if handle is None:
        raise HandleError(key, "was never materialized", hint)
    return handle


def upstream_handles(
    instance: dg.DagsterInstance, spec: ModelSpec, recipe: Recipe, names: Iterable[str]
) -> dict[str, Handle]:
    """Read the handles of inputs that a model makes; tables that somebody else fills have none.

    Raises
    ------
    HandleError
        When an input was never materialized; it says which job makes it.
    """
    made = recipe.known(spec)
    return {
        name: require_handle(
            instance, asset_key(spec, name), made[name].handle, who_makes(spec, name)
        )
        for name in names
        if name in made
    }


def latest_metadata(instance: dg.DagsterInstance, key: dg.AssetKey) -> Mapping[str, Any] | None:
    """Plain values of the latest materialization's metadata; None when there was none."""
    event = instance.get_latest_materialization_event(key)
    if event is None or event.asset_materialization is None:
        return None
    return {name: value.value for name, value in event.asset_materialization.metadata.items()}
