"""Two assets whose work is done by the stand-in, in a job run on the emulator."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import dagster as dg
from dagster._core.errors import DagsterExecutionInterruptedError

from ml_assets.orchestration.databricks.compute import Compute, Serverless
from ml_assets.orchestration.databricks.resource import DatabricksResource
from ml_assets.steps.work import Task, Work
from ml_assets_tests import tiny
from ml_assets_tests.emulator.fixtures import VOLUME
from ml_assets_tests.emulator.wheels import make_wheel

if TYPE_CHECKING:
    from ml_assets_tests.emulator.server import Emulator

STAND_IN = Path(__file__).with_name("remote_stand_in.py")
ASSETS = ("one", "two")


class StandIn(DatabricksResource):
    """The resource, with a package that does nothing but answer."""

    package_name: ClassVar[str] = "small_job"
    entry_point: ClassVar[str] = "small_job"


def make_resource(emulator: "Emulator", folder: Path, **changes: Any) -> StandIn:
    """The resource with test intervals."""
    # Once: a zip file carries the time at which it was written.
    made = list(folder.glob("*.whl"))
    wheel = made[0] if made else make_wheel(folder, STAND_IN.read_text(), needs=["dagster-pipes"])
    catalog, schema, _ = VOLUME.split(".")
    usual: dict[str, Any] = {
        "host": emulator.host,
        "catalog": catalog,
        "schema_name": schema,
        "volume": emulator.unity.volume_path(VOLUME),
        "wheel": str(wheel),
        "compute": Compute(serverless=Serverless(dependencies=[])),
        "poll_interval_seconds": 0.1,
        "message_interval_seconds": 0.1,
        "retry_deadline_seconds": 3,
        "http_timeout_seconds": 2,
    }
    return StandIn(**{**usual, **changes})


def work_of(run_id: str, assets: tuple[str, ...] = ASSETS) -> Work:
    """Ask for the assets, built."""
    tasks = tuple(Task(asset, build=True) for asset in assets)
    return Work(tiny.spec(), tasks, trace={"dagster_run_id": run_id})


def make_definitions(
    resource: DatabricksResource, assets: tuple[str, ...] = ASSETS
) -> dg.Definitions:
    """One op that makes the assets on Databricks."""

    @dg.multi_asset(
        name="everything",
        specs=[dg.AssetSpec(name, skippable=True) for name in ASSETS],
        required_resource_keys={"databricks"},
        can_subset=True,
    )
    def everything(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        asked = tuple(os.environ.get("STAND_IN_ASSETS", "").split()) or assets
        whole = tuple(os.environ.get("STAND_IN_WHOLE", "").split())
        work = work_of(context.run.run_id, asked)
        of_all = work_of(context.run.run_id, whole) if whole else None
        with context.resources.databricks.launch(context, work, of_all) as job:
            for report in job.reports():
                if report.asset not in asked:
                    continue
                if report.error:
                    raise dg.Failure(report.error.message)
                metadata = {"url": job.url, **(report.handle or {})}
                yield dg.MaterializeResult(asset_key=report.asset, metadata=metadata)

    return dg.Definitions(
        assets=[everything],
        jobs=[dg.define_asset_job("all")],
        resources={"databricks": resource},
        executor=dg.in_process_executor,
    )


def stand_in_job() -> dg.JobDefinition:
    """Found by Dagster by name, also in a process of its own; Dagster keeps it between tests."""
    resource = StandIn(
        catalog="main",
        schema_name="ml_assets",
        volume=dg.EnvVar("STAND_IN_VOLUME"),
        wheel=dg.EnvVar("STAND_IN_WHEEL"),
        compute=Compute(serverless=Serverless(dependencies=[])),
        poll_interval_seconds=0.1,
        message_interval_seconds=0.1,
        retry_deadline_seconds=3,
    )
    return make_definitions(resource).resolve_job_def("all")


def launch_in_this_process(folder: str) -> None:
    """What a process that is going to be killed does: execute the job on a stored instance."""
    if os.environ.get("STORING_IS_INTERRUPTED"):
        dg.DagsterInstance.handle_new_event = _interrupted(dg.DagsterInstance.handle_new_event)
    with dg.DagsterInstance.from_config(folder) as instance:
        dg.execute_job(dg.reconstructable(stand_in_job), instance=instance)


#: With its traceback it keeps the op from being collected as garbage, and thereby closed.
KEPT: list[BaseException] = []


def _interrupted(handle: Any) -> Any:
    def interrupted(self: dg.DagsterInstance, event: Any, **options: Any) -> None:
        if event.dagster_event and event.dagster_event.is_step_materialization:
            KEPT.append(DagsterExecutionInterruptedError())
            raise KEPT[0]
        handle(self, event, **options)

    return interrupted


@dataclass
class Bench:
    """Runs the assets, and looks at what Dagster and the workspace know afterwards."""

    emulator: "Emulator"
    instance: dg.DagsterInstance
    folder: Path
    changes: dict[str, Any] = field(default_factory=dict)

    def behave(self, mode: str) -> None:
        """Say what jobs that start from now on do."""
        self.emulator.jobs.task_variables["STAND_IN"] = mode

    def run(self, assets: tuple[str, ...] = ASSETS, **changes: Any) -> dg.ExecuteInProcessResult:
        """Materialize both assets."""
        resource = make_resource(self.emulator, self.folder, **{**self.changes, **changes})
        job = make_definitions(resource, assets).resolve_job_def("all")
        return job.execute_in_process(instance=self.instance, raise_on_error=False)

    def variables(
        self, assets: tuple[str, ...] = ASSETS, whole: tuple[str, ...] = ()
    ) -> dict[str, str]:
        """What ``stand_in_job`` reads when it runs."""
        resource = make_resource(self.emulator, self.folder)
        return {
            "STAND_IN_VOLUME": resource.volume,
            "STAND_IN_WHEEL": resource.wheel,
            "STAND_IN_ASSETS": " ".join(assets),
            "STAND_IN_WHOLE": " ".join(whole),
        }

    @property
    def worked(self) -> list[str]:
        """What jobs worked on, each time."""
        file = Path(self.emulator.jobs.task_variables["WORKED"])
        return file.read_text().split() if file.exists() else []

    @property
    def materialized(self) -> set[str]:
        """Assets of which Dagster knows a materialization."""
        keys = [dg.AssetKey(name) for name in ASSETS]
        return {k.path[0] for k in keys if self.instance.get_latest_materialization_event(k)}

    @property
    def job_runs(self) -> list[str]:
        """How the job runs ended, by their states."""
        return [r.end.result if r.end else r.life for r in self.emulator.jobs.runs.values()]

    @property
    def sessions(self) -> list[str]:
        """Folders of sessions that are left in the volume."""
        folder = Path(self.emulator.unity.volume_path(VOLUME)) / "sessions"
        return [p.name for p in folder.iterdir()] if folder.is_dir() else []


def failure_of(result: dg.ExecuteInProcessResult) -> str:
    """What the run page shows as the reason."""
    assert not result.success
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            shown = data.user_failure_data.description if data.user_failure_data else None
            return shown or data.error_display_string
    raise AssertionError("no step failed")


def failure_metadata(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    """The links and texts beside the reason."""
    [event] = [e for e in result.all_events if e.is_step_failure]
    data = event.step_failure_data.user_failure_data
    return {name: value.value for name, value in data.metadata.items()} if data else {}


def only_pages(requests: list[Any]) -> list[str]:
    """What was asked, without what differs between two job runs: ``PUT /api/2.0/fs/files/sessions``."""
    found = []
    for request in requests:
        path = re.sub(r"/[^/]*tmp/.*/jobs/", "/", request.path)
        path = re.sub(r"/sessions/[^/]+(/context\.json)?$", "/sessions", path)
        path = re.sub(r"/wheels/.*", "/wheels", path)
        found.append(f"{request.method} {re.sub(r'/sessions/[^/]+/', '/sessions/', path)}")
    return found
