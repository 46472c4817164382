"""What tests of job runs say again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from databricks.sdk.service import compute, jobs

from ml_assets_tests.emulator.fixtures import VOLUME
from ml_assets_tests.emulator.processes import wait_until
from ml_assets_tests.emulator.wheels import make_wheel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from databricks.sdk import WorkspaceClient

    from ml_assets_tests.emulator.server import Emulator


def upload_code(emulator: Emulator, code: str, *, needs: Sequence[str] = ()) -> str:
    """Put a wheel with this code (it has a ``main``) into the volume; give its path."""
    root = emulator.unity.volume_path(VOLUME)
    made = make_wheel(emulator.jobs.folder / "made", code, needs=needs)
    path = f"{root}/{made.name}"
    with made.open("rb") as content:
        emulator.client().files.upload(path, content, overwrite=True)
    return path


def submit(
    client: WorkspaceClient,
    wheel: str,
    *parameters: str,
    dependencies: Sequence[str] = (),
    task_fields: Mapping[str, Any] | None = None,
    **values: Any,
) -> int:
    """Submit the wheel's entry point on serverless compute; give the run's id.

    ``task_fields`` are fields of the task that this version of the SDK does not know.
    """

    class Task(jobs.SubmitTask):
        def as_dict(self) -> dict[str, Any]:
            return {**super().as_dict(), **(task_fields or {})}

    task = Task(
        task_key="main",
        environment_key="default",
        python_wheel_task=jobs.PythonWheelTask(
            package_name="small_job", entry_point="small_job", parameters=list(parameters)
        ),
    )
    spec = compute.Environment(environment_version="4", dependencies=[wheel, *dependencies])
    environment = jobs.JobEnvironment(environment_key="default", spec=spec)
    answer = client.jobs.submit(tasks=[task], environments=[environment], **values)
    return answer.bind()["run_id"]


def wait_for_end(client: WorkspaceClient, run_id: int, seconds: float = 30) -> jobs.Run:
    """Wait until the run has ended, and give it."""
    ended = {jobs.RunLifeCycleState.TERMINATED, jobs.RunLifeCycleState.INTERNAL_ERROR}
    wait_until(
        lambda: client.jobs.get_run(run_id).state.life_cycle_state in ended,
        seconds,
        f"run {run_id} to end",
    )
    return client.jobs.get_run(run_id)
