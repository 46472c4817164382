"""What a run did, as plain values: read from Dagster's events, shown by ``show.py``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import dagster as dg

from ml_assets.orchestration.names import asset_name

_PLANS = {
    dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
    dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED,
    dg.DagsterEventType.ASSET_OBSERVATION,
}
#: How Dagster names a step that Ctrl-C ended: the second from its own signal handler.
_INTERRUPTS = {"KeyboardInterrupt", "DagsterExecutionInterruptedError"}


@dataclass(frozen=True)
class AssetLine:
    """One asset: what was stored, or that nothing was. ``seconds`` is None when it did not run."""

    asset: str
    state: str
    seconds: float | None
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rows(self) -> int | None:
        """Stored rows; None for what has none."""
        return self.values.get("dagster/row_count")

    @property
    def where(self) -> str:
        """Table, registered model or run that was written."""
        for name in ("dagster/table_name", "registered_model", "model_uri"):
            if name in self.values:
                return str(self.values[name])
        return ""

    @property
    def version(self) -> str:
        """Delta version or model version."""
        for name in ("delta_version", "model_version"):
            if name in self.values:
                return str(self.values[name])
        return ""


@dataclass(frozen=True)
class CheckLine:
    """One verdict. ``red`` is a failed check of severity ERROR."""

    asset: str
    check: str
    passed: bool
    red: bool
    text: str


@dataclass(frozen=True)
class RunSummary:
    """A finished run; ``interrupted`` when Ctrl-C or a termination ended it."""

    run_id: str
    success: bool
    seconds: float
    assets: tuple[AssetLine, ...]
    checks: tuple[CheckLine, ...]
    errors: Mapping[str, str]
    interrupted: bool = False

    @property
    def red(self) -> tuple[CheckLine, ...]:
        """The failed checks of severity ERROR."""
        return tuple(check for check in self.checks if check.red)

    @property
    def good(self) -> bool:
        """Whether the run succeeded and no check of severity ERROR failed."""
        return self.success and not self.red

    def values_of(self, asset: str) -> Mapping[str, Any]:
        """Plain metadata of an asset that the run materialized."""
        return next((line.values for line in self.assets if line.asset == asset), {})


def summarize(
    steps: Mapping[dg.AssetKey, str], run_id: str, log: Sequence[dg.EventLogEntry]
) -> RunSummary:
    """Read the log of a run.

    Parameters
    ----------
    steps
        The assets of the model in graph order, each with the key of the step that makes it.
    run_id
        Dagster's id of the run.
    log
        Everything that Dagster recorded of the run, in order.
    """
    events = [_Event(entry.timestamp, entry.dagster_event) for entry in log if entry.dagster_event]
    own = {
        key: [e for e in events if e.what.step_key == step and _happened(e.what, key)]
        for key, step in steps.items()
    }
    failures = {asset_name(key): _error(found) for key, found in own.items()}
    return RunSummary(
        run_id=run_id,
        success=any(e.what.event_type == dg.DagsterEventType.PIPELINE_SUCCESS for e in events),
        seconds=events[-1].at - events[0].at if events else 0.0,
        assets=tuple(_asset_line(key, found) for key, found in own.items()),
        checks=tuple(line for found in own.values() for line in _check_lines(found)),
        errors={name: error for name, error in failures.items() if error},
        interrupted=any(_was_interrupted(e.what) for e in events),
    )


class _Event(NamedTuple):
    at: float
    what: dg.DagsterEvent


def asset_of(event: dg.DagsterEvent) -> dg.AssetKey | None:
    """The asset that was stored or judged; None for everything else that happens in a step."""
    if event.is_step_materialization:
        return event.asset_key
    if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        return event.asset_check_evaluation_data.asset_key
    return None


def _happened(event: dg.DagsterEvent, key: dg.AssetKey) -> bool:
    """Leave out what Dagster only planned, and what a step did for other assets."""
    return event.event_type not in _PLANS and asset_of(event) in {None, key}


def _was_interrupted(event: dg.DagsterEvent) -> bool:
    error = event.step_failure_data.error if event.is_step_failure else None
    return error is not None and error.cls_name in _INTERRUPTS


def _asset_line(key: dg.AssetKey, events: Sequence[_Event]) -> AssetLine:
    state, values = "not started", {}
    for _, event in events:
        if event.is_step_failure and state != "stored":
            state = "stopped" if _was_interrupted(event) else "failed"
        elif event.is_step_skipped:
            state = "skipped"
        elif event.is_step_start:
            state = "not published"
        elif event.is_step_materialization:
            state = "stored"
            metadata = event.step_materialization_data.materialization.metadata
            values = {name: value.value for name, value in metadata.items()}
    started = next((at for at, event in events if event.is_step_start), None)
    seconds = events[-1].at - started if started is not None else None
    told = values.get("seconds")
    if isinstance(told, (int, float)):  # a cluster did it, in a job run that it shared with others
        seconds = told
    return AssetLine(asset_name(key), state, seconds, values)


def _check_lines(events: Sequence[_Event]) -> list[CheckLine]:
    found = [
        event.asset_check_evaluation_data
        for _, event in events
        if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ]
    return [
        CheckLine(
            asset=asset_name(evaluation.asset_key),
            check=evaluation.check_name,
            passed=evaluation.passed,
            red=not evaluation.passed and evaluation.severity == dg.AssetCheckSeverity.ERROR,
            text=evaluation.description or "",
        )
        for evaluation in found
    ]


def _error(events: Sequence[_Event]) -> str:
    """The message of a failed step, without the stack trace; of the cause where there is one."""
    for _, event in events:
        if event.is_step_failure:
            user = event.step_failure_data.user_failure_data
            if user and user.description:
                return user.description
            error = event.step_failure_data.error
            cause = error.cause if error and error.cause else error
            return cause.message.strip() if cause else "failed"
    return ""
