"""SQL statements on a Databricks warehouse, waited for no longer than somebody has patience."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ml_assets.spec.errors import StorageError

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.sql import ResultData, StatementResponse, StatementStatus

Row = Mapping[str, str | None]

#: The API itself waits between 5 and 50 seconds for a statement before it answers.
_SHORTEST_WAIT, _LONGEST_WAIT = 5, 50
_POLL_SECONDS = 1.0


class StillRunningError(StorageError):
    """The warehouse did not answer in time, mostly because it is being started."""


class StatementError(StorageError):
    """The warehouse refused a statement; ``condition`` is its error class, when it gave one."""

    @property
    def condition(self) -> str:
        """Name the error class.

        >>> error = StatementError("x", found="[TABLE_OR_VIEW_NOT_FOUND] The …", expected="", fix="")
        >>> error.condition
        'TABLE_OR_VIEW_NOT_FOUND'
        """
        text = self.found.lstrip()
        return text[1:].partition("]")[0] if text.startswith("[") else ""


@dataclass
class Statements:
    """Runs statements on a warehouse; ``patience`` is for all of them together, from the first on.

    Running one starts a stopped warehouse, and that costs money.
    """

    client: WorkspaceClient
    warehouse_id: str
    patience: timedelta
    poll_seconds: float = _POLL_SECONDS
    _deadline: float | None = field(default=None, init=False)

    def rows(self, statement: str) -> list[Row]:
        """Run a statement and give its rows, values as text.

        Raises
        ------
        StillRunningError
            When it did not end in time; it is cancelled.
        StatementError
            When the warehouse refused it.
        StorageError
            When the warehouse could not be asked.
        """
        from databricks.sdk.errors.base import DatabricksError

        try:
            response = self._wait(self._execute(statement), statement)
            return list(self._all_rows(response))
        except (DatabricksError, TimeoutError, OSError) as error:
            raise self._unreachable(error) from error

    def _execute(self, statement: str) -> StatementResponse:
        from databricks.sdk.service.sql import ExecuteStatementRequestOnWaitTimeout as OnTimeout

        wait = max(_SHORTEST_WAIT, min(_LONGEST_WAIT, int(self._left())))
        return self.client.statement_execution.execute_statement(
            statement,
            self.warehouse_id,
            wait_timeout=f"{wait}s",
            on_wait_timeout=OnTimeout.CONTINUE,
        )

    def _wait(self, response: StatementResponse, statement: str) -> StatementResponse:
        from databricks.sdk.service.sql import StatementState as State

        while True:
            status, statement_id = response.status, response.statement_id or ""
            if status is None or status.state is State.SUCCEEDED:
                return response
            if status.state not in (State.PENDING, State.RUNNING):
                raise self._failed(status, statement)
            if self._left() <= 0:
                self.client.statement_execution.cancel_execution(statement_id)
                raise self._too_slow(status.state)
            time.sleep(self.poll_seconds)
            response = self.client.statement_execution.get_statement(statement_id)

    def _all_rows(self, response: StatementResponse) -> Iterator[Row]:
        schema = response.manifest.schema if response.manifest else None
        names = [column.name or "" for column in (schema.columns or [])] if schema else []
        chunk: ResultData | None = response.result
        while chunk is not None:
            yield from (dict(zip(names, row, strict=True)) for row in chunk.data_array or [])
            index = chunk.next_chunk_index
            chunk = None if index is None else self._chunk(response.statement_id or "", index)

    def _chunk(self, statement_id: str, index: int) -> ResultData:
        return self.client.statement_execution.get_statement_result_chunk_n(statement_id, index)

    def _left(self) -> float:
        """Seconds of patience that are left."""
        if self._deadline is None:
            self._deadline = time.monotonic() + self.patience.total_seconds()
        return self._deadline - time.monotonic()

    def _failed(self, status: StatementStatus, statement: str) -> StatementError:
        said = status.error.message if status.error else None
        state = status.state.value if status.state else "no state"
        return StatementError(
            f"SQL warehouse {self.warehouse_id}: {statement}",
            found=said or f"the statement ended as {state}",
            expected="a statement that succeeds",
            fix="check the name, and that the one who asks may use the catalog and the schema and "
            "SELECT from the table",
        )

    def _too_slow(self, state: Any) -> StillRunningError:
        return StillRunningError(
            f"SQL warehouse {self.warehouse_id}",
            found=f"no answer after {self.patience.total_seconds():g} seconds "
            f"(the statement is {state.value})",
            expected="an answer in time; a stopped warehouse takes seconds (serverless) to minutes",
            fix="try again when it is running, or use a serverless warehouse",
        )

    def _unreachable(self, error: Exception) -> StorageError:
        return StorageError(
            f"SQL warehouse {self.warehouse_id}",
            found=f"it cannot be asked: {error}",
            expected="a warehouse that exists, which the one who asks may use",
            fix="check databricks.warehouse_id in ml_assets.yaml and the permission CAN USE; "
            "`ml-assets doctor` looks at both",
        )
