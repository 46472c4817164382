"""MLflow runs and registered models, through a client that is bound to one store.

Shared by the platforms, which differ in addresses only. Only calls that the Unity Catalog registry
supports are used: no order in searches, no stages, no ``latest``.
"""

from __future__ import annotations

import contextlib
import os
import threading
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mlflow import MlflowClient

_REGISTRY_VARIABLE = "MLFLOW_REGISTRY_URI"

#: MLflow's addresses are global to the process; one block at a time may change them.
_addresses = threading.RLock()


@dataclass(frozen=True)
class MlflowStore:
    """Where runs and registered models are stored.

    Parameters
    ----------
    tracking_uri, registry_uri
        MLflow's addresses.
    connect
        Makes the client, and whatever the store needs before its first use. By default a plain
        client of the two addresses.
    """

    tracking_uri: str
    registry_uri: str
    connect: Callable[[MlflowStore], MlflowClient] | None = None

    @cached_property
    def client(self) -> MlflowClient:
        """The client of this store; connecting takes seconds the first time."""
        return plain_client(self) if self.connect is None else self.connect(self)

    @contextlib.contextmanager
    def active(self) -> Iterator[MlflowClient]:
        """Make this store the process's own inside the block, for MLflow calls that take no address.

        What was set before is set again afterwards. One block at a time: other threads wait.
        """
        import mlflow

        client = self.client
        with _addresses:
            before = _addresses_now()
            mlflow.set_tracking_uri(self.tracking_uri)
            mlflow.set_registry_uri(self.registry_uri)
            try:
                yield client
            finally:
                _set_addresses(*before)


def plain_client(store: MlflowStore) -> MlflowClient:
    """Connect to the store's two addresses."""
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=store.tracking_uri, registry_uri=store.registry_uri)


def _addresses_now() -> tuple[str | None, str, str | None]:
    """Tracking (None: never set), registry (empty: follows tracking), registry in the environment."""
    import mlflow

    tracking = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None  # type: ignore[no-untyped-call]
    registry = mlflow.get_registry_uri()
    follows = registry == mlflow.get_tracking_uri()
    return tracking, "" if follows else registry, os.environ.get(_REGISTRY_VARIABLE)


def _set_addresses(tracking: str | None, registry: str, variable: str | None) -> None:
    import mlflow

    mlflow.set_tracking_uri(tracking)  # type: ignore[arg-type]  # None takes the setting back
    mlflow.set_registry_uri(registry)
    if variable is None:
        os.environ.pop(_REGISTRY_VARIABLE, None)
    else:
        os.environ[_REGISTRY_VARIABLE] = variable
