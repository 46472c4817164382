"""Assets: one op for each step, which builds the asset and judges it, or only judges it."""

import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from ml_assets.orchestration.checks import check_specs
from ml_assets.orchestration.describe import describe_asset
from ml_assets.orchestration.names import asset_key, model_tags, op_name, slug
from ml_assets.orchestration.remote_run import RemoteRun
from ml_assets.orchestration.reporting import Event
from ml_assets.orchestration.resources import Sharing
from ml_assets.orchestration.step_run import StepRun
from ml_assets.orchestration.trace import code_version
from ml_assets.orchestration.versions import observed_version
from ml_assets.spec.model import ModelSpec
from ml_assets.spec.tables import Source
from ml_assets.steps.recipe import Recipe

if TYPE_CHECKING:
    from ml_assets.steps.graph import Step


def build_assets(
    spec: ModelSpec, recipe: Recipe, sharing: Sharing | None = None
) -> list[dg.AssetsDefinition]:
    """Every asset of a model: the steps, and the sources that somebody else fills.

    ``sharing`` None does the steps in this process. Otherwise Databricks job runs do them: one for
    all assets of the model that a run selects, or one for each.
    """
    steps = recipe.steps_of(spec)
    ours = {step.asset for step in steps}
    external = [
        _observed_source(spec, name, source)
        for name, source in spec.sources.items()
        if f"sources/{name}" not in ours and not source.reuse
    ]
    if sharing == "per_model":
        # Another name than the job's: Dagster keeps both in one list.
        return [*external, _remote_assets(spec, steps, recipe, f"{slug(spec)}__on_databricks")]
    if sharing == "per_asset":
        one = [_remote_assets(spec, [s], recipe, op_name(spec, s.asset)) for s in steps]
        return [*external, *one]
    return [*external, *(_step_asset(spec, step, recipe) for step in steps)]


def _step_asset(spec: ModelSpec, step: "Step", recipe: Recipe) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name=op_name(spec, step.asset),
        # Skippable: an asset whose rules refuse it is not materialized; the op ends without it.
        specs=[_asset_spec(spec, step)],
        check_specs=check_specs(spec, step.asset, recipe),
        # A subset of nothing but checks measures what is stored, without building.
        can_subset=True,
        required_resource_keys={"platform"},
    )
    def run_step(context: dg.AssetExecutionContext) -> Iterator[Event]:
        yield from StepRun(context, spec, step, recipe).events()

    return run_step


def _remote_assets(
    spec: ModelSpec, steps: "Sequence[Step]", recipe: Recipe, name: str
) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name=name,
        specs=[_asset_spec(spec, step).replace_attributes(kinds=_there(step)) for step in steps],
        check_specs=[c for step in steps for c in check_specs(spec, step.asset, recipe)],
        can_subset=True,
        required_resource_keys={"databricks"},
    )
    def run_on_databricks(context: dg.AssetExecutionContext) -> Iterator[Event]:
        yield from RemoteRun(context, spec, steps, recipe).events()

    return run_on_databricks


def _there(step: "Step") -> set[str]:
    """What a step's asset is made with on Databricks, where no DuckDB joins."""
    return {kind for kind in step.kinds if kind != "duckdb"} | {"databricks"}


def _asset_spec(spec: ModelSpec, step: "Step") -> dg.AssetSpec:
    metadata: dict[str, Any] = {"spec_hash": spec.hash}
    if step.table:
        metadata["dagster/table_name"] = step.table
    if step.asset == "model_version":
        metadata["ml_assets/registered_model"] = spec.registered_model
    return dg.AssetSpec(
        asset_key(spec, step.asset),
        deps=[asset_key(spec, name) for name in step.depends_on],
        description=describe_asset(spec, step.asset),
        owners=list(spec.owners),
        kinds=set(step.kinds),
        group_name=slug(spec),
        tags=model_tags(spec),
        metadata=metadata,
        code_version=code_version(spec),
        skippable=True,
    )


def _observed_source(spec: ModelSpec, name: str, source: Source) -> dg.AssetsDefinition:
    key = asset_key(spec, f"sources/{name}")
    about = dg.AssetSpec(
        key,
        description=describe_asset(spec, f"sources/{name}"),
        owners=list(spec.owners),
        kinds={"delta"},
        group_name=slug(spec),
        tags=model_tags(spec),
        metadata={"dagster/table_name": source.table},
    )

    def observe() -> Iterator[dg.ObserveResult]:
        yield dg.ObserveResult(asset_key=key, data_version=observed_version(source.table))

    with warnings.catch_warnings():
        # Marked beta since Dagster 1.8; nothing else lets the UI observe a source on demand.
        warnings.simplefilter("ignore", dg.BetaWarning)
        decorate = dg.multi_observable_source_asset(
            name=op_name(spec, f"sources/{name}"), specs=[about]
        )
        source_asset: dg.AssetsDefinition = decorate(observe)
    return source_asset
