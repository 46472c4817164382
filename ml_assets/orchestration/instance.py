"""Where Dagster keeps runs, materializations and verdicts: a folder of the warehouse's home."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
from dagster._core.workspace.load_target import (
    ModuleTarget,
    WorkspaceFileTarget,
    WorkspaceLoadTarget,
)

from ml_assets.orchestration.names import FEATURES_TAG, MODEL_TAG
from ml_assets.orchestration.orphans import report_orphans
from ml_assets.spec.errors import StorageError

HOME_VARIABLE = "DAGSTER_HOME"
DEFINITIONS = "ml_assets.definitions"
SETTINGS = f"""\
# Written once by ml_assets; yours to edit. All settings: docs.dagster.io, "dagster.yaml".
telemetry:
  enabled: false
nux:
  enabled: false
concurrency:
  runs:
    # Runs of one model wait for each other: they write the same tables.
    tag_concurrency_limits:
      - key: {MODEL_TAG}
        value:
          applyLimitPerUniqueValue: true
        limit: 1
      # So do runs that write the same feature tables: the owner's, and `…__with_reused` of others.
      - key: {FEATURES_TAG}
        value:
          applyLimitPerUniqueValue: true
        limit: 1
"""


def prepare_dagster_home(home: Path) -> Path:
    """Create ``<home>/dagster`` with its settings, and make it this process's Dagster home.

    Settings that are there stay as they are. ``DAGSTER_HOME`` is set for this process and what it
    starts, also when it was set to something else: the demo and the UI must see the same storage.

    Raises
    ------
    StorageError
        When the folder cannot be written.
    """
    folder = home.absolute() / "dagster"
    settings = folder / "dagster.yaml"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not settings.exists():
            settings.write_text(SETTINGS, encoding="utf-8")
    except OSError as error:
        raise StorageError(
            str(folder),
            found=f"cannot be written: {error.strerror}",
            expected="a writable folder for Dagster's storage",
            fix="correct its permissions, or set ML_ASSETS_HOME to a folder that you can write",
        ) from error
    os.environ[HOME_VARIABLE] = str(folder)
    return folder


@contextlib.contextmanager
def open_instance() -> Iterator[dg.DagsterInstance]:
    """Open the storage of the Dagster home, after ending the runs whose process is gone."""
    with dg.DagsterInstance.get() as instance:
        report_orphans(instance)
        yield instance


def workspace_file() -> Path | None:
    """Find the project's workspace.yaml; None when ml_assets is installed without its project."""
    file = Path(__file__).parents[2] / "workspace.yaml"
    return file if file.exists() else None


def code_location() -> WorkspaceLoadTarget:
    """The code location that the UI shows, as ``dagster dev`` loads it."""
    if workspace := workspace_file():
        return WorkspaceFileTarget([str(workspace)])
    return ModuleTarget(DEFINITIONS, None, str(Path.cwd()), None)
