"""Materialize a model's whole graph in this process, and say what came out."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME
from dagster._core.execution.api import execute_run
from dagster._core.remote_origin import RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.utils import make_new_run_id

from ml_assets.orchestration.demo.flushing import flushing_at_the_end
from ml_assets.orchestration.demo.progress import Progress
from ml_assets.orchestration.demo.show import show_summary
from ml_assets.orchestration.demo.stopping import lasting_writer, stopping_like_ctrl_c
from ml_assets.orchestration.instance import code_location, open_instance, prepare_dagster_home
from ml_assets.orchestration.names import MODEL_TAG
from ml_assets.orchestration.orphans import process_tags, refuse_second, report_stopped
from ml_assets.orchestration.resources import platform_name
from ml_assets.spec.errors import SpecError, did_you_mean

if TYPE_CHECKING:
    import dagster as dg
    from rich.console import Console

    from ml_assets.orchestration.demo.summary import RunSummary

INTERRUPTED = 130
#: Our own lines are enough on the terminal: Dagster's go into its event log only.
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_WIDTH = 140


def run_demo(definitions: dg.Definitions, model: str, home: Path) -> int:
    """Materialize and judge everything of a model.

    Returns
    -------
    0 when everything was stored and no blocking check failed, 1 when not, 130 after Ctrl-C, a termination (SIGTERM) or a
    closed terminal (SIGHUP).

    Raises
    ------
    MlAssetsError
        When there is no such model, the home cannot be written, or a demo of the model is running.
    """
    started = time.monotonic()
    job = find_job(definitions, model)
    folder = prepare_dagster_home(home)
    with (
        stopping_like_ctrl_c(),
        flushing_at_the_end(folder),
        open_instance() as instance,
    ):
        refuse_second(instance, job.run_tags[MODEL_TAG], model)
        job = with_what_is_missing(definitions, job, instance)
        with quiet(home / "logs") as (console, log_file):
            console.print(
                f"[bold]{model}[/] on the {platform_name()} platform, home {home}\n",
                highlight=False,
            )
            summary = _execute(instance, job, console)
            if summary.interrupted:
                return _interrupted(console, summary)
            show_summary(console, summary)
            _closing(console, time.monotonic() - started, log_file, good=summary.good)
            return 0 if summary.good else 1


def _execute(instance: dg.DagsterInstance, job: dg.JobDefinition, console: Console) -> RunSummary:
    run = create_run(instance, job)
    progress = Progress(console, steps_by_asset(job))
    instance.add_event_listener(run.run_id, progress)
    try:
        execute_run(InMemoryJob(job), run, instance)
    finally:
        now = instance.get_run_by_id(run.run_id)
        if now and not now.is_finished:  # it was stopped before or between the steps
            report_stopped(instance, now, "it was interrupted")
    return progress.summary(run.run_id)


def find_job(definitions: dg.Definitions, model: str) -> dg.JobDefinition:
    """Find the job that materializes everything of ``project/model``.

    Raises
    ------
    SpecError
        When no such model is declared.
    """
    keys = definitions.resolve_asset_graph().get_all_asset_keys()
    declared = sorted({"/".join(key.path[:2]) for key in keys if len(key.path) > 2})  # noqa: PLR2004
    if model not in declared:
        raise SpecError(
            f"model {model!r}",
            found="no declaration of that name",
            expected=f"one of {', '.join(declared) or 'none: nothing is declared'}",
            fix=f"write project/model as in defs.yaml{did_you_mean(model, declared)}",
        )
    return definitions.resolve_job_def(model.replace("/", "__"))


def with_what_is_missing(
    definitions: dg.Definitions, job: dg.JobDefinition, instance: dg.DagsterInstance
) -> dg.JobDefinition:
    """Take the job that also makes what the model reuses, when some of that was never made."""
    name = f"{job.name}__with_reused"
    if name not in {other.name for other in definitions.jobs or ()}:
        return job
    whole = definitions.resolve_job_def(name)
    reused = set(graph_order(whole)) - set(graph_order(job))
    made = all(instance.get_latest_materialization_event(key) for key in reused)
    return job if made else whole


def graph_order(job: dg.JobDefinition) -> list[dg.AssetKey]:
    """Keys of the assets that a job materializes, each after the ones it stands on."""
    layer = job.asset_layer
    order = [
        key for keys in layer.asset_graph.toposorted_asset_keys_by_level for key in sorted(keys)
    ]
    return [key for key in order if key in layer.selected_asset_keys]


def steps_by_asset(job: dg.JobDefinition) -> dict[dg.AssetKey, str]:
    """The assets of a job in graph order, each with the key of the step that makes it."""
    node_of = job.asset_layer.asset_graph.assets_def_for_key
    return {key: node_of(key).op.name for key in graph_order(job)}


def create_run(instance: dg.DagsterInstance, job: dg.JobDefinition) -> dg.DagsterRun:
    """Create a run that the UI knows as one of its code location: it can re-execute it.

    That is what ``execute_in_process`` leaves out.
    """
    run_id = make_new_run_id()
    (location,) = code_location().create_origins()
    repository = RemoteRepositoryOrigin(location, SINGLETON_REPOSITORY_NAME)
    return instance.create_run_for_job(
        job,
        run_id=run_id,
        run_config=_QUIET,
        tags={**job.run_tags, **process_tags(run_id)},
        remote_job_origin=RemoteJobOrigin(repository, job.name),
    )


@contextlib.contextmanager
def quiet(folder: Path) -> Iterator[tuple[Console, Path]]:
    """Keep the terminal for our own lines: what libraries print goes into a file.

    The file descriptors are redirected, not ``sys.stdout``: engines write to them, and Dagster,
    which keeps a copy for the run's page, looks there.
    """
    from rich.console import Console

    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"demo-{time.strftime('%Y%m%d-%H%M%S')}.log"
    kept = _duplicates()
    terminal = lasting_writer(os.dup(kept[0]))
    width = None if terminal.isatty() else _WIDTH
    try:
        with file.open("ab") as log, terminal:
            _redirect((log.fileno(), log.fileno()))
            yield Console(file=terminal, width=width), file
    finally:
        _redirect(kept)
        for descriptor in kept:
            os.close(descriptor)


def _duplicates() -> tuple[int, int]:
    return os.dup(1), os.dup(2)


def _redirect(targets: tuple[int, int]) -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    for descriptor, target in zip((1, 2), targets, strict=True):
        os.dup2(target, descriptor)


def _interrupted(console: Console, summary: RunSummary) -> int:
    stored = [line for line in summary.assets if line.state == "stored"]
    console.print("\n[bold yellow]Stopped.[/] What was published before stays.", highlight=False)
    for line in stored:
        console.print(f"  kept: {line.asset}, {line.where} version {line.version}", highlight=False)
    console.print(
        "A step that was just publishing may have published. Nothing has to be cleaned up: run it "
        "again, or re-execute the run from failure in the UI, to continue."
    )
    return INTERRUPTED


def _closing(console: Console, seconds: float, log_file: Path, *, good: bool) -> None:
    verdict = "[bold green]Everything passed[/]" if good else "[bold red]Not everything passed[/]"
    console.print(
        f"\n{verdict} in {seconds:.1f} s. What the libraries printed: {log_file}", highlight=False
    )
    console.print("Look at it in the Dagster UI: [bold]make ui[/]", highlight=False)
