"""What a re-execution from failure need not do again.

Dagster repeats whole steps, and on Databricks one step holds all assets of a model.
"""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
from dagster._core.storage.tags import RESUME_RETRY_TAG


def already_made(instance: dg.DagsterInstance, run: dg.DagsterRun) -> frozenset[dg.AssetKey]:
    """Find the assets that the runs which this one resumes have materialized.

    Empty when the run is no re-execution from failure.
    """
    found: set[dg.AssetKey] = set()
    for run_id in _resumed(instance, run):
        records = instance.get_records_for_run(
            run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION
        ).records
        found |= {r.asset_key for r in records if r.asset_key}
    return frozenset(found)


def _resumed(instance: dg.DagsterInstance, run: dg.DagsterRun | None) -> Iterator[str]:
    while run is not None and run.tags.get(RESUME_RETRY_TAG) == "true" and run.parent_run_id:
        yield run.parent_run_id
        run = instance.get_run_by_id(run.parent_run_id)
