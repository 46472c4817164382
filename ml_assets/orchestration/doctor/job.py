"""``--run``: a job run that does nothing but say what is installed where the steps would run."""

from __future__ import annotations

import json
import logging
import secrets
import time
from typing import TYPE_CHECKING, Any, cast

from ml_assets.installed import MARK
from ml_assets.orchestration.doctor.result import Result, broken, fine
from ml_assets.platform.databricks.client import OLDEST, PACKAGE
from ml_assets.platform.embedded.warehouse import home_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    import dagster as dg

    from ml_assets.orchestration.databricks.job import Job
    from ml_assets.orchestration.databricks.resource import DatabricksResource
    from ml_assets.orchestration.doctor.workspace import Workspace

#: Versions that the steps are known to work with inside a job.
SUPPORTED = {
    "python": ">=3.11,<3.14",
    PACKAGE: f">={OLDEST}",
    "mlflow": ">=3.12,<4",  # stores scikit-learn's models with skops
    "pandas": ">=2,<3",
    "pyspark": ">=4,<5",
    "scikit-learn": ">=1.6,<2",
    "skops": ">=0.13",
    "xgboost": ">=2,<4",
}
ENTRY_POINT = "ml-assets-installed"
_TASK = "doctor"
#: Seconds that the job may take, once it has started.
_LONGEST = 1800


def job_run(workspace: Workspace) -> Result:
    """Submit the smallest job run there is, as the steps' are submitted, and read what it printed."""
    from ml_assets.orchestration.databricks.job import Job

    resource = workspace.resource
    client, calls = resource.workspace(1), resource.patience.calls(forgiving=False)
    request = _request(resource, client, _wheel_there(resource, client))
    answer: Any = calls("submitting the job run", lambda: client.jobs.submit(**request).response)
    log = cast("dg.DagsterLogManager", logging.getLogger(__name__))
    job = Job(int(answer.run_id), client, resource.patience, log)
    try:
        _wait(job)
    finally:
        job.cancel()
    if not job.status.succeeded:
        fix = "look at its page; what it waits for, or cannot install, is said there"
        return broken("job run", f"{job.url}: {job.status}\n{job.output()}".rstrip(), fix)
    return judged(job.output(), job.url)


def _wheel_there(resource: DatabricksResource, client: Any) -> str:
    from ml_assets.orchestration.databricks.volume import VolumeFiles
    from ml_assets.orchestration.databricks.wheel import find_wheel

    calls = resource.patience.calls(forgiving=False)
    files = VolumeFiles(client, calls, resource.volume_path)
    return find_wheel(resource.wheel, home_folder() / "wheels").upload(files)


def _request(resource: DatabricksResource, client: Any, wheel: str) -> dict[str, Any]:
    from databricks.sdk.service import jobs

    from ml_assets.orchestration.databricks.compute import ENVIRONMENT
    from ml_assets.orchestration.databricks.submission import attempted_once, cloud_of

    chosen, extra = resource.compute, resource.dependencies
    environment = chosen.environment(wheel, extra)
    task = attempted_once(
        task_key=_TASK,
        python_wheel_task=jobs.PythonWheelTask(resource.package_name, ENTRY_POINT),
        **chosen.task_fields(wheel, extra, cloud_of(client)),
    )
    return {
        "run_name": "ml-assets doctor",
        # A request that is sent again because its answer was lost starts no second run.
        "idempotency_token": secrets.token_hex(16),
        "timeout_seconds": min(_LONGEST, resource.timeout_seconds),
        "tasks": [task],
        "environments": [jobs.JobEnvironment(ENVIRONMENT, environment)] if environment else None,
    }


def _wait(job: Job) -> None:
    give_up = time.monotonic() + job.patience.pending + _LONGEST
    while not job.look().ended and time.monotonic() < give_up:
        time.sleep(job.patience.poll)


def versions_problem(found: Mapping[str, str]) -> list[str]:
    """Say which packages are missing, or not of a version that works.

    >>> versions_problem({"python": "3.12.3"})[0]
    'databricks-feature-engineering is missing (>=0.12.1)'
    """
    from packaging.specifiers import SpecifierSet

    problems = []
    for name, wanted in SUPPORTED.items():
        version = found.get(name)
        if name == "mlflow":
            version = version or found.get("mlflow-skinny")
        if version is None:
            problems.append(f"{name} is missing ({wanted})")
        elif not SpecifierSet(wanted).contains(version, prereleases=True):
            problems.append(f"{name} {version}, not {wanted}")
    return problems


def judged(log: str, url: str) -> Result:
    """Compare what the job printed with what is supported."""
    line = next((text for text in log.splitlines() if text.startswith(MARK)), None)
    if line is None:
        return broken("job run", f"{url} ended without a word", "look at its page")
    found = json.loads(line.removeprefix(MARK))
    listed = ", ".join(f"{name} {version}" for name, version in found.items())
    if problems := versions_problem(found):
        fix = "choose another ML runtime, or other dependencies in databricks.compute"
        return broken("job run", "\n".join([f"{url}: {listed}", *problems]), fix)
    return fine("job run", f"{url}: {listed}")
