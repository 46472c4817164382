"""MLflow's database, made once for an environment: making one takes seconds, copying it nothing."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path


def prepare(database: Path) -> None:
    """Put an empty database at a path, unless there is one."""
    if not database.exists():
        shutil.copy(_template(), database)


def forget() -> None:
    """Let MLFLOW_TRACKING_URI and MLFLOW_REGISTRY_URI count again, as in a new process.

    Whoever borrows MLflow's global addresses gives them back as explicit ones.
    """
    import mlflow

    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri("")
    mlflow.tracking.fluent._active_experiment_id = None


def _template() -> Path:
    """Return the empty database of this environment's MLflow."""
    path = Path(sys.prefix) / f"mlflow-{version('mlflow')}.db"
    if not path.exists():
        from mlflow import MlflowClient

        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            draft = Path(folder) / "mlflow.db"
            os.environ["_MLFLOW_SERVER_ARTIFACT_ROOT"] = str(Path(folder) / "artifacts")
            uri = f"sqlite:///{draft}"
            MlflowClient(uri, uri).search_registered_models()
            # Another process may do the same at this moment: the last one wins, they are equal.
            draft.replace(path)
    return path
