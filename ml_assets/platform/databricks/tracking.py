"""MLflow runs in the workspace; experiments are under ``/Shared``, which every workspace has."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ml_assets.platform.mlflow_tracking import MlflowTracking

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import SparkSession

    from ml_assets.platform.mlflow_store import MlflowStore

_WORKSPACE = "spark.databricks.workspaceUrl"


class DatabricksTracking(MlflowTracking):
    """Runs of the workspace's tracking server; the links lead to its pages."""

    def __init__(self, store: MlflowStore, session: Callable[[], SparkSession]) -> None:
        super().__init__(
            store, run_url=lambda experiment, run: run_url(workspace(session), experiment, run)
        )


def run_url(host: str, experiment_id: str, run_id: str) -> str:
    """Name the page of a run; without a host, its path in whichever workspace it is.

    >>> run_url("adb-1.2.azuredatabricks.net", "7", "ab")
    'https://adb-1.2.azuredatabricks.net/ml/experiments/7/runs/ab'
    >>> run_url("", "7", "ab")
    '/ml/experiments/7/runs/ab'
    """
    path = f"/ml/experiments/{experiment_id}/runs/{run_id}"
    host = host.rstrip("/")
    return f"{host}{path}" if "://" in host or not host else f"https://{host}{path}"


def workspace(session: Callable[[], SparkSession]) -> str:
    """Find the workspace's address: ``DATABRICKS_HOST``, else what the cluster says of itself."""
    if host := os.environ.get("DATABRICKS_HOST"):
        return host
    from pyspark.errors import PySparkException

    try:
        return session().conf.get(_WORKSPACE, "") or ""
    except PySparkException:  # serverless shows few settings
        return os.environ.get("DATABRICKS_WORKSPACE_URL", "")
