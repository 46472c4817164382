from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_assets.platform.embedded.warehouse import (
    check_home,
    commits_since,
    data_version,
    home_folder,
    table_path,
)
from ml_assets.spec.errors import DataError, StorageError
from ml_assets_tests.platform.processes import run_python

NAME = "main.flights.planes"
ADD = {"add": {"path": "a.parquet", "dataChange": True}}
REMOVE = {"remove": {"path": "a.parquet", "dataChange": True}}
OPTIMIZED = {"add": {"path": "b.parquet", "dataChange": False}}
METADATA = {"metaData": {"id": "x"}}


def commit(home: Path, version: int, *actions: dict, **info: str) -> None:
    log = table_path(home, NAME) / "_delta_log"
    log.mkdir(parents=True, exist_ok=True)
    lines = [{"commitInfo": info}, *actions] if info else list(actions)
    text = "\n".join(json.dumps(line) for line in lines)
    (log / f"{version:020}.json").write_text(text, encoding="utf-8")


def test_home_is_what_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("ML_ASSETS_HOME", str(tmp_path / "x" / ".." / "y"))
    assert home_folder() == tmp_path.resolve() / "y"


@pytest.mark.parametrize("marker", ["workspace.yaml", "pyproject.toml"])
def test_home_is_in_the_project_that_holds_the_current_folder(monkeypatch, tmp_path, marker):
    monkeypatch.delenv("ML_ASSETS_HOME", raising=False)
    inner = tmp_path / "project" / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "project" / marker).touch()
    monkeypatch.chdir(inner)
    assert home_folder() == tmp_path.resolve() / "project" / ".ml_assets"


@pytest.mark.parametrize("part", ["a*", "what?", "[1]", "{x}", "50%20", "#1", "a\\b"])
def test_home_that_an_engine_would_read_differently_is_refused(tmp_path, part):
    with pytest.raises(StorageError, match="ML_ASSETS_HOME"):
        check_home(tmp_path / part)


def test_table_path():
    assert table_path(Path("/h"), NAME) == Path("/h/warehouse/main/flights/planes")


@given(st.text(max_size=30) | st.from_regex(r"[./\\a'\"` ]{1,12}\.[./a]*\.[./a]*"))
def test_no_name_leads_out_of_the_warehouse(name):
    home = Path("/home/x")
    try:
        path = table_path(home, name)
    except DataError:
        return
    assert path.resolve().relative_to(home / "warehouse").parts == tuple(name.split("."))


@pytest.mark.parametrize(
    "name", ["../../etc", "a.b.c/../../x", "a.b", "a.b.c.d", "a..c", "a.b.'; DROP", "", "a.b.ç"]
)
def test_bad_names_are_explained(name):
    with pytest.raises(DataError, match=r"catalog\.schema\.name"):
        table_path(Path("/h"), name)


def test_no_table_has_no_data_version(tmp_path):
    assert data_version(tmp_path, NAME) is None
    assert list(commits_since(tmp_path, NAME, -1)) == []


def test_only_commits_that_change_rows_count(tmp_path):
    commit(tmp_path, 0, METADATA, operation="CREATE TABLE")
    assert data_version(tmp_path, NAME) is None
    commit(tmp_path, 1, ADD, operation="WRITE")
    assert data_version(tmp_path, NAME) == 1
    commit(tmp_path, 2, METADATA, operation="SET TBLPROPERTIES")
    commit(tmp_path, 3, OPTIMIZED, {"remove": {"path": "a", "dataChange": False}})
    commit(tmp_path, 4, operation="VACUUM END")
    assert data_version(tmp_path, NAME) == 1
    commit(tmp_path, 5, REMOVE, operation="DELETE")
    assert data_version(tmp_path, NAME) == 5
    assert data_version(tmp_path, NAME, until=4) == 1


def test_commits_come_oldest_first_with_their_information(tmp_path):
    commit(tmp_path, 0, METADATA, operation="CREATE TABLE")
    commit(tmp_path, 1, ADD, operation="WRITE", **{"ml_assets.dagster_run_id": "r1"})
    commit(tmp_path, 2, METADATA)
    found = list(commits_since(tmp_path, NAME, 0))
    assert [(c.version, c.is_data) for c in found] == [(1, True), (2, False)]
    assert found[0].info["ml_assets.dagster_run_id"] == "r1"
    assert found[1].info == {}


def test_a_log_that_was_cleaned_up_to_a_checkpoint(tmp_path):
    commit(tmp_path, 10, METADATA)
    log = table_path(tmp_path, NAME) / "_delta_log"
    (log / "00000000000000000010.checkpoint.parquet").touch()
    (log / "_last_checkpoint").write_text('{"version": 10}')
    (log / "00000000000000000003.00000000000000000009.compacted.json").write_text("{}")
    assert data_version(tmp_path, NAME) == 9
    commit(tmp_path, 11, ADD)
    assert data_version(tmp_path, NAME) == 11
    assert [c.version for c in commits_since(tmp_path, NAME, 2)] == [10, 11]


@given(st.lists(st.sampled_from([ADD, REMOVE, OPTIMIZED, METADATA]), max_size=12))
def test_data_version_is_the_last_commit_with_a_data_change(tmp_path_factory, actions):
    home = tmp_path_factory.mktemp("log")
    for version, action in enumerate(actions):
        commit(home, version, action)
    changes = [v for v, action in enumerate(actions) if action in (ADD, REMOVE)]
    assert data_version(home, NAME) == (changes[-1] if changes else None)
    flagged = [c.version for c in commits_since(home, NAME, -1) if c.is_data]
    assert flagged == changes


def test_a_broken_log_is_an_error_not_an_absent_table(tmp_path):
    commit(tmp_path, 0, ADD)
    file = table_path(tmp_path, NAME) / "_delta_log" / f"{0:020}.json"
    file.write_text('{"add": {"pa')
    with pytest.raises(StorageError, match=r"00000000000000000000\.json"):
        data_version(tmp_path, NAME)


def test_no_engine_is_imported(tmp_path):
    code = """
        import sys
        before = set(sys.modules)
        import ml_assets.platform.embedded.warehouse as w
        w.data_version(w.home_folder(), "a.b.c")
        heavy = {"deltalake", "duckdb", "pandas", "pyarrow", "pyspark", "pysail", "mlflow", "numpy"}
        assert not heavy & set(sys.modules), heavy & set(sys.modules)
    """
    run_python(code, tmp_path)
