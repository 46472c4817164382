"""SQL warehouses, and the five statements that this project sends to one."""

from __future__ import annotations

import json
import re
import threading
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from ml_assets_tests.emulator.web import ApiError, Call, invalid, missing, route

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.routing import Route

    from ml_assets_tests.emulator.unity import Unity

API = "/api/2.0/sql"
LEAST_WAIT, MOST_WAIT = 5.0, 50.0
_PART = r"(?:`[^`]+`|\w+)"
_NAME = rf"(?P<name>{_PART}\.{_PART}\.{_PART})"
_LIMIT = r"(?:\s+LIMIT\s+(?P<limit>\d+))?"
HISTORY = re.compile(rf"(?:DESCRIBE|DESC)\s+HISTORY\s+{_NAME}{_LIMIT}", re.IGNORECASE)
DETAIL = re.compile(rf"(?:DESCRIBE|DESC)\s+DETAIL\s+{_NAME}", re.IGNORECASE)
ROWS = re.compile(rf"SELECT\s+\*\s+FROM\s+{_NAME}\s+LIMIT\s+(?P<limit>\d+)", re.IGNORECASE)
ONE = re.compile(r"SELECT\s+1(?:\s+AS\s+\w+)?", re.IGNORECASE)

Column = tuple[str, str]


