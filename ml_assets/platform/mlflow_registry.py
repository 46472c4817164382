"""Registered model versions and aliases, by calls that Unity Catalog supports too."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

from ml_assets.platform.mlflow_tracking import is_absent
from ml_assets.spec.base import check_table_name
from ml_assets.spec.errors import DataError, PromotionError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

    from ml_assets.platform.mlflow_store import MlflowStore

_ALIAS = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,254}")
_RESERVED_ALIAS = re.compile(r"latest|v\d+", re.IGNORECASE)
_LOGGED_MODEL = re.compile(r"models:/(m-[0-9a-f]+)")


class MlflowRegistry:
    """Registered models of one store; names are ``catalog.schema.model``."""

    def __init__(self, store: MlflowStore) -> None:
        self.store = store

    def grant(self, name: str, grants: Mapping[str, Sequence[str]]) -> None:
        """Give principals privileges on a model; a store without access control has none to give."""

    def stored_tags(self, tags: Mapping[str, str]) -> dict[str, str]:
        """Write tags as this store takes them."""
        return dict(tags)

    def read_tags(self, stored: Mapping[str, str]) -> dict[str, str]:
        """Read tags that this store holds; the reverse of ``stored_tags``."""
        return dict(stored)

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

        Tags are set in either case. The registered model is made when it does not exist.
        """
        _check_name(name)
        if mine := self.version_of_run(name, run_id):
            self.tag(name, mine, tags)
            return mine
        logged = _LOGGED_MODEL.fullmatch(model_uri)
        # Stores resolve ``models:/m-…`` by the process's own address, whatever the client's is.
        with self.store.active() as client:
            _ensure_model(client, name)
            created = client.create_model_version(
                name,
                source=model_uri,
                run_id=run_id,
                tags=self.stored_tags(tags),
                description=description or None,
                model_id=logged[1] if logged else None,
            )
        return int(created.version)

    def tag(self, name: str, version: int, tags: Mapping[str, str]) -> None:
        """Set tags of a version; those that it already has are left alone.

        Raises
        ------
        DataError
            When the version does not exist.
        """
        stored = self._version(name, version).tags
        for key, value in self.stored_tags(tags).items():
            if stored.get(key) != value:
                self.store.client.set_model_version_tag(name, str(version), key, value)

    def tags(self, name: str, version: int) -> Mapping[str, str]:
        """Read the tags of a version.

        Raises
        ------
        DataError
            When it does not exist.
        """
        return self.read_tags(self._version(name, version).tags)

    def version_of(self, name: str, alias: str) -> int | None:
        """Find the version that an alias points to, or None."""
        from mlflow.exceptions import MlflowException

        _check_name(name)
        _check_alias(alias)
        try:
            return int(self.store.client.get_model_version_by_alias(name, alias).version)
        except MlflowException as error:
            # Name and alias are well-formed, so an "invalid parameter" is an alias that is not set.
            if is_absent(error):
                return None
            raise

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Point an alias at a version.

        Raises
        ------
        DataError
            When the version does not exist, or the alias is reserved (``latest``, ``v1``).
        """
        _check_alias(alias)
        self._version(name, version)
        self.store.client.set_registered_model_alias(name, alias, str(version))

    def move_alias(self, name: str, alias: str, version: int, *, expected: int | None) -> None:
        """Point an alias at a version, unless it points elsewhere than ``expected`` (None: nowhere).

        Nothing happens when it points there already. No registry of MLflow has such a call; this is
        a read, a write and, where ``moving`` cannot keep others away, a read again.

        Raises
        ------
        PromotionError
            When somebody else moved it.
        DataError
            As ``set_alias`` does.
        """
        with self.moving(name):
            found = self.version_of(name, alias)
            if found == version:
                return
            if found == expected:
                self.set_alias(name, alias, version)
                found = self._moved_to(name, alias, version)
            if found != version:
                raise _overtaken(name, alias, version, expected, found)

    def remove_alias(self, name: str, alias: str) -> None:
        """Let an alias point nowhere; also when it did not point anywhere."""
        if self.version_of(name, alias) is not None:
            self.store.client.delete_registered_model_alias(name, alias)

    def version_of_run(self, name: str, run_id: str) -> int | None:
        """Find the version that a run was registered as, or None."""
        _check_name(name)
        return max((int(v.version) for v in self._all(name) if v.run_id == run_id), default=None)

    def moving(self, name: str) -> AbstractContextManager[None]:  # noqa: ARG002 - others need it
        """Keep others from moving an alias of a model inside the block, where that is possible."""
        return contextlib.nullcontext()

    def _moved_to(self, name: str, alias: str, version: int) -> int | None:  # noqa: ARG002
        """Where an alias points after it was moved to ``version``."""
        return self.version_of(name, alias)

    def versions(self, name: str) -> tuple[int, ...]:
        """List all versions, ascending; empty when the model is not registered."""
        _check_name(name)
        return tuple(sorted(int(v.version) for v in self._all(name)))

    def uri(self, name: str, alias_or_version: str | int) -> str:
        """``models:/name@alias`` or ``models:/name/version``."""
        _check_name(name)
        if isinstance(alias_or_version, int):
            return f"models:/{name}/{alias_or_version}"
        _check_alias(alias_or_version)
        return f"models:/{name}@{alias_or_version}"

    def _version(self, name: str, version: int) -> ModelVersion:
        from mlflow.exceptions import MlflowException

        _check_name(name)
        try:
            return self.store.client.get_model_version(name, str(version))
        except MlflowException as error:
            if not is_absent(error):
                raise
            known = ", ".join(map(str, self.versions(name))) or "none"
            raise DataError(
                f"registered model {name}, version {version}",
                found=f"no such version; stored: {known}",
                expected="a registered version",
                fix="materialize model_version first, or use one of the stored versions",
            ) from error

    def _all(self, name: str) -> list[ModelVersion]:
        from mlflow.exceptions import MlflowException

        client, found, token = self.store.client, [], None
        try:
            while True:
                page = client.search_model_versions(f"name='{name}'", page_token=token)
                found += list(page)
                token = page.token
                if not token:
                    return found
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return []
            raise


def _ensure_model(client: MlflowClient, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code not in {"RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS"}:
            raise


def _overtaken(
    name: str, alias: str, version: int, expected: int | None, found: int | None
) -> PromotionError:
    def said(number: int | None) -> str:
        return "no version" if number is None else f"version {number}"

    return PromotionError(
        f"registered model {name}, alias {alias!r}",
        found=f"it points to {said(found)}: somebody moved it meanwhile",
        expected=f"{said(expected)}, which version {version} was compared with",
        fix="materialize model_version again: it compares with the version that is there now",
        rule="promotion_compare_and_set",
    )


def _check_name(name: str) -> None:
    try:
        check_table_name(name)
    except ValueError as error:
        raise DataError(
            f"registered model {name!r}",
            found=str(error),
            expected="catalog.schema.model",
            fix="correct registered_model in the model's declaration",
        ) from error


def _check_alias(alias: str) -> None:
    if not _ALIAS.fullmatch(alias) or _RESERVED_ALIAS.fullmatch(alias):
        raise DataError(
            f"alias {alias!r}",
            found="a reserved or malformed alias",
            expected="letters, digits, - and _, starting with a letter; not 'latest', not 'v1'",
            fix="use an alias that says what the version is for, such as 'champion'",
        )
