"""The model registry of the home folder, in the same SQLite file as the runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_assets.platform.embedded.tracking import embedded_store
from ml_assets.platform.mlflow_registry import MlflowRegistry

if TYPE_CHECKING:
    from pathlib import Path


class EmbeddedRegistry(MlflowRegistry):
    """Registered models in ``<home>/mlflow.db``."""

    def __init__(self, home: Path) -> None:
        super().__init__(embedded_store(home))
