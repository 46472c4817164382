"""Open the registry and the runs of a declared model; no engine is started, on neither platform."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ml_assets.orchestration.resources import platform_name
from ml_assets.orchestration.trace import USER_VARIABLE, who
from ml_assets.spec.errors import DeclarationError, SpecError, did_you_mean
from ml_assets.spec.loader import load_spec
from ml_assets.steps.serving.moves import Desk

if TYPE_CHECKING:
    from ml_assets.orchestration.settings.fields import DatabricksSettings
    from ml_assets.spec.model import ModelSpec

DEFS = Path(__file__).parents[2] / "defs"


@dataclass(frozen=True)
class Opened:
    """A model's desk, and the name of the person before it."""

    desk: Desk
    who: str


def open_desk(model: str, folder: Path | None = None) -> Opened:
    """Open the registry of ``project/model``, declared in ``folder`` or under ``ml_assets/defs``.

    Raises
    ------
    SpecError
        When no such model is declared, or the platform does not exist.
    DeclarationError
        When its declaration, or the settings of Databricks, are wrong.
    WorkspaceError
        On Databricks: when no workspace or no credentials are configured.
    """
    spec = find_model(model, DEFS if folder is None else folder)
    if platform_name() == "databricks":
        return _databricks(spec)
    from ml_assets.platform.embedded import EmbeddedPlatform

    platform = EmbeddedPlatform()
    return Opened(Desk(spec, platform.registry, platform.tracking), who())


def find_model(model: str, folder: Path) -> ModelSpec:
    """Find the declaration of ``project/model`` in the ``defs.yaml`` files below a folder.

    Raises
    ------
    SpecError
        When none has that name. What is wrong with other declarations does not matter here, unless
        the model may be among them.
    """
    found: dict[str, ModelSpec] = {}
    broken: list[DeclarationError] = []
    for file in sorted(folder.rglob("defs.yaml")):
        try:
            spec = load_spec(file)
        except DeclarationError as error:
            broken.append(error)
        else:
            found[spec.name] = spec
    if model in found:
        return found[model]
    if broken and did_you_mean(model, found) == "":
        raise broken[0]
    raise SpecError(
        f"model {model!r}",
        found="no declaration of that name",
        expected=f"one of {', '.join(found) or 'none: nothing is declared'}",
        fix=f"write project/model as in defs.yaml{did_you_mean(model, found)}",
    )


def _databricks(spec: ModelSpec) -> Opened:
    """Talk to the workspace's tracking server and Unity Catalog by REST alone."""
    from ml_assets.orchestration.settings import databricks_settings, workspace_client
    from ml_assets.platform.databricks.registry import DatabricksRegistry
    from ml_assets.platform.databricks.tracking import run_url
    from ml_assets.platform.mlflow_store import MlflowStore
    from ml_assets.platform.mlflow_tracking import MlflowTracking

    settings = databricks_settings()
    client = workspace_client(settings)
    host = client.config.host or ""
    _credentials_for_mlflow(settings)
    store = MlflowStore(*_addresses(settings))
    tracking = MlflowTracking(store, run_url=lambda e, r: run_url(host, e, r))
    person = os.environ.get(USER_VARIABLE) or client.current_user.me().user_name or who()
    return Opened(Desk(spec, DatabricksRegistry(store), tracking), person)


def _addresses(settings: DatabricksSettings) -> tuple[str, str]:
    """MLflow's addresses: as in a job, or of the profile that the settings name."""
    suffix = f"://{settings.profile}" if settings.profile else ""
    return (
        os.environ.get("MLFLOW_TRACKING_URI", f"databricks{suffix}"),
        os.environ.get("MLFLOW_REGISTRY_URI", f"databricks-uc{suffix}"),
    )


def _credentials_for_mlflow(settings: DatabricksSettings) -> None:
    """Hand on what the settings name; MLflow reads the SDK's variables of this process."""
    if settings.host:
        os.environ["DATABRICKS_HOST"] = settings.host
    if settings.token_variable:
        os.environ["DATABRICKS_TOKEN"] = os.environ[settings.token_variable]
