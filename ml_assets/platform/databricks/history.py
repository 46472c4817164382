"""What ``DESCRIBE HISTORY`` says of a table's commits.

``orchestration`` reads the same history through a SQL warehouse: it may use ``changes_rows`` and
``data_version`` too, so that both sides mean the same by "the rows were changed".
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PREFIX = "ml_assets."
#: Commits that only rearrange or clean up files; Databricks does these by itself at any time.
MAINTENANCE = frozenset(
    {
        *("OPTIMIZE", "AUTO OPTIMIZE", "REORG", "FSCK", "ANALYZE", "COMPUTE STATS"),
        *("VACUUM START", "VACUUM END", "REFRESH STATS", "UPDATE STATS"),
    }
)
#: Commits that only describe: schema, properties, constraints, tags.
DESCRIPTIVE = frozenset(
    {
        *("CREATE TABLE", "SET TBLPROPERTIES", "UNSET TBLPROPERTIES", "UPGRADE PROTOCOL"),
        *("ADD CONSTRAINT", "DROP CONSTRAINT", "ADD COLUMNS", "CHANGE COLUMN", "CHANGE COLUMNS"),
        *("RENAME COLUMN", "UPDATE COLUMN METADATA", "UPDATE SCHEMA", "CLUSTER BY"),
        *("SET TAGS", "UNSET TAGS", "SET TABLE COMMENT", "ADD FEATURE", "DROP FEATURE"),
        *("SET NOT NULL", "DROP NOT NULL", "COMMENT", "SET OWNER", "DOMAIN METADATA"),
    }
)


_MERGED = ("numTargetRowsInserted", "numTargetRowsUpdated", "numTargetRowsDeleted")


@dataclass(frozen=True)
class Commit:
    """One commit; ``metadata`` is what its writer said of it (``userMetadata``), when it is JSON."""

    version: int
    operation: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def changes_rows(self) -> bool:
        """Whether readers may find other rows after it."""
        return changes_rows(self.operation, self.parameters, self.metrics)


def changes_rows(
    operation: str,
    parameters: Mapping[str, str] | None = None,
    metrics: Mapping[str, str] | None = None,
) -> bool:
    """Whether a commit of this kind may have changed rows; what is not certain counts as a change.

    >>> changes_rows("MERGE"), changes_rows("OPTIMIZE"), changes_rows("CREATE TABLE AS SELECT")
    (True, False, True)
    >>> changes_rows("WRITE", {"mode": "Append"}, {"numOutputRows": "0"})
    False
    """
    name, counts = operation.upper(), metrics or {}
    if name in MAINTENANCE or name in DESCRIPTIVE:
        return False
    if name == "WRITE" and (parameters or {}).get("mode") == "Append":
        return counts.get("numOutputRows") != "0"
    if name == "MERGE":
        return any(counts.get(count) != "0" for count in _MERGED)
    return True


def data_version(commits: Iterable[Commit]) -> int | None:
    """Return the version of the last commit that changed rows; None when none is known.

    >>> data_version([Commit(1, "WRITE"), Commit(2, "OPTIMIZE"), Commit(0, "CREATE TABLE")])
    1
    """
    return max((c.version for c in commits if c.changes_rows), default=None)


def commits_of(rows: Iterable[Mapping[str, Any]]) -> list[Commit]:
    """Read the rows of ``DESCRIBE HISTORY``, latest first."""
    found = (
        Commit(
            version=int(row["version"]),
            operation=str(row["operation"] or ""),
            parameters=dict(row.get("operationParameters") or {}),
            metrics={k: str(v) for k, v in (row.get("operationMetrics") or {}).items()},
            metadata=_metadata(row.get("userMetadata")),
        )
        for row in rows
    )
    return sorted(found, key=lambda commit: -commit.version)


def user_metadata(properties: Mapping[str, str]) -> str:
    """Write a commit's properties as its ``userMetadata``.

    >>> user_metadata({"spec_hash": "0a1b"})
    '{"ml_assets.spec_hash": "0a1b"}'
    """
    named = {k if k.startswith(PREFIX) else f"{PREFIX}{k}": str(v) for k, v in properties.items()}
    return json.dumps(named, sort_keys=True)


def _metadata(text: str | None) -> dict[str, Any]:
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
