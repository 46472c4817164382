"""The databricks platform: Spark tables in Unity Catalog, the feature engineering client, MLflow.

For use inside a Databricks job, where the ML runtime brings Spark, MLflow and the client.
"""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from pyspark.sql import SparkSession

    from ml_assets.platform.databricks.feature_store import DatabricksFeatureStore
    from ml_assets.platform.databricks.registry import DatabricksRegistry
    from ml_assets.platform.databricks.tables import DatabricksTables
    from ml_assets.platform.databricks.tracking import DatabricksTracking
    from ml_assets.platform.mlflow_store import MlflowStore


class DatabricksPlatform:
    """Everything a step may use, inside a Databricks job.

    Parameters
    ----------
    spark
        The session to use; the job's own one when left out.
    tracking_uri, registry_uri
        MLflow's addresses. When left out: ``MLFLOW_TRACKING_URI`` and ``MLFLOW_REGISTRY_URI``; when
        these are not set, the workspace's own tracking server and Unity Catalog.

    Nothing is imported, started or asked before it is used.
    """

    def __init__(
        self,
        spark: SparkSession | None = None,
        tracking_uri: str | None = None,
        registry_uri: str | None = None,
    ) -> None:
        self._spark = spark
        self._addresses = (
            tracking_uri or os.environ.get("MLFLOW_TRACKING_URI", "databricks"),
            registry_uri or os.environ.get("MLFLOW_REGISTRY_URI", "databricks-uc"),
        )

    @cached_property
    def spark(self) -> SparkSession:
        """The session; UTC."""
        from ml_assets.platform.databricks.session import in_utc, job_session

        return in_utc(job_session() if self._spark is None else self._spark)

    @cached_property
    def store(self) -> MlflowStore:
        """Where runs and registered models are stored."""
        from ml_assets.platform.mlflow_store import MlflowStore

        return MlflowStore(*self._addresses)

    @cached_property
    def client(self) -> Any:
        """The feature engineering client of the runtime."""
        from ml_assets.platform.databricks.client import open_client

        return open_client(self.store.registry_uri)

    @cached_property
    def tables(self) -> DatabricksTables:
        """Delta tables in Unity Catalog."""
        from ml_assets.platform.databricks.tables import DatabricksTables

        return DatabricksTables(lambda: self.spark, lambda: self.client)

    @cached_property
    def features(self) -> DatabricksFeatureStore:
        """Point-in-time joins, packaged models, batch scores, by the real client."""
        from ml_assets.platform.databricks.feature_store import DatabricksFeatureStore

        return DatabricksFeatureStore(self)

    @cached_property
    def tracking(self) -> DatabricksTracking:
        """MLflow runs of the workspace."""
        from ml_assets.platform.databricks.tracking import DatabricksTracking

        return DatabricksTracking(self.store, lambda: self.spark)

    @cached_property
    def registry(self) -> DatabricksRegistry:
        """Models in Unity Catalog."""
        from ml_assets.platform.databricks.registry import DatabricksRegistry

        return DatabricksRegistry(self.store)
