"""Which version of a table's rows is stored, asked by sensors and observed sources.

On the embedded platform the Delta log answers, for nothing. On Databricks a statement on a SQL
warehouse does, and costs money: the catalog's own ``updated_at`` does not move with the data.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import dagster as dg

from ml_assets.orchestration.resources import platform_name
from ml_assets.orchestration.settings import databricks_settings, settings_file, workspace_client
from ml_assets.orchestration.statements import Row, StatementError, Statements
from ml_assets.platform.databricks.history import PREFIX, changes_rows
from ml_assets.platform.embedded.warehouse import Commit, commits_since, data_version, home_folder
from ml_assets.spec.base import quoted
from ml_assets.spec.errors import MlAssetsError, SpecError

#: How often sensors look on the embedded platform.
EMBEDDED_INTERVAL = timedelta(seconds=30)
#: Dagster ends a sensor's tick after 60 seconds.
TICK_PATIENCE = timedelta(seconds=40)
#: An observed source is a run: it may wait until a warehouse has been started.
RUN_PATIENCE = timedelta(minutes=10)
_NOT_THERE = {"TABLE_OR_VIEW_NOT_FOUND", "DELTA_TABLE_NOT_FOUND"}
_PAGE = 50


class TableVersions(Protocol):
    """What is known of the commits of tables."""

    def data_version(self, table: str) -> int | None:
        """Version of the last commit that changed rows; None when there is no such table or commit.

        When all commits that are still known changed nothing, the version before the first of them.
        """

    def commits_since(self, table: str, version: int) -> Iterator[Commit]:
        """The commits after a version, oldest first; those that are no longer known are left out."""


class NoWarehouseError(SpecError):
    """Table versions are asked for, and there is no warehouse to ask."""


@dataclass(frozen=True)
class EmbeddedVersions:
    """Reads the Delta logs of the warehouse folder."""

    home: Path

    def data_version(self, table: str) -> int | None:
        """Read the log of the table."""
        return data_version(self.home, table)

    def commits_since(self, table: str, version: int) -> Iterator[Commit]:
        """Read the log of the table."""
        return commits_since(self.home, table, version)


@dataclass
class DatabricksVersions:
    """Asks for each table's history once; make a new object to see what came later."""

    statements: Statements
    _known: dict[str, list[Commit]] = field(default_factory=dict, init=False)
    _complete: set[str] = field(default_factory=set, init=False)

    def data_version(self, table: str) -> int | None:
        """Ask for as much of the history as it takes to find a commit that changed rows."""
        limit = _PAGE
        while True:
            commits = self._history(table, limit)
            found: int | None = next((c.version for c in reversed(commits) if c.is_data), None)
            if found is not None:
                return found
            if table in self._complete:
                first = commits[0].version if commits else 0
                return first - 1 if first > 0 else None
            limit *= 10

    def commits_since(self, table: str, version: int) -> Iterator[Commit]:
        """Ask for as much of the history as it takes to reach the version."""
        limit = _PAGE
        while True:
            commits = self._history(table, limit)
            if table in self._complete or not commits or commits[0].version <= version + 1:
                return iter([c for c in commits if c.version > version])
            limit *= 10

    def _history(self, table: str, limit: int) -> list[Commit]:
        """The last commits of a table, oldest first; at least ``limit`` where there are as many."""
        known = self._known.get(table)
        if known is None or (len(known) < limit and table not in self._complete):
            known = self._known[table] = self._ask(table, limit)
            if len(known) < limit:
                self._complete.add(table)
        return known

    def _ask(self, table: str, limit: int) -> list[Commit]:
        try:
            rows = self.statements.rows(f"DESCRIBE HISTORY {quoted(table)} LIMIT {limit}")
        except StatementError as error:
            if error.condition in _NOT_THERE:
                return []
            raise
        return sorted((_commit(row) for row in rows), key=lambda c: c.version)


def open_versions(patience: timedelta) -> TableVersions:
    """What answers on this platform; it may take as long as ``patience`` for all answers together.

    Raises
    ------
    NoWarehouseError
        On Databricks, when none is configured.
    """
    if platform_name() == "embedded":
        return EmbeddedVersions(home_folder())
    settings = databricks_settings()
    if not settings.warehouse_id:
        raise _no_warehouse()
    return DatabricksVersions(
        Statements(workspace_client(settings), settings.warehouse_id, patience)
    )


def look_every() -> timedelta:
    """How often a sensor looks."""
    on_laptop = platform_name() == "embedded"
    return EMBEDDED_INTERVAL if on_laptop else databricks_settings().observe_every


def observed_version(table: str) -> dg.DataVersion:
    """The version of a source that somebody else fills, for Dagster.

    Raises
    ------
    Failure
        When the table does not exist, or nothing can be asked.
    """
    try:
        version = open_versions(RUN_PATIENCE).data_version(table)
    except MlAssetsError as error:
        raise dg.Failure(str(error), allow_retries=not isinstance(error, SpecError)) from error
    if version is None:
        raise dg.Failure(_not_there(table), allow_retries=False)
    return dg.DataVersion(str(version))


def _not_there(table: str) -> str:
    if platform_name() == "embedded":
        return (
            f"There is no table {table} in the warehouse {home_folder()}. Its owner fills it; "
            "or declare a seed for it, which fills it once on a laptop."
        )
    return (
        f"There is no table {table} with rows in Unity Catalog, or nobody may see it who asks. Its "
        "owner fills it and grants SELECT on it; or declare a seed for it, which fills it once."
    )


def _commit(row: Row) -> Commit:
    operation = row.get("operation") or ""
    parameters, metrics = (_mapping(row.get(f"operation{n}")) for n in ("Parameters", "Metrics"))
    properties = {
        name: value
        for name, value in _mapping(row.get("userMetadata")).items()
        if name.startswith(PREFIX)
    }
    info = {"timestamp": row.get("timestamp") or "", "operation": operation, **properties}
    return Commit(int(row["version"] or 0), changes_rows(operation, parameters, metrics), info)


def _mapping(text: str | None) -> dict[str, Any]:
    """Read a map that came as JSON; anything else (metadata of other tools) is an empty one."""
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _no_warehouse() -> NoWarehouseError:
    return NoWarehouseError(
        f"{settings_file()}: databricks.warehouse_id",
        found="no SQL warehouse",
        expected="the id of a warehouse: versions of tables are asked by DESCRIBE HISTORY, a "
        "statement that costs money each time",
        fix="write warehouse_id below databricks:, or set ML_ASSETS_WAREHOUSE_ID, and reload the "
        "code location; or leave it, and start runs by the schedule",
    )
