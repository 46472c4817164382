"""What a job run costs beyond its work: no work at all, on an emulated workspace, against the process alone.

Everything else is the real thing: Dagster, the resource, the SDK, the project's wheel, Pipes, and
`ml_assets.remote` in a bare environment. The workspace answers at once, so this is what the project
itself adds; a real workspace adds its own start of compute.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import dagster as dg

from benchmarks.harness import ROOT, SCRATCH, Figure, Side, empty_folder

if TYPE_CHECKING:
    from pathlib import Path

    from ml_assets_tests.emulator.server import Emulator

FIGURES = (
    Figure(
        name="databricks overhead",
        title="a job run without work, asked every 0.2 s : its process alone",
        ours="databricks_overhead:ours",
        other="databricks_overhead:process_alone",
        target=2.0,
        kind="seconds beyond",
        rounds=3,
    ),
)
_SECONDS = 0.2
_RUNS = 3


def ours(scale: float) -> Side:  # noqa: ARG001 - a job run without work has one size
    """Materialize an asset that asks for nothing, after a first time that installs and uploads."""
    with empty_folder() as folder, _workspace(folder) as emulator:
        job = _job(emulator, folder)
        times = []
        with dg.DagsterInstance.ephemeral() as instance:
            for _ in range(1 + _RUNS):
                emulator.requests.clear()
                started = time.perf_counter()
                assert job.execute_in_process(instance=instance).success
                times.append(time.perf_counter() - started)
        asked = emulator.requests.count()
    return Side(statistics.median(times[1:]), rows=0, detail=f"{asked} REST calls")


def process_alone(scale: float) -> Side:  # noqa: ARG001 - as above
    """Start Python and end it."""
    times = []
    for _ in range(_RUNS):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        times.append(time.perf_counter() - started)
    return Side(statistics.median(times), rows=0)


@contextmanager
def _workspace(folder: "Path") -> Iterator["Emulator"]:
    from ml_assets_tests.emulator.environments import TaskEnvironments
    from ml_assets_tests.emulator.fixtures import VOLUME
    from ml_assets_tests.emulator.server import Emulator

    environments = TaskEnvironments(
        kept=SCRATCH / "task-environments",
        built=folder / "environments",
        constraints=ROOT / "constraints.txt",
    )
    emulator = Emulator(folder / "workspace", environments)
    emulator.unity.create_volume(VOLUME)
    emulator.jobs.task_variables["ML_ASSETS_TASK_PLATFORM"] = "embedded"
    emulator.start()
    try:
        yield emulator
    finally:
        emulator.stop()


def _job(emulator: "Emulator", folder: "Path") -> dg.JobDefinition:
    from ml_assets.orchestration.databricks.compute import Compute, Serverless
    from ml_assets.orchestration.databricks.resource import DatabricksResource
    from ml_assets_tests.emulator.fixtures import VOLUME

    os.environ |= {"DATABRICKS_TOKEN": emulator.token, "ML_ASSETS_HOME": str(folder / "home")}
    resource = DatabricksResource(
        host=emulator.host,
        catalog="main",
        schema_name="ml_assets",
        volume=emulator.unity.volume_path(VOLUME),
        # The steps' libraries are not needed for no work.
        compute=Compute(serverless=Serverless(dependencies=[])),
        poll_interval_seconds=_SECONDS,
        message_interval_seconds=_SECONDS,
    )
    return dg.Definitions(
        assets=[_asset_without_work()],
        jobs=[dg.define_asset_job("all")],
        resources={"databricks": resource},
        executor=dg.in_process_executor,
    ).resolve_job_def("all")


def _asset_without_work() -> dg.AssetsDefinition:
    from ml_assets.steps.work import Work
    from ml_assets_tests import tiny

    def nothing(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        with context.resources.databricks.launch(context, Work(tiny.spec(), ())) as job:
            assert list(job.reports()) == []
        yield dg.MaterializeResult()

    decorate = dg.multi_asset(
        specs=[dg.AssetSpec("nothing")], required_resource_keys={"databricks"}
    )
    made: dg.AssetsDefinition = decorate(nothing)
    return made
