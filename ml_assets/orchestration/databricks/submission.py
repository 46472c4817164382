"""The request that starts a job run: one task, on the configured compute, with limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml_assets.orchestration.databricks.compute import ENVIRONMENT
from ml_assets.orchestration.databricks.errors import rejected

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

    from ml_assets.orchestration.databricks.calls import Calls
    from ml_assets.orchestration.databricks.resource import DatabricksResource
    from ml_assets.orchestration.databricks.session import SessionName
    from ml_assets.steps.work import Work

_TASK = "ml_assets"


@dataclass(frozen=True)
class Submission:
    """Sends the same request as often as it takes: the token makes sure that only one run starts.

    ``arguments`` are the Pipes bootstrap parameters; they name the session's folder and hold no secret.
    """

    resource: DatabricksResource
    work: Work
    name: SessionName
    wheel: str
    arguments: Mapping[str, str]

    def send(self, client: WorkspaceClient, calls: Calls) -> int:
        """Submit, and give the id of the job run: a new one, or the one that the token belongs to.

        Raises
        ------
        UnreachableError
            When no answer came; the job run may exist.
        WorkspaceError
            When the workspace refused the request: there is no job run.
        """
        from databricks.sdk.errors import NotFound, ResourceConflict

        where = "submitting the job run"
        request = self.request(client)
        try:
            answer = calls(where, lambda: client.jobs.submit(**request).bind())
        except (NotFound, ResourceConflict) as error:
            raise rejected(where, error) from error
        return int(answer["run_id"])

    def request(self, client: WorkspaceClient) -> dict[str, Any]:
        """Build the arguments of ``jobs.submit``."""
        from databricks.sdk.service import jobs

        chosen, extra = self.resource.compute, self.resource.dependencies
        environment = chosen.environment(self.wheel, extra)
        budget = chosen.serverless and chosen.serverless.budget_policy_id
        emails = self.resource.notify_on_failure
        environments = [jobs.JobEnvironment(ENVIRONMENT, environment)] if environment else None
        return {
            "run_name": run_name(self.work, self.name),
            "idempotency_token": self.name.token,
            "timeout_seconds": self.resource.timeout_seconds,
            "queue": jobs.QueueSettings(enabled=True),
            "tasks": [self._task(client)],
            "environments": environments,
            "budget_policy_id": budget or None,
            "access_control_list": [p.to_sdk() for p in self.resource.permissions] or None,
            "email_notifications": jobs.JobEmailNotifications(on_failure=emails)
            if emails
            else None,
        }

    def _task(self, client: WorkspaceClient) -> Any:
        from databricks.sdk.service import jobs

        interval = f"{self.resource.message_interval_seconds:g}"
        parameters = ["--message-seconds", interval]
        for option, value in self.arguments.items():
            parameters += [option, value]
        task = jobs.PythonWheelTask(
            package_name=self.resource.package_name,
            entry_point=self.resource.entry_point,
            parameters=parameters,
        )
        where = self.resource.compute.task_fields(
            self.wheel, self.resource.dependencies, cloud_of(client)
        )
        return attempted_once(task_key=_TASK, python_wheel_task=task, **where)


def attempted_once(**fields: Any) -> Any:
    """Describe a task that Databricks starts once, whatever becomes of it.

    Serverless "auto-optimization" is on by default, and starts a task that failed up to three times
    more: a red check would be paid four times. What is tried again, and when, Dagster decides. The
    API takes the two fields; the SDK knows them in later versions than the one that Dagster allows.
    """
    from databricks.sdk.service import jobs

    class Once(jobs.SubmitTask):
        def as_dict(self) -> dict[str, Any]:
            automatic = {"disable_auto_optimization": True} if self.environment_key else {}
            return {**super().as_dict(), "max_retries": 0, **automatic}

    return Once(**fields)


def run_name(work: Work, name: SessionName) -> str:
    """What Databricks' list of runs shows; tags do not exist there, so the Dagster run is in it."""
    assets = [task.asset for task in work.tasks]
    shown = ", ".join(assets[:3]) + (f" and {len(assets) - 3} more" if assets[3:] else "")
    return f"{work.spec.name}: {shown} (Dagster run {name.dagster_run}) {mark(name)}"


def mark(name: SessionName) -> str:
    """The end of a job run's name, by which it is found again."""
    return f"[{name.step}.{name.request}.{name.nonce}]"


def cloud_of(client: WorkspaceClient) -> str:
    """Which cloud the workspace is in, judged by its host's name."""
    config = client.config
    return "azure" if config.is_azure else "gcp" if config.is_gcp else "aws"
