"""What a platform offers to the steps. Two implementations: ``embedded`` and ``databricks``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ml_assets.platform.protocol.columns import (
    AS_OF_PREFIX,
    MATCHED_PREFIX,
    PREDICTED_CLASS,
    PREDICTION,
    SPLIT_COLUMN,
)
from ml_assets.platform.protocol.feature_store import FeatureStore, SplitCuts
from ml_assets.platform.protocol.registry import Registry
from ml_assets.platform.protocol.tables import RowsCommit, Staged, Tables
from ml_assets.platform.protocol.tracking import Run, RunInfo, Tracking

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = [
    "AS_OF_PREFIX",
    "MATCHED_PREFIX",
    "PREDICTED_CLASS",
    "PREDICTION",
    "SPLIT_COLUMN",
    "FeatureStore",
    "Platform",
    "Registry",
    "RowsCommit",
    "Run",
    "RunInfo",
    "SplitCuts",
    "Staged",
    "Tables",
    "Tracking",
]


class Platform(Protocol):
    """Everything a step may use. The Spark session is handed in, never created by a step."""

    @property
    def spark(self) -> SparkSession:
        """The session; UTC."""
        ...

    @property
    def tables(self) -> Tables:
        """Delta tables."""
        ...

    @property
    def features(self) -> FeatureStore:
        """The feature store."""
        ...

    @property
    def tracking(self) -> Tracking:
        """MLflow runs."""
        ...

    @property
    def registry(self) -> Registry:
        """The model registry."""
        ...
