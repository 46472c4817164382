"""The embedded platform with the registry of Unity Catalog: what that refuses is refused here."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

from ml_assets.platform.databricks.registry import DatabricksRegistry
from ml_assets.platform.embedded import EmbeddedPlatform
from ml_assets.platform.mlflow_store import plain_client
from ml_assets_tests.strict_registry import StrictClient


class StrictPlatform(EmbeddedPlatform):
    """Registers with the code of Databricks, by a client that answers as Unity Catalog does."""

    @cached_property
    def registry(self) -> DatabricksRegistry:
        """Registered models in ``<home>/mlflow.db``."""
        assert self.tracking.store.client  # makes the database
        store = self.tracking.store
        return DatabricksRegistry(replace(store, connect=lambda s: StrictClient(plain_client(s))))
