"""Registered models in Unity Catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_assets.platform.databricks.grants import grant_on_model
from ml_assets.platform.databricks.history import PREFIX
from ml_assets.platform.mlflow_registry import MlflowRegistry
from ml_assets.spec.base import quoted
from ml_assets.spec.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_STORED_PREFIX = "ml_assets__"
#: Unity Catalog refuses longer values.
_MAX_TAG_LENGTH = 1000


class DatabricksRegistry(MlflowRegistry):
    """Models in Unity Catalog, whose tags are those of every other securable.

    A dot is refused in their names: ``ml_assets.spec_hash`` is stored as ``ml_assets__spec_hash``,
    and read back as it was.
    """

    def register(
        self,
        name: str,
        *,
        model_uri: str,
        run_id: str,
        tags: Mapping[str, str],
        description: str = "",
    ) -> int:
        """Register a packaged model; the version that the same run already has is returned again.

        Raises
        ------
        StorageError
            When this job may not make a model or a version of it.
        """
        from mlflow.exceptions import MlflowException

        try:
            return super().register(
                name, model_uri=model_uri, run_id=run_id, tags=tags, description=description
            )
        except MlflowException as error:
            if error.error_code != "PERMISSION_DENIED":
                raise
            schema = quoted(name.rpartition(".")[0])
            raise StorageError(
                f"registered model {name}",
                found=f"it could not be registered: {error.message}",
                expected="a job that may make models in the schema",
                fix=f"GRANT USE SCHEMA, CREATE MODEL ON SCHEMA {schema} TO `<who runs the job>`",
            ) from error

    def grant(self, name: str, grants: Mapping[str, Sequence[str]]) -> None:
        """Give principals privileges on a model that they have not yet.

        Raises
        ------
        StorageError
            When this job may not grant.
        """
        grant_on_model(name, grants)

    def stored_tags(self, tags: Mapping[str, str]) -> dict[str, str]:
        """Write tags as Unity Catalog takes them."""
        return {_stored(key): value[:_MAX_TAG_LENGTH].strip() for key, value in tags.items()}

    def read_tags(self, stored: Mapping[str, str]) -> dict[str, str]:
        """Read tags that Unity Catalog holds."""
        return {_read(key): value for key, value in stored.items()}


def _stored(key: str) -> str:
    """Name a tag as Unity Catalog takes it.

    >>> _stored("ml_assets.gates"), _stored("owner")
    ('ml_assets__gates', 'owner')
    """
    return f"{_STORED_PREFIX}{key[len(PREFIX) :]}" if key.startswith(PREFIX) else key


def _read(key: str) -> str:
    """Take ``_stored`` back.

    >>> _read(_stored("ml_assets.gates"))
    'ml_assets.gates'
    """
    found = key.startswith(_STORED_PREFIX)
    return f"{PREFIX}{key[len(_STORED_PREFIX) :]}" if found else key
