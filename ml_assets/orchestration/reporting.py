"""Reports of tasks as Dagster's events: the same whether a laptop or a cluster did the task."""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import dagster as dg

from ml_assets.orchestration import metadata as md
from ml_assets.orchestration.checks import ChecksFailed, to_results
from ml_assets.orchestration.names import asset_key
from ml_assets.spec.model import ModelSpec
from ml_assets.steps.graph import Step
from ml_assets.steps.handles import Handle
from ml_assets.steps.work import Report
from ml_assets.steps.worker import stopping

Event = dg.MaterializeResult[Any] | dg.AssetCheckResult


@dataclass(frozen=True)
class Reporting:
    """Turns the reports of one step into events.

    ``first`` is metadata that every materialization and verdict shows before anything else, such
    as the address of the job run that did the task.
    """

    spec: ModelSpec
    step: Step
    first: Mapping[str, Any]

    def events(self, report: Report, checks: AbstractSet[str]) -> Iterator[Event]:
        """Yield the materialization, if there is one, and the verdicts of the selected checks."""
        handle = self.step.handle.from_metadata(report.handle) if report.handle else None
        if handle is not None:
            yield self._materialization(handle, report)
        measured = dict(report.measured)
        if report.build and not measured:
            measured = md.measured(handle)
        yield from to_results(report.verdicts, self.key, checks, {**self.first, **measured})

    def _materialization(self, handle: Handle, report: Report) -> dg.MaterializeResult[Any]:
        first = {name: md.to_value(name, value) for name, value in self.first.items()}
        if first:  # a cluster did it, and its step here says nothing of how long each asset took
            first["seconds"] = dg.MetadataValue.float(round(report.ended - report.started, 3))
        own = md.handle_metadata(handle)  # first, and not replaced by a detail of the same name
        details = md.details_metadata(report.details)
        return dg.MaterializeResult(
            asset_key=self.key,
            data_version=md.data_version(handle),
            metadata={
                **first,
                **own,
                **{name: value for name, value in details.items() if name not in own},
                **md.table_metadata(handle.to_metadata(), report.table),
                "spec_hash": self.spec.hash,
            },
        )

    @property
    def key(self) -> dg.AssetKey:
        """The asset's key."""
        return asset_key(self.spec, self.step.asset)


def checks_failed(report: Report, selected: AbstractSet[str]) -> ChecksFailed | None:
    """The failure that a report's red blocking checks are; None when there are none.

    Checks that were executed alone count only when they were selected.
    """
    reds = [v for v in stopping(report.verdicts) if report.build or v.check in selected]
    if not reds:
        return None
    dropped = report.build and report.handle is None
    consequence = "nothing was published" if dropped else "nothing downstream may run"
    return ChecksFailed(report.asset, reds, consequence)


def unpublished(report: Report) -> str:
    """Why a build published nothing although no check stops the run; empty when it published."""
    if not report.build or report.handle is not None or report.skipped or report.error:
        return ""
    red = [v.message for v in report.verdicts if not v.passed]
    return f"{report.asset} was not published: {' '.join(red)}"
