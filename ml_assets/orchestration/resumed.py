"""What a re-execution from failure need not do again.

Dagster repeats whole steps, and on Databricks one step holds all assets of a model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg
from dagster._core.storage.tags import RESUME_RETRY_TAG

_MADE, _JUDGED = (
    dg.DagsterEventType.ASSET_MATERIALIZATION,
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
)


@dataclass(frozen=True)
class Done:
    """The assets that were materialized, and the checks that were judged."""

    assets: frozenset[dg.AssetKey]
    checks: frozenset[dg.AssetCheckKey]


def already_done(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Done:
    """Find what the runs that this one resumes have left in Dagster.

    Nothing when the run is no re-execution from failure.
    """
    events = [
        record.event_log_entry.get_dagster_event()
        for run_id in _resumed(instance, run)
        for record in instance.get_records_for_run(run_id, of_type={_MADE, _JUDGED}).records
    ]
    evaluations = [e.asset_check_evaluation_data for e in events if e.event_type is _JUDGED]
    return Done(
        frozenset(e.asset_key for e in events if e.event_type is _MADE and e.asset_key),
        frozenset(e.asset_check_key for e in evaluations),
    )


def _resumed(instance: dg.DagsterInstance, run: dg.DagsterRun | None) -> Iterator[str]:
    while run is not None and run.tags.get(RESUME_RETRY_TAG) == "true" and run.parent_run_id:
        yield run.parent_run_id
        run = instance.get_run_by_id(run.parent_run_id)
