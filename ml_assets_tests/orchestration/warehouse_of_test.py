"""A SQL warehouse that answers DESCRIBE HISTORY from lists, through the SDK's own classes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from databricks.sdk.service.sql import (
    ColumnInfo,
    ResultData,
    ResultManifest,
    ResultSchema,
    ServiceError,
    StatementResponse,
    StatementState,
    StatementStatus,
)

COLUMNS = ("version", "timestamp", "operation", "operationParameters", "operationMetrics")
COLUMNS = (*COLUMNS, "userMetadata")


def commit(version: int, operation: str = "WRITE", **facts: Any) -> list[str | None]:
    """One row of DESCRIBE HISTORY, as the API gives it: everything is text."""
    return [
        str(version),
        f"2026-11-23T10:{version:02}:00.000Z",
        operation,
        json.dumps(facts.get("parameters", {"mode": "Overwrite"})),
        json.dumps(facts.get("metrics", {"numOutputRows": "10"})),
        facts.get("metadata"),
    ]


@dataclass
class Warehouse:
    """Histories by table, newest last; ``states`` are what a statement goes through first."""

    histories: dict[str, list[list[str | None]]] = field(default_factory=dict)
    states: list[StatementState] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    page: int = 1000
    asked: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)

    @property
    def client(self) -> Any:
        return SimpleNamespace(statement_execution=self)

    def execute_statement(self, statement: str, warehouse_id: str, **_: Any) -> StatementResponse:
        assert warehouse_id == "w1"
        self.asked.append(statement)
        return self._now(statement)

    def get_statement(self, statement_id: str) -> StatementResponse:
        return self._now(statement_id)

    def get_statement_result_chunk_n(self, statement_id: str, index: int) -> ResultData:
        return self._chunk(self._rows(statement_id), index)

    def cancel_execution(self, statement_id: str) -> None:
        self.cancelled.append(statement_id)

    def _now(self, statement: str) -> StatementResponse:
        """The statement is its own id."""
        if self.states:
            state = StatementStatus(state=self.states.pop(0))
            return StatementResponse(status=state, statement_id=statement)
        table = statement.rsplit("`.`", maxsplit=1)[-1].split("`", maxsplit=1)[0]
        if table in self.errors or table not in self.histories:
            said = f"[TABLE_OR_VIEW_NOT_FOUND] The table or view {table} cannot be found."
            error = ServiceError(message=self.errors.get(table, said))
            status = StatementStatus(state=StatementState.FAILED, error=error)
            return StatementResponse(status=status, statement_id=statement)
        schema = ResultSchema(columns=[ColumnInfo(name=name) for name in COLUMNS])
        return StatementResponse(
            status=StatementStatus(state=StatementState.SUCCEEDED),
            statement_id=statement,
            manifest=ResultManifest(schema=schema),
            result=self._chunk(self._rows(statement), 0),
        )

    def _rows(self, statement: str) -> list[list[str | None]]:
        table, _, limit = statement.partition(" LIMIT ")
        history = self.histories[table.split("`")[-2]]
        return list(reversed(history))[: int(limit)]

    def _chunk(self, rows: list[list[str | None]], index: int) -> ResultData:
        start = index * self.page
        following = index + 1 if start + self.page < len(rows) else None
        return ResultData(
            data_array=rows[start : start + self.page] or None, next_chunk_index=following
        )
