"""Which commits change rows, and who wrote them."""

from __future__ import annotations

import json

import pytest

from ml_assets.platform.databricks.history import (
    Commit,
    changes_rows,
    commits_of,
    data_version,
    user_metadata,
)


@pytest.mark.parametrize(
    "operation",
    [
        *("OPTIMIZE", "VACUUM START", "VACUUM END", "SET TBLPROPERTIES", "ADD CONSTRAINT"),
        *("CREATE TABLE", "CHANGE COLUMN", "ADD COLUMNS", "CLUSTER BY", "optimize"),
    ],
)
def test_operations_that_leave_the_rows_alone(operation):
    assert not changes_rows(operation)


@pytest.mark.parametrize(
    "operation",
    [
        *("WRITE", "MERGE", "DELETE", "UPDATE", "TRUNCATE", "RESTORE", "CREATE TABLE AS SELECT"),
        *("CREATE OR REPLACE TABLE AS SELECT", "STREAMING UPDATE", "COPY INTO", "CLONE", "NEW ONE"),
    ],
)
def test_everything_else_may_change_rows(operation):
    assert changes_rows(operation)


def test_appends_and_merges_of_nothing_change_nothing():
    assert not changes_rows("WRITE", {"mode": "Append"}, {"numOutputRows": "0"})
    assert changes_rows("WRITE", {"mode": "Append"}, {"numOutputRows": "2"})
    assert changes_rows("WRITE", {"mode": "Overwrite"}, {"numOutputRows": "0"})
    nothing = dict.fromkeys(
        ("numTargetRowsInserted", "numTargetRowsUpdated", "numTargetRowsDeleted"), "0"
    )
    assert not changes_rows("MERGE", {}, nothing)
    assert changes_rows("MERGE", {}, {**nothing, "numTargetRowsDeleted": "1"})
    assert changes_rows("MERGE", {}, {})


def test_rows_of_describe_history_in_any_order():
    rows = [
        {"version": 0, "operation": "CREATE TABLE", "userMetadata": None},
        {"version": 2, "operation": "OPTIMIZE", "operationMetrics": {"numAddedFiles": 1}},
        {"version": 1, "operation": "WRITE", "userMetadata": '{"ml_assets.asset": "a"}'},
    ]
    commits = commits_of(rows)
    assert [c.version for c in commits] == [2, 1, 0]
    assert commits[1].metadata == {"ml_assets.asset": "a"}
    assert data_version(commits) == 1


@pytest.mark.parametrize("text", ["not json", "[1]", "", "null"])
def test_what_others_wrote_into_their_commits_is_no_error(text):
    (commit,) = commits_of([{"version": 1, "operation": "WRITE", "userMetadata": text}])
    assert commit.metadata == {}


def test_no_commit_of_rows_is_known():
    assert data_version([Commit(4, "OPTIMIZE"), Commit(5, "VACUUM END")]) is None


def test_properties_get_the_prefix_once():
    written = json.loads(user_metadata({"asset": "a'b", "ml_assets.commit": "1"}))
    assert written == {"ml_assets.asset": "a'b", "ml_assets.commit": "1"}
