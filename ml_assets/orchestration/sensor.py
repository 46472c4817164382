"""The sensor of a model: new data in a feature table starts a refresh.

It asks for the versions of the tables (on a laptop the Delta logs, without an engine; on Databricks a
SQL warehouse) and keeps the last data version it has dealt with, by table, in its cursor. Commits
that change no data do not count.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dagster._core.storage.tags import ROOT_RUN_ID_TAG

from ml_assets.orchestration.handles import latest_metadata
from ml_assets.orchestration.jobs import check_keys, refreshed_assets
from ml_assets.orchestration.names import asset_key, model_tags, slug
from ml_assets.orchestration.resources import platform_name
from ml_assets.orchestration.statements import StillRunningError
from ml_assets.orchestration.versions import (
    TICK_PATIENCE,
    NoWarehouseError,
    TableVersions,
    look_every,
    open_versions,
)
from ml_assets.spec.base import duration_text
from ml_assets.spec.model import ModelSpec
from ml_assets.spec.tables import FeatureTable
from ml_assets.steps.recipe import Recipe

#: Commit property in which a step of ours leaves the Dagster run that wrote the version.
RUN_PROPERTY = "ml_assets.dagster_run_id"


def build_sensor(spec: ModelSpec, recipe: Recipe, job: Any) -> dg.SensorDefinition:
    """The model's sensor, stopped until the user starts it."""

    @dg.sensor(
        name=f"{slug(spec)}__sensor",
        job=job,
        minimum_interval_seconds=int(look_every().total_seconds()),
        default_status=dg.DefaultSensorStatus.STOPPED,
        description=_description(spec),
    )
    def watch(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        try:
            versions = open_versions(TICK_PATIENCE)
            return Tick(spec, recipe, context.instance, versions).evaluate(context.cursor)
        except (NoWarehouseError, StillRunningError) as error:
            return dg.SensorResult(skip_reason=str(error), cursor=context.cursor)

    return watch


def _description(spec: ModelSpec) -> str:
    about = (
        f"Starts a refresh of {spec.name} when a feature table has new data: one run for each "
        "new Delta version; versions that the training set already holds start none."
    )
    if platform_name() == "embedded":
        return about
    return (
        f"{about}\n\nIt looks every {duration_text(look_every())} (databricks.observe_every in "
        "ml_assets.yaml): a DESCRIBE HISTORY for each feature table on the SQL warehouse of "
        "databricks.warehouse_id, which starts the warehouse when it is stopped. **While this sensor "
        "is started, that costs money.**"
    )


@dataclass(frozen=True)
class Tick:
    """One evaluation: what is stored now, against what was dealt with before."""

    spec: ModelSpec
    recipe: Recipe
    instance: dg.DagsterInstance
    versions: TableVersions

    def evaluate(self, cursor: str | None) -> dg.SensorResult:
        """Decide whether to start a run, to wait, or to go on watching; always with the reason."""
        now = {t.table: self.versions.data_version(t.table) for t in self.spec.feature_tables}
        stored = {table: version for table, version in now.items() if version is not None}
        if cursor is None:
            first = f"First look: {_listed(stored) or 'no feature table exists yet'}. "
            return _skip(f"{first}New data from now on starts a run.", stored)
        before: dict[str, int] = json.loads(cursor)
        changed = {t: v for t, v in stored.items() if v != before.get(t)}
        if not changed:
            return _skip(f"No new data: {_listed(stored) or 'no feature table exists'}.", before)
        if waiting := self._waiting(changed, before):
            return _skip(waiting, before)
        return self._answer(changed, before)

    def _answer(self, changed: Mapping[str, int], before: Mapping[str, int]) -> dg.SensorResult:
        own = [table for table in self._tables(changed) if not table.reuse]
        observed = [self._observation(table) for table in own]
        after = {**before, **changed}
        new = {t: v for t, v in changed.items() if not self._consumed(t, v, before)}
        if not new:
            reason = f"The latest training set already holds {_listed(changed)}."
            return _skip(reason, after, observed)
        return dg.SensorResult(
            run_requests=[self._request(new)], asset_events=observed, cursor=_dump(after)
        )

    def _request(self, new: Mapping[str, int]) -> dg.RunRequest:
        changed = [f"features/{table.name}" for table in self._tables(new)]
        downstream = refreshed_assets(self.spec, self.recipe)
        return dg.RunRequest(
            # A table that was dropped and written anew counts from 0 again: the time tells apart.
            run_key=",".join(f"{t}@{v}:{self._committed_at(t, v)}" for t, v in new.items()),
            asset_selection=[asset_key(self.spec, asset) for asset in downstream],
            asset_check_keys=check_keys(self.spec, [*changed, *downstream], self.recipe),
            tags={**model_tags(self.spec), "ml_assets/new_data": _listed(new)},
        )

    def _observation(self, table: FeatureTable) -> dg.AssetObservation:
        version = self.versions.data_version(table.table)
        return dg.AssetObservation(
            asset_key(self.spec, f"features/{table.name}"),
            metadata={"dagster/table_name": table.table, "delta_version": version},
            tags={"dagster/data_version": str(version)},
        )

    def _waiting(self, changed: Mapping[str, int], before: Mapping[str, int]) -> str | None:
        """Say which run is still on its way to consume a version that it wrote itself."""
        for table, version in changed.items():
            writer = self._writer(table, version, before)
            if writer and any(map(self._will_consume, self._with_heirs(writer))):
                return (
                    f"{table} version {version} was written by run {writer.run_id}, which is still "
                    "in progress and will use it; looking again when it has ended."
                )
        return None

    def _writer(self, table: str, version: int, before: Mapping[str, int]) -> dg.DagsterRun | None:
        since = min(before.get(table, -1), version - 1)
        commits = [c for c in self.versions.commits_since(table, since) if c.is_data]
        run_id = commits[-1].info.get(RUN_PROPERTY) if commits else None
        return self.instance.get_run_by_id(run_id) if run_id else None

    def _with_heirs(self, run: dg.DagsterRun) -> list[dg.DagsterRun]:
        """The run, and those that re-execute it or one that it re-executes."""
        tags = {ROOT_RUN_ID_TAG: run.root_run_id or run.run_id}
        return [run, *self.instance.get_runs(filters=dg.RunsFilter(tags=tags))]

    def _will_consume(self, run: dg.DagsterRun) -> bool:
        """Whether an unfinished run has the training set among what it materializes."""
        if run.is_finished:
            return False
        wanted = asset_key(self.spec, "training_set")
        if run.asset_selection is not None:
            return wanted in run.asset_selection
        plan_id = run.execution_plan_snapshot_id
        plan = self.instance.get_execution_plan_snapshot(plan_id) if plan_id else None
        steps = [s for s in plan.steps if s.key in plan.step_keys_to_execute] if plan else []
        outputs = (output.properties for step in steps for output in step.outputs)
        return any(about is not None and about.asset_key == wanted for about in outputs)

    def _consumed(self, table: str, version: int, before: Mapping[str, int]) -> bool:
        recreated = version < before.get(table, -1)
        held = latest_metadata(self.instance, asset_key(self.spec, "training_set")) or {}
        inputs: Mapping[str, int] = held.get("inputs") or {}
        return not recreated and inputs.get(table, -1) >= version

    def _committed_at(self, table: str, version: int) -> int | str:
        commit = next(self.versions.commits_since(table, version - 1), None)
        return commit.info.get("timestamp", "") if commit else ""

    def _tables(self, names: Mapping[str, int]) -> list[FeatureTable]:
        return [table for table in self.spec.feature_tables if table.table in names]


def _skip(
    reason: str, cursor: Mapping[str, int], observed: list[dg.AssetObservation] | None = None
) -> dg.SensorResult:
    return dg.SensorResult(skip_reason=reason, cursor=_dump(cursor), asset_events=observed or [])


def _dump(versions: Mapping[str, int]) -> str:
    return json.dumps(dict(versions), sort_keys=True)


def _listed(versions: Mapping[str, int]) -> str:
    return ", ".join(f"{table} version {version}" for table, version in versions.items())
