"""A registry client that refuses what Unity Catalog's refuses, on any store of MLflow's.

What Unity Catalog supports was read in MLflow's ``_unity_catalog/registry/rest_store.py`` and in
Databricks' documentation of tags on securables:

- no stages and no ``get_latest_versions``; versions are searched by
  ``name='…'`` or ``run_id='…'`` alone, in no order;
- versions that a search finds have neither aliases nor tags; ``latest`` and ``v<number>`` are reserved;
- tags of a securable: at most 50; names up to 255 characters without ``. , - = / :`` and without
  spaces at the ends; values up to 1,000 characters, without spaces at the ends;
- names have three levels, and an alias that is not set is "not found".
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mlflow import MlflowClient
    from mlflow.store.entities import PagedList

#: What is not there, of what a client offers for registered models.
UNSUPPORTED = frozenset(
    {
        "get_latest_versions",
        "transition_model_version_stage",
    }
)
#: Of tracking: not the registry's business.
TRACKING = frozenset(
    {
        "create_experiment",
        "create_run",
        "get_experiment",
        "get_experiment_by_name",
        "get_run",
        "log_artifact",
        "log_batch",
        "search_runs",
        "set_terminated",
    }
)
_ALIAS = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,254}")
_RESERVED = re.compile(r"latest|v\d+", re.IGNORECASE)
_TAG_NAME = re.compile(r"[^.,\-=/:]{1,255}")
_FILTER = re.compile(r"name='([^']+)'|run_id='([^']+)'")
_MAX_TAGS, _MAX_VALUE, _PAGE = 50, 1000, 2
_LEVELS = 3


class StrictClient:
    """Answers as Unity Catalog does, and raises where it does; every call is kept in ``calls``."""

    def __init__(self, client: MlflowClient) -> None:
        self._client = client
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name in UNSUPPORTED:
            raise _refused(f"Method '{name}' is unsupported for models in the Unity Catalog.")
        if name in TRACKING:
            return getattr(self._client, name)
        raise AssertionError(f"{name} is no call that this registry was ever asked for")

    def create_registered_model(self, name: str) -> Any:
        """Make a model; no tags, no description."""
        return self._asked("create_registered_model", name)(name)

    def create_model_version(
        self,
        name: str,
        *,
        source: str,
        run_id: str,
        tags: Mapping[str, str],
        description: str | None,
        model_id: str | None,
    ) -> ModelVersion:
        """Make a version."""
        for key, value in tags.items():
            _check_tag(key, value)
        _check_count(tags)
        create = self._asked("create_model_version", name)
        return create(
            name,
            source=source,
            run_id=run_id,
            tags=tags,
            description=description,
            model_id=model_id,
        )

    def get_model_version(self, name: str, version: str) -> ModelVersion:
        """Find a version, with its tags and aliases."""
        return self._asked("get_model_version", name)(name, version)

    def get_model_version_by_alias(self, name: str, alias: str) -> ModelVersion:
        """Find a version by alias; one that is not set is not found."""
        _check_alias(alias)
        try:
            return self._asked("get_model_version_by_alias", name)(name, alias)
        except MlflowException as error:
            raise MlflowException(
                f"Routine or Model alias '{alias}' does not exist.", RESOURCE_DOES_NOT_EXIST
            ) from error

    def search_model_versions(
        self,
        filter_string: str | None = None,
        max_results: int | None = None,
        order_by: list[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[ModelVersion]:
        """Find the versions of a model, without aliases, in no order, a small page at a time."""
        if order_by:
            raise _refused("Argument 'order_by' is unsupported for models in the Unity Catalog.")
        found = _FILTER.fullmatch(filter_string or "")
        if not found:
            raise _refused(f"Unsupported filter query: {filter_string}")
        page = self._asked("search_model_versions", found[1] or "a.b.c")(
            filter_string, max_results or _PAGE, page_token=page_token
        )
        for number, version in enumerate(page):
            page[number] = _as_found(version)
        page.reverse()
        return page

    def set_model_version_tag(self, name: str, version: str, key: str, value: str) -> None:
        """Set one tag; there is no call for several."""
        _check_tag(key, value)
        tags = self._client.get_model_version(name, version).tags
        _check_count({**tags, key: value})
        self._asked("set_model_version_tag", name)(name, version, key, value)

    def set_registered_model_alias(self, name: str, alias: str, version: str) -> None:
        """Point an alias at a version; whoever does it last wins."""
        _check_alias(alias)
        self._asked("set_registered_model_alias", name)(name, alias, version)

    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        """Let an alias point nowhere."""
        _check_alias(alias)
        self._asked("delete_registered_model_alias", name)(name, alias)

    def _asked(self, call: str, name: str) -> Callable[..., Any]:
        self.calls.append(call)
        if len(name.split(".")) != _LEVELS:
            raise _refused(f"Invalid model name: {name}. Use <catalog>.<schema>.<model>")
        return functools.partial(getattr(self._client, call))


def _as_found(version: ModelVersion) -> ModelVersion:
    """What a search tells of a version: neither aliases nor tags."""
    told = {k: v for k, v in dict(version).items() if k not in {"aliases", "tags"}}
    return ModelVersion(**told)


def _check_alias(alias: str) -> None:
    if not _ALIAS.fullmatch(alias) or _RESERVED.fullmatch(alias):
        raise _refused(f"Invalid alias name: {alias!r}")


def _check_tag(key: str, value: str) -> None:
    if not _TAG_NAME.fullmatch(key) or key != key.strip():
        raise _refused(f"Invalid tag name: {key!r}")
    if len(value) > _MAX_VALUE or value != value.strip():
        raise _refused(f"Invalid value of tag {key!r}: {len(value)} characters")


def _check_count(tags: Mapping[str, str]) -> None:
    if len(tags) > _MAX_TAGS:
        raise _refused(f"{len(tags)} tags: at most {_MAX_TAGS} are allowed")


def _refused(message: str) -> MlflowException:
    return MlflowException(message, INVALID_PARAMETER_VALUE)
