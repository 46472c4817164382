"""Runs of the demo whose process is gone: they cannot say any more that they have ended.

A run that stays in progress for ever blocks the runs of its model in the queue, and makes the
sensor wait for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from ml_assets.orchestration.names import MODEL_TAG
from ml_assets.spec.errors import StorageError

#: ``<run id> <process id> <when that process was started>``. With the run's own id, because Dagster
#: copies the tags of a run to its re-executions, which run elsewhere.
PROCESS_TAG = "ml_assets/demo_process"
_UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_PROC = Path("/proc")


def process_tags(run_id: str) -> dict[str, str]:
    """Tag a run that this process executes itself."""
    pid = os.getpid()
    return {PROCESS_TAG: f"{run_id} {pid} {_birth(pid)}"}


def report_orphans(instance: dg.DagsterInstance) -> None:
    """Report the unfinished demo runs whose process is gone as failed."""
    for run, pid, alive in _unfinished(instance):
        if not alive:
            report_stopped(instance, run, f"its process {pid} is gone (killed, or power was lost)")


def report_stopped(instance: dg.DagsterInstance, run: dg.DagsterRun, why: str) -> None:
    """Report a run that will not go on as failed."""
    instance.report_run_failed(
        run,
        f"The demo was stopped: {why}. What it had published stays, and a step that was just "
        "publishing may have published. Run the demo again, or re-execute this run from failure.",
    )


def refuse_second(instance: dg.DagsterInstance, tag: str, model: str) -> None:
    """Let one demo of a model run at a time: a second one would continue with its versions.

    ``tag`` is the model as its runs are tagged.

    Raises
    ------
    StorageError
        When another process runs a demo of the model.
    """
    for run, pid, alive in _unfinished(instance):
        if alive and run.tags.get(MODEL_TAG) == tag:
            raise StorageError(
                f"demo of {model}",
                found=f"another one, which is still running: process {pid}, run {run.run_id}",
                expected="one run of a model at a time; they write the same tables",
                fix=f"wait until it has ended, or end it (kill {pid}); then start this one again",
            )


def _unfinished(instance: dg.DagsterInstance) -> Iterator[tuple[dg.DagsterRun, int, bool]]:
    """Every unfinished demo run, its process, and whether that is alive."""
    for run in instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED)):
        run_id, pid, birth = (run.tags.get(PROCESS_TAG, "").split(" ") + [""] * 3)[:3]
        if run_id == run.run_id:
            yield run, int(pid), _birth(int(pid)) == birth


def _birth(pid: int) -> str | None:
    """When a process was started, as the system counts; None when there is no such process.

    Empty where there is no /proc (macOS): then a process id that was given again is not noticed.
    """
    if not (_PROC / "self" / "stat").exists():
        return _birth_without_proc(pid)
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # proc(5): fields from the third on follow the name in parentheses; starttime is the 22nd.
    state, *others = text.rpartition(")")[2].split()
    return None if state in "ZX" else others[18]


def _birth_without_proc(pid: int) -> str | None:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:  # somebody else's
        return ""
    return ""
