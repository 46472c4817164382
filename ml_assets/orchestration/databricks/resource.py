"""The Databricks resource: where, on what and with which limits work is done."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import dagster as dg
from pydantic import Field

from ml_assets.orchestration.databricks.compute import Compute
from ml_assets.orchestration.databricks.connection import TOKEN_VARIABLE, connect
from ml_assets.orchestration.databricks.job import Patience
from ml_assets.spec.errors import SpecError
from ml_assets.steps.work import Work

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.jobs import JobAccessControlRequest

    from ml_assets.orchestration.databricks.job_run import JobRun

_HOUR = 3600
Level = Literal["CAN_VIEW", "CAN_MANAGE_RUN", "CAN_MANAGE"]


class Permission(dg.Config):
    """Who, besides the identity that submits it, may see or stop a job run."""

    principal: str = Field(description="A user's email, a group's name, or an application id.")
    kind: Literal["user", "group", "service_principal"] = Field(
        default="group", description="What the principal is."
    )
    level: Level = Field(default="CAN_VIEW", description="What it may do with the job run.")

    def to_sdk(self) -> "JobAccessControlRequest":
        """Say it to the API."""
        from databricks.sdk.service.jobs import JobAccessControlRequest, JobPermissionLevel

        field = "group_name" if self.kind == "group" else f"{self.kind}_name"
        level = JobPermissionLevel(self.level)
        return JobAccessControlRequest.from_dict(
            {field: self.principal, "permission_level": level.value}
        )


class DatabricksResource(dg.ConfigurableResource["DatabricksResource"]):
    """Does the work of an op in one one-time job run on Databricks.

    No field holds a secret: Dagster stores the configuration of resources in clear. Credentials are
    found by the Databricks SDK, or in the environment variable that ``token_variable`` names;
    ``token=dg.EnvVar("NAME")`` is another way to write that.

    Raises
    ------
    SpecError
        When a token is given as text.
    """

    #: What is installed and started in the job; tests replace them by a small stand-in.
    package_name: ClassVar[str] = "ml_assets"
    entry_point: ClassVar[str] = "ml-assets-remote"

    host: str = Field(
        default="",
        description="Address of the workspace, https://…; empty: DATABRICKS_HOST or the profile.",
    )
    profile: str = Field(
        default="",
        description="Profile in ~/.databrickscfg; empty: what the environment variables say.",
    )
    token_variable: str = Field(
        default=TOKEN_VARIABLE,
        description="Name of the environment variable that holds an access token. When it is the "
        "default, the SDK decides which of its usual ways applies.",
    )
    catalog: str = Field(description="Catalog of the volume for job runs.")
    schema_name: str = Field(description="Schema of the volume.")
    volume: str = Field(
        default="ml_assets",
        description="Volume for wheels, requests and messages; a full path /Volumes/… is taken as "
        "it is. The identity of Dagster and of the job run needs READ VOLUME and WRITE VOLUME.",
    )
    warehouse_id: str = Field(
        default="",
        description="SQL warehouse that sensors ask for table versions; job runs do not need it.",
    )
    compute: Compute = Field(
        default=Compute(), description="What job runs compute on; nothing: serverless."
    )
    sharing: Literal["per_model", "per_asset"] = Field(
        default="per_model",
        description="One job run for all selected assets of a model (cheaper), or one for each.",
    )
    timeout_seconds: int = Field(
        default=4 * _HOUR,
        gt=0,
        description="Seconds after which Databricks ends a job run: a limit of its cost.",
    )
    pending_deadline_seconds: float = Field(
        default=_HOUR / 2,
        gt=0,
        description="Seconds that a job run may wait for machines before it is cancelled.",
    )
    retry_deadline_seconds: float = Field(
        default=300,
        gt=0,
        description="Seconds for which the workspace may not answer (5xx, 429, 401 while a job "
        "runs) before a step gives up and cancels its job run.",
    )
    poll_interval_seconds: float = Field(
        default=5, gt=0, description="Seconds between two looks at the state of a job run."
    )
    message_interval_seconds: float = Field(
        default=5, gt=0, description="Seconds between two reads of a running job's messages."
    )
    http_timeout_seconds: float = Field(
        default=60, gt=0, description="Seconds that one REST request may take."
    )
    wheel: str = Field(
        default="",
        description="Path of a wheel of the project on this machine; empty: built from the checkout.",
    )
    dependencies: list[str] = Field(
        default=[], description="More pip requirements for the job, on any compute."
    )
    permissions: list[Permission] = Field(
        default=[], description="Who else may see or stop job runs."
    )
    notify_on_failure: list[str] = Field(
        default=[], description="Email addresses that Databricks writes to when a job run fails."
    )

    def __init__(self, **values: Any) -> None:
        if "token" in values:
            values["token_variable"] = _variable_of(values.pop("token"))
        super().__init__(**values)
        chosen = (
            self.compute.serverless or self.compute.existing_cluster or self.compute.new_cluster
        )
        _refuse_credentials([*self.dependencies, *(chosen.dependencies if chosen else [])])

    @property
    def volume_path(self) -> str:
        """The volume's folder, as REST calls and jobs know it."""
        if self.volume.startswith("/"):
            return self.volume.rstrip("/")
        return f"/Volumes/{self.catalog}/{self.schema_name}/{self.volume}"

    @property
    def patience(self) -> Patience:
        """How long what is waited for."""
        return Patience(
            poll=self.poll_interval_seconds,
            messages=self.message_interval_seconds,
            pending=self.pending_deadline_seconds,
            run=self.timeout_seconds,
            trouble=self.retry_deadline_seconds,
        )

    def workspace(self, retry_seconds: int | None = None) -> "WorkspaceClient":
        """Make a fresh client of the workspace; nothing is asked of it yet.

        ``retry_seconds``: how long the client itself repeats what may pass (lost connections, 429,
        503); None means ``retry_deadline_seconds``.

        Raises
        ------
        WorkspaceError
            When no host or no credentials are configured.
        """
        deadline = self.retry_deadline_seconds if retry_seconds is None else retry_seconds
        return connect(
            self.host,
            self.profile,
            self.token_variable,
            retry_seconds=max(1, int(deadline)),
            http_seconds=self.http_timeout_seconds,
        )

    @contextmanager
    def launch(
        self, context: dg.AssetExecutionContext, work: Work, whole: Work | None = None
    ) -> Iterator["JobRun"]:
        """Do the work in one job run: ``url`` and ``run_id`` are known, ``reports()`` waits for it.

        A job run that a killed process left behind, for the same work of this run or of one that it
        re-executes, is waited for instead of starting another; so is one that was asked for the
        ``whole`` of which the work is what Dagster does not know to be done: then there are reports
        of all of the whole. When the block is left before the job
        run has ended, by an error or a termination, it is cancelled.

        Raises
        ------
        WorkspaceError
            When the job run could not be started.
        WheelError
            When there is no wheel of the project.
        dagster.Failure
            From ``reports()``: when the job run did not do all of its work.
        """
        from ml_assets.orchestration.databricks.launch import Launcher

        with Launcher(self, context, work, whole).job_run() as job:
            yield job


def _refuse_credentials(dependencies: list[str]) -> None:
    """Dagster stores the list in clear, and so does the run's specification in Databricks."""
    for line in dependencies:
        if re.search(r"://[^/\s]*@", line):
            raise SpecError(
                "databricks.dependencies",
                found="an address with a user or a password in it",
                expected="requirements without credentials",
                fix="set the index up in the workspace (a default package repository, or pip.conf by a "
                "cluster policy), or put the wheel into the volume. Replace what was stored",
            )


def _variable_of(token: object) -> str:
    """Name the variable behind ``EnvVar("NAME")`` or ``{"env": "NAME"}``."""
    if isinstance(token, dg.EnvVar):
        return token.env_var_name
    if isinstance(token, dict) and set(token) == {"env"}:
        return str(token["env"])
    raise SpecError(
        "databricks.token",
        found="a text, which Dagster would store in clear",
        expected="no token at all, or the name of an environment variable",
        fix="remove it: the SDK reads DATABRICKS_TOKEN by itself; for another variable write "
        'token_variable: NAME, or token=dg.EnvVar("NAME"). Replace a token that was stored',
    )
