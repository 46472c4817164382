"""Statements on a SQL warehouse over real Delta tables."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from databricks.sdk.errors import InvalidParameterValue, NotFound
from databricks.sdk.service.sql import StatementState
from deltalake import DeltaTable, write_deltalake

from ml_assets_tests.emulator.fixtures import WAREHOUSE

NAME = "`shop`.`raw`.`visits`"


@pytest.fixture
def table(emulator, tmp_path):
    emulator.unity.warehouse = tmp_path / "warehouse"
    folder = tmp_path / "warehouse/shop/raw/visits"
    for rows in (3, 2):
        write_deltalake(folder, pd.DataFrame({"x": range(rows)}), mode="append")
    return folder


def execute(client, statement, **how):
    return client.statement_execution.execute_statement(statement, WAREHOUSE, **how)


def rows_of(answer):
    names = [column.name for column in answer.manifest.schema.columns]
    return [dict(zip(names, row, strict=True)) for row in answer.result.data_array or []]


def test_history_has_version_operation_and_metrics_as_texts(client, table) -> None:
    latest, first = rows_of(execute(client, f"DESCRIBE HISTORY {NAME}"))
    assert (latest["version"], first["version"]) == ("1", "0")
    assert latest["operation"] == "WRITE"
    assert json.loads(latest["operationParameters"])["mode"] == "Append"
    assert json.loads(latest["operationMetrics"])["num_added_rows"] == "2"
    assert latest["timestamp"].endswith("Z")
    [only] = rows_of(execute(client, "describe history shop.raw.visits limit 1"))
    assert only["version"] == "1"


def test_detail_says_where_the_table_is(client, table) -> None:
    [row] = rows_of(execute(client, f"DESCRIBE DETAIL {NAME};"))
    assert row["format"] == "delta"
    assert row["location"] == str(table)
    assert row["numFiles"] == str(len(DeltaTable(table).file_uris()))


def test_select_one_answers(client) -> None:
    assert execute(client, "SELECT 1").result.data_array == [["1"]]


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("SELECT * FROM shop.raw.visits", "not emulated"),
        ("DESCRIBE HISTORY shop.raw.none", "TABLE_OR_VIEW_NOT_FOUND"),
        ("DROP TABLE shop.raw.visits", "not emulated"),
        ("", "not emulated"),
    ],
)
def test_every_other_statement_fails(client, table, statement, says) -> None:
    answer = execute(client, statement)
    assert answer.status.state is StatementState.FAILED
    assert says in answer.status.error.message


def test_a_slow_statement_is_asked_for_again(client, emulator) -> None:
    emulator.sql.seconds = 0.5
    answer = execute(client, "SELECT 1", wait_timeout="0s")
    assert answer.status.state is StatementState.PENDING
    client.statement_execution.cancel_execution(answer.statement_id)
    again = client.statement_execution.get_statement(answer.statement_id)
    assert again.status.state is StatementState.CANCELED
    assert execute(client, "SELECT 1", wait_timeout="10s").status.state is StatementState.SUCCEEDED


def test_how_long_is_waited_has_bounds(client) -> None:
    for seconds in (1, 51):
        with pytest.raises(InvalidParameterValue, match="wait_timeout"):
            execute(client, "SELECT 1", wait_timeout=f"{seconds}s")


def test_warehouses(client, emulator) -> None:
    assert client.warehouses.get(WAREHOUSE).state.value == "RUNNING"
    assert [w.id for w in client.warehouses.list()] == [WAREHOUSE]
    with pytest.raises(NotFound):
        client.statement_execution.execute_statement("SELECT 1", "none")
