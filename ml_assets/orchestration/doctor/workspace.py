"""The Databricks workspace: whether it answers, and who it takes us for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ml_assets.orchestration.doctor.result import Result, broken, fine, said
from ml_assets.orchestration.settings import databricks_settings, settings_file, workspace_client
from ml_assets.spec.base import duration_text

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.iam import User

    from ml_assets.orchestration.databricks.resource import DatabricksResource
    from ml_assets.orchestration.settings.fields import DatabricksSettings

#: What Unity Catalog calls everybody.
EVERYBODY = "account users"


@dataclass(frozen=True)
class Workspace:
    """The settings, and what was found out with them; each is asked for once."""

    settings: DatabricksSettings

    @cached_property
    def client(self) -> WorkspaceClient:
        """A client of the workspace that the environment names."""
        return workspace_client(self.settings)

    @cached_property
    def resource(self) -> DatabricksResource:
        """What submits job runs."""
        from ml_assets.orchestration.databricks.resource import DatabricksResource

        return DatabricksResource(**self.settings.resource_fields())

    @cached_property
    def me(self) -> User:
        """Who the workspace takes us for."""
        return self.client.current_user.me()

    @property
    def name(self) -> str:
        """The name that grants are made to."""
        return self.me.user_name or self.me.id or ""

    @property
    def principals(self) -> frozenset[str]:
        """Ourselves and the groups that the workspace says we are in."""
        groups = {group.display or "" for group in self.me.groups or []}
        return frozenset({self.name, EVERYBODY, *groups} - {""})


def settings() -> Result:
    """The section ``databricks:`` of the settings is complete, and describes a compute that does."""
    from ml_assets.orchestration.databricks.resource import DatabricksResource

    found = databricks_settings()
    DatabricksResource(**found.resource_fields())  # refuses what cannot be seen field by field
    text = f"{settings_file()}: {found.compute.kind}, {found.sharing}"
    return fine("settings", f"{text}, at most {duration_text(found.timeout)}")


def reachable(workspace: Workspace) -> Result:
    """The workspace answers, whether or not it lets us in."""
    from databricks.sdk.errors.base import DatabricksError

    host = workspace.client.config.host or ""
    try:
        workspace.me  # noqa: B018 - asked for its effect
    except DatabricksError:
        return fine("workspace", f"{host} answers")
    except (OSError, TimeoutError) as error:
        text = said(error.__cause__ or error)
        return broken(
            "workspace",
            f"{host} does not answer: {text}",
            "check DATABRICKS_HOST, the network, and a proxy if there is one (HTTPS_PROXY)",
        )
    return fine("workspace", f"{host} answers")


def authenticated(workspace: Workspace) -> Result:
    """The workspace lets us in, and says who we are."""
    from databricks.sdk.errors.base import DatabricksError

    how = workspace.client.config.auth_type
    try:
        me = workspace.me
    except DatabricksError as error:
        fix = "renew the token or the secret; a service principal must have been added to the workspace"
        return broken("identity", f"refused ({how}): {said(error)}", fix)
    shown = me.display_name or workspace.name
    named = f"{shown} ({workspace.name})" if shown != workspace.name else shown
    return fine("identity", f"{named}, by {how}")
