"""What Databricks tells about a table: its statement, its details, its history."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ml_assets_tests.conformance.shim import delta_log

if TYPE_CHECKING:
    from ml_assets_tests.conformance.shim.unity import Table

HISTORY = (
    "version bigint, timestamp timestamp, userId string, userName string, operation string, "
    "operationParameters map<string,string>, readVersion bigint, isolationLevel string, "
    "isBlindAppend boolean, operationMetrics map<string,string>, userMetadata string, "
    "engineInfo string"
)
DETAIL = (
    "format string, id string, name string, description string, location string, "
    "createdAt timestamp, partitionColumns array<string>, clusteringColumns array<string>, "
    "properties map<string,string>, minReaderVersion int, minWriterVersion int"
)


def create_statement(table: Table) -> str:
    """Write the statement as ``SHOW CREATE TABLE`` does."""
    from pyspark.sql.types import StructType

    lines = []
    for field in StructType.fromJson(table.metadata["schema"]):
        comment = field.metadata.get("comment")
        lines.append(
            f"  `{field.name}` {field.dataType.simpleString().upper()}"
            f"{'' if field.nullable else ' NOT NULL'}"
            f"{' COMMENT ' + _literal(comment) if comment else ''}"
        )
    if table.primary_key:
        keys = (f"`{k}`{' TIMESERIES' if k == table.timeseries else ''}" for k in table.primary_key)
        lines.append(f"  CONSTRAINT `{table.constraint}` PRIMARY KEY ({', '.join(keys)})")
    columns = ",\n".join(lines)
    comment = f"COMMENT {_literal(table.comment)}\n" if table.comment else ""
    return f"CREATE TABLE {table.name} (\n{columns})\nUSING delta\n{comment}"


def history_rows(commits: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Give commits the columns of ``DESCRIBE HISTORY``."""
    return [
        (
            c["version"],
            _time(c.get("timestamp", 0)),
            "1",
            "test@example.com",
            c.get("operation"),
            _texts(c.get("operationParameters")),
            c["version"] - 1 if c["version"] else None,
            "WriteSerializable",
            c.get("isBlindAppend"),
            _texts(c.get("operationMetrics")),
            c.get("userMetadata"),
            c.get("engineInfo"),
        )
        for c in commits
    ]


def detail_row(table: Table) -> tuple[Any, ...]:
    """Give a table the columns of ``DESCRIBE DETAIL``."""
    found = delta_log.metadata(table.folder)
    return (
        "delta",
        table.table_id,
        table.name,
        found.get("description"),
        table.location,
        _time(table.created_at),
        found["partitionColumns"],
        [],
        found["configuration"],
        1,
        2,
    )


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _texts(values: dict[str, Any] | None) -> dict[str, str]:
    return {k: v if isinstance(v, str) else json.dumps(v) for k, v in (values or {}).items()}


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
