"""The fields of ``ml_assets.yaml``."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, model_validator

from ml_assets.orchestration.settings.compute import Compute, Id
from ml_assets.spec.base import Declared, Duration, Identifier
from ml_assets.spec.wording import refusal, refuse

#: What a person may try to write into the file, and what it is set by instead.
_SECRETS = {
    "token": "DATABRICKS_TOKEN",
    "client_secret": "DATABRICKS_CLIENT_SECRET",
    "password": "DATABRICKS_PASSWORD",
    "azure_client_secret": "ARM_CLIENT_SECRET",
}
#: Fields that sensors and observed sources use; job runs do not.
_NOT_OF_JOB_RUNS = {"observe_every"}


def _above_zero(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise refusal("0 seconds", expected="a duration above zero", fix="write a longer one")
    return value


Time = Annotated[Duration, AfterValidator(_above_zero)]


class Permission(Declared):
    """Who, besides the identity that submits it, may see or stop a job run."""

    principal: str = Field(examples=["ml-team"])
    """Email of a user, name of a group, or application id of a service principal."""
    kind: Literal["user", "group", "service_principal"] | None = None
    """What the principal is; a group when nothing is said."""
    level: Literal["CAN_VIEW", "CAN_MANAGE_RUN", "CAN_MANAGE"] | None = None
    """What it may do with the job run; look at it when nothing is said."""


class DatabricksSettings(Declared):
    """Where on Databricks things run. What is None has the default of ``DatabricksResource``."""

    catalog: Identifier = Field(examples=["main"])
    """Catalog of the volume; the tables' own catalogs stand in the declarations of the models."""
    schema_: Identifier = Field(alias="schema", examples=["ml_assets"])
    """Schema of the volume."""
    volume: Annotated[str, Field(pattern=r"^(/.+|[A-Za-z_][A-Za-z0-9_]*)$")] = "jobs"
    """Volume for the wheel and the messages of job runs; or its full path, /Volumes/…"""
    warehouse_id: Id | None = Field(default=None, examples=["8a6f1c0b2d3e4f50"])
    """SQL warehouse that sensors and observed sources ask for table versions; they need one."""
    observe_every: Time = Field(default="15 minutes", validate_default=True)
    """How often a started sensor asks the warehouse; each time may start it and cost money."""
    sharing: Literal["per_model", "per_asset"] = "per_model"
    """One job run for all selected steps of a model (cheaper), or one for each."""
    compute: Compute = Field(default_factory=Compute)
    """What job runs compute on."""
    timeout: Time = Field(default="4 hours", validate_default=True)
    """A job run is ended after this long: a limit of its cost."""
    pending_deadline: Time = Field(default="30 minutes", validate_default=True)
    """A job run that has not started after this long is cancelled."""
    retry_deadline: Time = Field(default="5 minutes", validate_default=True)
    """How long the workspace may not answer before a step gives up and cancels its job run."""
    poll_interval: Time | None = Field(default=None, examples=["5 seconds"])
    """How often the state of a job run is asked for."""
    message_interval: Time | None = Field(default=None, examples=["5 seconds"])
    """How often the messages of a running job are read."""
    http_timeout: Time | None = Field(default=None, examples=["60 seconds"])
    """How long one request may take."""
    wheel: str | None = Field(default=None, examples=["dist/ml_assets-0.1.0-py3-none-any.whl"])
    """Wheel of the project on this machine; unset: built from the checkout."""
    dependencies: tuple[str, ...] | None = Field(default=None, examples=[["holidays>=0.50"]])
    """More requirements of pip for the job, on any compute."""
    permissions: tuple[Permission, ...] | None = None
    """Who else may see or stop job runs."""
    notify_on_failure: tuple[str, ...] | None = Field(default=None, examples=[["ml@example.com"]])
    """Who is written to when a job run fails."""
    host: str | None = Field(default=None, examples=["https://example.cloud.databricks.com"])
    """Address of the workspace; unset: DATABRICKS_HOST or the profile."""
    profile: str | None = Field(default=None, examples=["STAGING"])
    """Profile of ~/.databrickscfg; unset: the environment variables decide."""
    token_variable: str | None = Field(default=None, examples=["STAGING_TOKEN"])
    """Environment variable that holds an access token, when it is not DATABRICKS_TOKEN."""

    @model_validator(mode="before")
    @classmethod
    def _no_secrets(cls, data: Any) -> Any:
        if isinstance(data, dict):
            # The value is not shown: it may be the secret itself.
            refuse(cls.__name__, [((name,), _secret(name)) for name in data if name in _SECRETS])
        return data

    @property
    def volume_path(self) -> str:
        """The folder that jobs and Dagster exchange files in.

        >>> DatabricksSettings(catalog="main", schema="ml_assets").volume_path
        '/Volumes/main/ml_assets/jobs'
        """
        if self.volume.startswith("/"):
            return self.volume.rstrip("/")
        return f"/Volumes/{self.catalog}/{self.schema_}/{self.volume}"

    @property
    def volume_name(self) -> str | None:
        """The volume's three-level name; None when ``volume`` is a path that has none.

        >>> DatabricksSettings(catalog="main", schema="ml_assets", volume="/mnt/x").volume_name
        """
        parts = self.volume_path.split("/")
        is_name = parts[1] == "Volumes" and len(parts) == 5  # noqa: PLR2004 - "", Volumes and three
        return ".".join(parts[2:]) if is_name else None

    def resource_fields(self) -> dict[str, Any]:
        """What ``DatabricksResource`` is made from.

        >>> DatabricksSettings(catalog="main", schema="ml").resource_fields()["timeout_seconds"]
        14400
        """
        names = [n for n in type(self).model_fields if n not in _NOT_OF_JOB_RUNS]
        fields = {n: value for n in names if (value := getattr(self, n)) is not None}
        fields["schema_name"] = fields.pop("schema_")
        return dict(_field(name, value) for name, value in fields.items())


class Settings(Declared):
    """Everything in ``ml_assets.yaml``."""

    databricks: DatabricksSettings | None = None
    """The Databricks platform; not needed on the embedded one."""


def _field(name: str, value: Any) -> tuple[str, Any]:
    """Hand a field over in the resource's own terms: seconds, lists and mappings."""
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
        return f"{name}_seconds", int(seconds) if seconds == int(seconds) else seconds
    return name, _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_none=True)
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _secret(name: str) -> Any:
    return refusal(
        f"the field {name} (its value is not shown)",
        expected="no credentials in this file",
        fix=f"remove {name} and set the environment variable {_SECRETS[name]}; "
        "if it was a secret that others could read, replace it",
    )
