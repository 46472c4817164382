"""Unity Catalog: what is known about tables beside their Delta logs, and who may do what."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ml_assets_tests.conformance.shim import delta_log
from ml_assets_tests.conformance.shim.errors import refuse

_TIMES = {"timestamp", "timestamp_ntz", "date"}


@dataclass
class Table:
    """A managed Delta table. The primary key is a promise, as on Databricks: nobody enforces it."""

    name: str
    location: str
    table_id: str
    created_at: int = field(default_factory=lambda: time.time_ns() // 1_000_000)
    constraint: str = ""
    primary_key: list[str] = field(default_factory=list)
    timeseries: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    column_tags: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return Path(self.location)

    @property
    def metadata(self) -> dict[str, Any]:
        """The metadata of its Delta log, with the parsed schema."""
        return delta_log.metadata(self.folder)

    @property
    def columns(self) -> dict[str, dict[str, Any]]:
        """Its columns as Delta describes them, by name."""
        return {f["name"]: f for f in self.metadata["schema"]["fields"]}

    @property
    def comment(self) -> str:
        return self.metadata.get("description") or ""

    def column(self, name: str) -> dict[str, Any]:
        for found, column in self.columns.items():
            if found.lower() == name.lower():
                return column
        raise refuse("UNRESOLVED_COLUMN", f"{name} is no column of {self.name}")

    def set_primary_key(self, constraint: str, columns: list[str], timeseries: str | None) -> None:
        """Promise a primary key.

        Raises
        ------
        AnalysisException
            When there is one already, or a column is missing or may be null.
        """
        if self.primary_key:
            raise refuse("DELTA_PRIMARY_KEY_EXISTS", f"{self.name} has a primary key already")
        for name in columns:
            if self.column(name)["nullable"]:
                raise refuse(
                    "UC_PRIMARY_KEY_COLUMN_NULLABLE",
                    f"cannot create the primary key {constraint}: its column {name} is nullable",
                )
        if timeseries and self.column(timeseries)["type"] not in _TIMES:
            raise refuse("UC_TIMESERIES_TYPE", f"{timeseries} is no timestamp and no date")
        self.constraint, self.primary_key, self.timeseries = constraint, columns, timeseries

    def check_primary_key(self) -> None:
        """Refuse a schema that its primary key does not allow (an overwritten one, mostly)."""
        for name in self.primary_key:
            if self.column(name)["nullable"]:
                raise refuse(
                    "UC_PRIMARY_KEY_COLUMN_NULLABLE",
                    f"{self.name}: {name} is in the primary key and has become nullable",
                )

    def drop_primary_key(self) -> None:
        self.constraint, self.primary_key, self.timeseries = "", [], None


@dataclass
class Unity:
    """All tables of a workspace and all grants; kept in a file, as another process may come."""

    file: Path
    schemas: set[str] = field(default_factory=set)
    tables: dict[str, Table] = field(default_factory=dict)
    #: (kind, name) -> principal -> privileges, e.g. ("TABLE", "a.b.c") -> "analysts" -> {"SELECT"}
    grants: dict[tuple[str, str], dict[str, set[str]]] = field(default_factory=dict)

    @classmethod
    def load(cls, file: Path) -> Unity:
        """Read what an earlier workspace at the same place knew."""
        if not file.exists():
            return cls(file)
        stored = json.loads(file.read_text(encoding="utf-8"))
        grants = {
            (kind, name): {who: set(what) for who, what in by_principal.items()}
            for kind, name, by_principal in stored["grants"]
        }
        tables = {t["name"]: Table(**t) for t in stored["tables"]}
        return cls(file, set(stored["schemas"]), tables, grants)

    def save(self) -> None:
        grants = [
            (kind, name, {who: sorted(what) for who, what in by_principal.items()})
            for (kind, name), by_principal in self.grants.items()
        ]
        tables = [asdict(t) for t in self.tables.values()]
        stored = {"schemas": sorted(self.schemas), "tables": tables, "grants": grants}
        self.file.write_text(json.dumps(stored, indent=1), encoding="utf-8")

    def table(self, name: str) -> Table:
        """Find a table by its full name in lower case.

        Raises
        ------
        AnalysisException
            When there is none.
        """
        if name not in self.tables:
            raise refuse("TABLE_OR_VIEW_NOT_FOUND", f"the table or view {name} cannot be found")
        return self.tables[name]

    def grant(self, kind: str, name: str, principal: str, privileges: set[str]) -> None:
        self.grants.setdefault((kind, name), {}).setdefault(principal, set()).update(privileges)

    def revoke(self, kind: str, name: str, principal: str, privileges: set[str]) -> None:
        held = self.grants.get((kind, name), {})
        held[principal] = held.get(principal, set()) - privileges
        if not held[principal]:
            del held[principal]

    def granted(self, kind: str, name: str) -> dict[str, set[str]]:
        """Privileges by principal."""
        return self.grants.get((kind, name), {})
