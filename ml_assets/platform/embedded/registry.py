"""The model registry of the home folder, in the same SQLite file as the runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_assets.platform.embedded.locks import table_lock
from ml_assets.platform.embedded.tracking import embedded_store
from ml_assets.platform.mlflow_registry import MlflowRegistry

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path


class EmbeddedRegistry(MlflowRegistry):
    """Registered models in ``<home>/mlflow.db``."""

    def __init__(self, home: Path) -> None:
        super().__init__(embedded_store(home))
        self._home = home

    def moving(self, name: str) -> AbstractContextManager[None]:
        """Hold the model's lock: all processes on this machine take it before they move an alias."""
        return table_lock(self._home, f"model {name}")

    def _moved_to(self, name: str, alias: str, version: int) -> int:  # noqa: ARG002 - as inherited
        return version  # under the lock nobody else has moved it
