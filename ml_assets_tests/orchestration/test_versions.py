"""Versions of tables from DESCRIBE HISTORY: what counts as a change, what it costs, what fails."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import dagster as dg
import pyarrow as pa
import pytest
from databricks.sdk.service.sql import StatementState
from deltalake import DeltaTable, write_deltalake

from ml_assets.orchestration import versions
from ml_assets.orchestration.statements import StatementError, Statements, StillRunningError
from ml_assets.orchestration.versions import (
    DatabricksVersions,
    EmbeddedVersions,
    NoWarehouseError,
    observed_version,
    open_versions,
)
from ml_assets.spec.errors import StorageError
from ml_assets_tests.emulator.fixtures import (
    WAREHOUSE,
    databricks_variables,
    emulator,
    task_environments,
)
from ml_assets_tests.orchestration.warehouse_of_test import Warehouse, commit

if TYPE_CHECKING:
    from pathlib import Path

    from ml_assets_tests.emulator.server import Emulator

__all__ = ["databricks_variables", "emulator", "task_environments"]
TABLE = "main.shop.visits"


def asking(warehouse: Warehouse, seconds: float = 5) -> DatabricksVersions:
    patience = timedelta(seconds=seconds)
    return DatabricksVersions(Statements(warehouse.client, "w1", patience, poll_seconds=0.01))


def history(*commits: list[str | None]) -> DatabricksVersions:
    return asking(Warehouse({"visits": list(commits)}))


def test_the_last_commit_is_the_version() -> None:
    assert history(commit(0), commit(1), commit(2)).data_version(TABLE) == 2


@pytest.mark.parametrize(
    "operation",
    [
        "ADD COLUMNS",
        "ADD CONSTRAINT",
        "CHANGE COLUMN",
        "CLUSTER BY",
        "OPTIMIZE",
        "REORG",
        "SET TBLPROPERTIES",
        "UPGRADE PROTOCOL",
        "VACUUM END",
        "VACUUM START",
    ],
)
def test_commits_that_change_no_rows_do_not_count(operation: str) -> None:
    assert history(commit(0), commit(1), commit(2, operation)).data_version(TABLE) == 1


@pytest.mark.parametrize(
    "operation",
    [
        "CREATE TABLE AS SELECT",
        "CREATE OR REPLACE TABLE AS SELECT",
        "DELETE",
        "UPDATE",
        "TRUNCATE",
        "RESTORE",
        "STREAMING UPDATE",
        "CLONE",
        "COPY INTO",
        "SOMETHING THAT NOBODY KNOWS YET",
    ],
)
def test_all_other_operations_count(operation: str) -> None:
    assert history(commit(0), commit(1, operation)).data_version(TABLE) == 1


MERGED = {"numTargetRowsInserted": "0", "numTargetRowsUpdated": "0", "numTargetRowsDeleted": "0"}


@pytest.mark.parametrize(
    ("last", "version"),
    [
        (
            commit(1, parameters={"mode": "Append"}, metrics={"numOutputRows": "0"}),
            0,
        ),
        (commit(1, parameters={"mode": "Append"}, metrics={}), 1),
        (commit(1, parameters={"mode": "Overwrite"}, metrics={"numOutputRows": "0"}), 1),
        (commit(1, "MERGE", metrics=MERGED), 0),
        (commit(1, "MERGE", metrics={**MERGED, "numTargetRowsUpdated": "1"}), 1),
        (commit(1, "MERGE", metrics={}), 1),
    ],
)
def test_an_append_or_merge_of_nothing_is_no_change(last: list[str | None], version: int) -> None:
    assert history(commit(0), last).data_version(TABLE) == version


def test_a_table_that_is_not_there_has_no_version() -> None:
    answers = asking(Warehouse())
    assert answers.data_version(TABLE) is None
    assert list(answers.commits_since(TABLE, -1)) == []


def test_a_table_that_was_only_created_has_no_version() -> None:
    assert history(commit(0, "CREATE TABLE")).data_version(TABLE) is None


def test_when_older_commits_are_gone_the_version_before_them_is_the_rows() -> None:
    assert history(commit(7, "OPTIMIZE"), commit(8, "VACUUM END")).data_version(TABLE) == 6


def test_each_table_is_asked_once() -> None:
    warehouse = Warehouse({"visits": [commit(0), commit(1)]})
    answers = asking(warehouse)
    for _ in range(2):
        assert answers.data_version(TABLE) == 1
        assert [c.version for c in answers.commits_since(TABLE, 0)] == [1]
    assert warehouse.asked == ["DESCRIBE HISTORY `main`.`shop`.`visits` LIMIT 50"]


def test_more_is_asked_for_only_when_the_last_commits_say_nothing() -> None:
    commits = [commit(0), *(commit(n, "OPTIMIZE") for n in range(1, 120))]
    warehouse = Warehouse({"visits": commits}, page=100)
    answers = asking(warehouse)
    assert answers.data_version(TABLE) == 0
    assert len(list(answers.commits_since(TABLE, -1))) == 120
    assert [s.rpartition(" ")[2] for s in warehouse.asked] == ["50", "500"]


def test_commits_since_reach_back_as_far_as_asked() -> None:
    answers = history(*(commit(n) for n in range(200)))
    assert answers.data_version(TABLE) == 199
    assert [c.version for c in answers.commits_since(TABLE, 100)] == list(range(101, 200))


@pytest.mark.parametrize(
    ("metadata", "properties"),
    [
        ('{"ml_assets.dagster_run_id": "r1", "other": 1}', {"ml_assets.dagster_run_id": "r1"}),
        ("nightly load", {}),
        ("[1]", {}),
        (None, {}),
    ],
)
def test_our_own_metadata_are_the_commit_s_properties(
    metadata: str | None, properties: dict[str, Any]
) -> None:
    (found,) = history(commit(0, metadata=metadata)).commits_since(TABLE, -1)
    assert found.info == {
        "timestamp": "2026-11-23T10:00:00.000Z",
        "operation": "WRITE",
        **properties,
    }


def test_a_statement_that_takes_a_while_is_waited_for() -> None:
    states = [StatementState.PENDING, StatementState.PENDING, StatementState.RUNNING]
    warehouse = Warehouse({"visits": [commit(3)]}, states=states)
    assert asking(warehouse).data_version(TABLE) == 3


def test_a_warehouse_that_does_not_wake_up_in_time_is_given_up_and_the_statement_cancelled() -> (
    None
):
    warehouse = Warehouse({"visits": [commit(0)]}, states=[StatementState.PENDING] * 1000)
    with pytest.raises(StillRunningError, match=r"no answer after 0\.05 seconds") as caught:
        asking(warehouse, seconds=0.05).data_version(TABLE)
    assert "the statement is PENDING" in caught.value.found
    assert warehouse.cancelled == warehouse.asked


def test_the_patience_is_for_all_tables_together() -> None:
    warehouse = Warehouse({"visits": [commit(0)], "people": [commit(0)]})
    answers = asking(warehouse, seconds=0.05)
    answers.data_version(TABLE)
    warehouse.states = [StatementState.PENDING] * 8
    answers.statements._deadline = 0.0
    with pytest.raises(StillRunningError):
        answers.data_version("main.shop.people")
    assert len(warehouse.states) == 7


def test_what_the_warehouse_refuses_is_an_error_not_a_missing_table() -> None:
    said = "[INSUFFICIENT_PERMISSIONS] User does not have SELECT on table visits."
    answers = asking(Warehouse(errors={"visits": said}))
    with pytest.raises(StatementError) as caught:
        answers.data_version(TABLE)
    assert caught.value.condition == "INSUFFICIENT_PERMISSIONS"
    assert "DESCRIBE HISTORY `main`.`shop`.`visits`" in caught.value.where


def test_a_warehouse_that_was_deleted_is_named() -> None:
    from databricks.sdk.errors import NotFound

    def gone(*_: object, **__: object) -> None:
        raise NotFound("The warehouse w1 was not found")

    client: Any = SimpleNamespace(statement_execution=SimpleNamespace(execute_statement=gone))
    answers = DatabricksVersions(Statements(client, "w1", timedelta(seconds=1)))
    with pytest.raises(StorageError, match="w1 was not found") as caught:
        answers.data_version(TABLE)
    assert "databricks.warehouse_id" in caught.value.fix


def test_a_name_cannot_break_out_of_the_statement() -> None:
    with pytest.raises(ValueError, match="plain name"):
        history().data_version("main.shop.visits`; DROP TABLE x")


def test_on_a_laptop_the_delta_log_answers(home: Path) -> None:
    assert open_versions(timedelta(0)) == EmbeddedVersions(home)
    with pytest.raises(dg.Failure, match=f"no table {TABLE} in the warehouse"):
        observed_version(TABLE)
    write_deltalake(str(home.joinpath("warehouse", *TABLE.split("."))), pa.table({"a": [1]}))
    assert observed_version(TABLE) == dg.DataVersion("0")


@pytest.fixture
def on_databricks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """A warehouse, configured."""
    file = tmp_path / "ml_assets.yaml"
    file.write_text("databricks: {catalog: main, schema: ml, warehouse_id: w1}")
    monkeypatch.setenv("ML_ASSETS_PLATFORM", "databricks")
    monkeypatch.setenv("ML_ASSETS_CONFIG", str(file))
    warehouse = Warehouse({"visits": [commit(0), commit(1)]})
    monkeypatch.setattr(versions, "workspace_client", lambda _: warehouse.client)
    return warehouse


def test_on_databricks_the_warehouse_answers(on_databricks: Warehouse) -> None:
    assert observed_version(TABLE) == dg.DataVersion("1")
    assert len(on_databricks.asked) == 1


def test_on_databricks_a_missing_table_names_who_can_help(on_databricks: Warehouse) -> None:
    with pytest.raises(dg.Failure, match="grants SELECT") as caught:
        observed_version("main.shop.people")
    assert caught.value.allow_retries is False


def test_without_a_warehouse_it_says_what_to_configure(
    on_databricks: Warehouse, tmp_path: Path
) -> None:
    (tmp_path / "ml_assets.yaml").write_text("databricks: {catalog: main, schema: ml}")
    with pytest.raises(NoWarehouseError, match="costs money") as caught:
        open_versions(timedelta(0))
    assert caught.value.where == f"{tmp_path / 'ml_assets.yaml'}: databricks.warehouse_id"
    with pytest.raises(dg.Failure, match="warehouse_id"):
        observed_version(TABLE)
    assert on_databricks.asked == []


def test_through_the_real_client_it_is_what_the_delta_log_says(
    databricks_variables: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way: settings, SDK, HTTP, DESCRIBE HISTORY of a real Delta table."""
    file = tmp_path / "ml_assets.yaml"
    file.write_text(f"databricks: {{catalog: main, schema: ml, warehouse_id: '{WAREHOUSE}'}}")
    monkeypatch.setenv("ML_ASSETS_PLATFORM", "databricks")
    monkeypatch.setenv("ML_ASSETS_CONFIG", str(file))
    folder = tmp_path / "visits"
    databricks_variables.unity.create_table(TABLE, folder)
    rows = pa.table({"a": [1, 2]})
    for mode in ("error", "append", "append"):
        write_deltalake(str(folder), rows, mode=mode)
    DeltaTable(str(folder)).optimize.compact()
    answers = open_versions(timedelta(seconds=10))
    assert answers.data_version(TABLE) == 2
    assert [(c.version, c.is_data) for c in answers.commits_since(TABLE, 1)] == [
        (2, True),
        (3, False),
    ]
    assert answers.data_version("main.shop.nothing") is None
    assert observed_version(TABLE) == dg.DataVersion("2")


@pytest.mark.slow
def test_an_answer_that_takes_seconds_is_asked_for_again(
    databricks_variables: Emulator, tmp_path: Path
) -> None:
    databricks_variables.unity.create_table(TABLE, tmp_path / "visits")
    write_deltalake(str(tmp_path / "visits"), pa.table({"a": [1]}))
    databricks_variables.sql.seconds = 5.4
    client = databricks_variables.client()
    answers = DatabricksVersions(Statements(client, WAREHOUSE, timedelta(seconds=5), 0.1))
    with pytest.raises(StillRunningError, match="no answer after 5 seconds"):
        answers.data_version(TABLE)
    answers = DatabricksVersions(Statements(client, WAREHOUSE, timedelta(seconds=9), 0.1))
    assert answers.data_version(TABLE) == 0
