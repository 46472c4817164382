"""The embedded platform: Sail, Delta folders, DuckDB as-of joins and MLflow on SQLite."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

    from ml_assets.platform.embedded.feature_store import EmbeddedFeatureStore
    from ml_assets.platform.embedded.registry import EmbeddedRegistry
    from ml_assets.platform.embedded.tables import EmbeddedTables
    from ml_assets.platform.embedded.tracking import EmbeddedTracking


class EmbeddedPlatform:
    """Everything a step may use, on one machine.

    Parameters
    ----------
    home
        Folder of the warehouse and of MLflow; ``warehouse.home_folder()`` when left out.
    spark
        The session to use; the process's own Sail session, started at first use, when left out.

    Nothing is imported, started or created before it is used.
    """

    def __init__(self, home: Path | None = None, spark: SparkSession | None = None) -> None:
        from ml_assets.platform.embedded.warehouse import home_folder

        self.home: Path = (home or home_folder()).resolve()
        self._spark = spark

    @property
    def spark(self) -> SparkSession:
        """The session; UTC."""
        from ml_assets.platform.embedded.session import start_session

        return start_session() if self._spark is None else self._spark

    @cached_property
    def tables(self) -> EmbeddedTables:
        """Delta tables under ``<home>/warehouse``."""
        from ml_assets.platform.embedded.tables import EmbeddedTables

        return EmbeddedTables(self.home, lambda: self.spark)

    @cached_property
    def features(self) -> EmbeddedFeatureStore:
        """Point-in-time joins, packaged models, batch scores."""
        from ml_assets.platform.embedded.feature_store import EmbeddedFeatureStore

        return EmbeddedFeatureStore(self)

    @cached_property
    def tracking(self) -> EmbeddedTracking:
        """MLflow runs in ``<home>/mlflow.db``."""
        from ml_assets.platform.embedded.tracking import EmbeddedTracking

        return EmbeddedTracking(self.home)

    @cached_property
    def registry(self) -> EmbeddedRegistry:
        """Registered models in ``<home>/mlflow.db``."""
        from ml_assets.platform.embedded.registry import EmbeddedRegistry

        return EmbeddedRegistry(self.home)