@dataclass
class Sql:
    """Warehouses by id, and the statements that were executed.

    ``seconds`` is how long a statement takes: one that takes longer than the call waits is PENDING
    first, and is asked for again.
    """

    unity: Unity
    warehouses: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: float = 0.0
    executed: list[str] = field(default_factory=list)
    _answers: dict[str, tuple[float, dict[str, Any]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def create_warehouse(self, warehouse_id: str, **values: Any) -> None:
        """Create a warehouse that is RUNNING unless ``state`` says otherwise."""
        known = {"id": warehouse_id, "name": warehouse_id, "state": "RUNNING"}
        serverless = {"enable_serverless_compute": True, "warehouse_type": "PRO"}
        self.warehouses[warehouse_id] = known | serverless | values

    def routes(self) -> list[Route]:
        """Serve warehouses and statements."""
        return [
            route("GET", f"{API}/warehouses", self._list),
            route("GET", f"{API}/warehouses/{{id}}", self._get),
            route("POST", f"{API}/statements/", self._execute),
            route("GET", f"{API}/statements/{{id}}", self._result),
            route("POST", f"{API}/statements/{{id}}/cancel", self._cancel),
        ]

    def _list(self, _: Call) -> dict[str, Any]:
        return {"warehouses": list(self.warehouses.values())}

    def _get(self, call: Call) -> dict[str, Any]:
        return self._warehouse(call.params["id"])

    def _warehouse(self, warehouse_id: str) -> dict[str, Any]:
        if warehouse_id not in self.warehouses:
            raise missing(f"SQL warehouse {warehouse_id} does not exist.")
        return self.warehouses[warehouse_id]

    def _execute(self, call: Call) -> dict[str, Any]:
        body = call.json
        warehouse = self._warehouse(body.get("warehouse_id") or "")
        if warehouse["state"] in {"DELETED", "DELETING"}:
            raise ApiError(400, "BAD_REQUEST", f"Endpoint {warehouse['id']} was deleted.")
        waits = float(str(body.get("wait_timeout") or "10s").removesuffix("s"))
        if waits and not LEAST_WAIT <= waits <= MOST_WAIT:
            raise invalid("wait_timeout must be 0s, or between 5s and 50s.")
        text = (body.get("statement") or "").strip().rstrip(";").strip()
        statement_id = str(uuid.uuid4())
        with self._lock:
            self.executed.append(text)
            answer = {"statement_id": statement_id, **self._answer(text)}
            self._answers[statement_id] = (time.monotonic() + self.seconds, answer)
        time.sleep(min(waits, self.seconds))
        found = self._now(statement_id)
        if found["status"]["state"] == "PENDING" and body.get("on_wait_timeout") == "CANCEL":
            return self._stop(statement_id)
        return found

    def _result(self, call: Call) -> dict[str, Any]:
        return self._now(call.params["id"])

    def _cancel(self, call: Call) -> dict[str, Any]:
        self._now(call.params["id"])
        self._stop(call.params["id"])
        return {}

    def _stop(self, statement_id: str) -> dict[str, Any]:
        stopped = {"statement_id": statement_id, "status": {"state": "CANCELED"}}
        self._answers[statement_id] = (0.0, stopped)
        return stopped

    def _now(self, statement_id: str) -> dict[str, Any]:
        if statement_id not in self._answers:
            raise missing(f"The statement {statement_id} was not found.")
        ready, answer = self._answers[statement_id]
        if time.monotonic() < ready:
            return {"statement_id": statement_id, "status": {"state": "PENDING"}}
        return answer

    def _answer(self, text: str) -> dict[str, Any]:
        try:
            columns, rows = self._rows(text)
        except ApiError as error:
            problem = {"error_code": "BAD_REQUEST", "message": error.message}
            return {"status": {"state": "FAILED", "error": problem}}
        return {"status": {"state": "SUCCEEDED"}, **_table(columns, rows)}

    def _rows(self, text: str) -> tuple[Sequence[Column], list[list[Any]]]:
        if ONE.fullmatch(text):
            return [("1", "INT")], [[1]]
        if found := HISTORY.fullmatch(text):
            return self._history(found["name"], found["limit"])
        if found := DETAIL.fullmatch(text):
            return self._detail(found["name"])
        if found := ROWS.fullmatch(text):
            return self._select(found["name"], found["limit"])
        word = text.split(maxsplit=1)[0] if text else ""
        raise ApiError(400, "BAD_REQUEST", f"[PARSE_SYNTAX_ERROR] not emulated: {word!r}: {text}")

    def _delta(self, quoted: str) -> tuple[str, Any]:
        from deltalake import DeltaTable

        name = ".".join(part.strip("`") for part in re.findall(_PART, quoted))
        try:
            where = self.unity.table(name)["storage_location"]
        except ApiError:
            shown = ".".join(f"`{part}`" for part in name.split("."))
            text = f"[TABLE_OR_VIEW_NOT_FOUND] The table or view {shown} cannot be found. SQLSTATE: 42P01"
            raise ApiError(404, "TABLE_OR_VIEW_NOT_FOUND", text) from None
        return name, DeltaTable(where)

    def _select(self, name: str, limit: str) -> tuple[Sequence[Column], list[list[Any]]]:
        full, table = self._delta(name)
        columns = self.unity.table(full)["columns"]
        rows = table.to_pyarrow_dataset().head(int(limit)).to_pylist()
        described = [(c["name"], c["type_name"]) for c in columns]
        return described, [[_value(v) for v in row.values()] for row in rows]

    def _history(self, name: str, limit: str | None) -> tuple[Sequence[Column], list[list[Any]]]:
        _, table = self._delta(name)
        columns = [
            ("version", "LONG"),
            ("timestamp", "TIMESTAMP"),
            ("userId", "STRING"),
            ("userName", "STRING"),
            ("operation", "STRING"),
            ("operationParameters", "MAP"),
            ("job", "STRUCT"),
            ("notebook", "STRUCT"),
            ("clusterId", "STRING"),
            ("readVersion", "LONG"),
            ("isolationLevel", "STRING"),
            ("isBlindAppend", "BOOLEAN"),
            ("operationMetrics", "MAP"),
            ("userMetadata", "STRING"),
            ("engineInfo", "STRING"),
        ]
        rows = []
        for commit in table.history(int(limit) if limit else None):
            when = datetime.fromtimestamp(commit["timestamp"] / 1000, UTC)
            known = commit | {
                "timestamp": when.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "userName": self.unity.user,
                "operationParameters": _map(commit.get("operationParameters")),
                "operationMetrics": _map(commit.get("operationMetrics")),
            }
            rows.append([known.get(column) for column, _ in columns])
        return columns, rows

    def _detail(self, name: str) -> tuple[Sequence[Column], list[list[Any]]]:
        full, table = self._delta(name)
        about = table.metadata()
        values = {
            "format": ("STRING", "delta"),
            "id": ("STRING", str(about.id)),
            "name": ("STRING", full),
            "description": ("STRING", about.description),
            "location": ("STRING", self.unity.table(full)["storage_location"]),
            "partitionColumns": ("ARRAY", json.dumps(about.partition_columns)),
            "numFiles": ("LONG", len(table.file_uris())),
            "properties": ("MAP", _map(about.configuration)),
        }
        columns = [(column, kind) for column, (kind, _) in values.items()]
        return columns, [[value for _, value in values.values()]]


def _map(values: dict[str, Any] | None) -> str:
    """Write a map<string,string> as a result set does."""
    return json.dumps({name: str(value) for name, value in (values or {}).items()})


def _table(columns: Sequence[Column], rows: list[list[Any]]) -> dict[str, Any]:
    """Write rows in the format JSON_ARRAY: every value is a string or null."""
    described = [
        {"name": name, "type_name": kind, "type_text": kind, "position": position}
        for position, (name, kind) in enumerate(columns)
    ]
    schema = {"column_count": len(columns), "columns": described}
    chunk = {"chunk_index": 0, "row_offset": 0, "row_count": len(rows)}
    written = [[_text(value) for value in row] for row in rows]
    return {
        "manifest": {
            "format": "JSON_ARRAY",
            "schema": schema,
            "total_chunk_count": 1,
            "chunks": [chunk],
            "total_row_count": len(rows),
            "truncated": False,
        },
        "result": {**chunk, "data_array": written},
    }


def _value(value: Any) -> Any:
    """Write times as a warehouse does; whole numbers, numbers and texts stay for ``_text``."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else value


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)
