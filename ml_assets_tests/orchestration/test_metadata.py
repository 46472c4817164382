"""Plain values as Dagster metadata, and what makes a stored thing traceable."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

from ml_assets.orchestration.metadata import details_metadata, handle_metadata, to_value
from ml_assets.orchestration.trace import code_version, git_commit, trace
from ml_assets.steps.handles import PredictionsHandle, TableHandle, VersionHandle
from ml_assets_tests.orchestration.fakes import make_spec

if TYPE_CHECKING:
    from pathlib import Path

    from ml_assets.steps.handles import Handle

Value = dg.MetadataValue


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("n", 3, Value.int(3)),
        ("n", True, Value.bool(True)),
        ("n", 0.5, Value.float(0.5)),
        ("n", float("nan"), Value.text("nan")),
        ("n", float("-inf"), Value.text("-inf")),
        ("n", None, Value.null()),
        ("n", "text", Value.text("text")),
        ("n", "two\nlines", Value.md("```\ntwo\nlines\n```")),
        ("n", {"a": 1}, Value.json({"a": 1})),
        ("n", ["a", "b"], Value.json(["a", "b"])),
        ("n", [], Value.json([])),
        ("run_url", "http://127.0.0.1:5000/#/x", Value.url("http://127.0.0.1:5000/#/x")),
        ("run_url", "sqlite:///x", Value.text("sqlite:///x")),
        ("note", "http://x", Value.text("http://x")),
    ],
)
def test_each_kind_of_value(name: str, value: Any, expected: Any) -> None:
    assert to_value(name, value) == expected


def test_rows_with_gaps_and_mixed_types_are_a_table() -> None:
    table = to_value("rows", [{"a": 1, "b": 0.5}, {"a": "x", "c": float("inf")}])
    assert isinstance(table, dg.TableMetadataValue)
    assert [(c.name, c.type) for c in table.schema.columns] == [
        ("a", "string"),
        ("b", "float"),
        ("c", "float"),
    ]
    assert [dict(r.data) for r in table.records] == [
        {"a": 1, "b": 0.5, "c": ""},
        {"a": "x", "b": "", "c": "inf"},
    ]


def test_numbers_by_name_become_entries_of_their_own_that_are_plotted() -> None:
    found = details_metadata({"repaired": {"temp": 3, "dewp": 0}, "mixed": {"a": 1, "b": "x"}})
    assert found == {
        "repaired/temp": Value.int(3),
        "repaired/dewp": Value.int(0),
        "mixed": Value.json({"a": 1, "b": "x"}),
    }


@pytest.mark.parametrize(
    "handle",
    [
        TableHandle("a.b.c", 3, "/w/a/b/c", 10, {"a.b.d": 4}),
        TableHandle("a.b.c", 0, "/w/a/b/c", 0),
        VersionHandle("a.b.m", 2, None, "run", "http://x", "/Shared/e"),
        PredictionsHandle("a.b.c", 3, "/w", 10, {}, "run", "http://x", "/Shared/e", 7),
    ],
)
def test_a_handle_survives_its_way_through_the_event_log(
    handle: Handle, instance: dg.DagsterInstance
) -> None:
    from ml_assets.orchestration.handles import require_handle

    key = dg.AssetKey("x")
    event = dg.AssetMaterialization(key, metadata=handle_metadata(handle))
    instance.report_runless_asset_event(event)
    assert require_handle(instance, key, type(handle)) == handle


def _git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.com"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_the_commit_of_the_code_is_named_and_says_when_files_were_changed(tmp_path: Path) -> None:
    assert git_commit(tmp_path) is None
    clean, dirty = tmp_path / "clean", tmp_path / "dirty"
    for folder in (clean, dirty):
        folder.mkdir()
        _git(folder, "init", "--quiet")
        (folder / "file").write_text("1")
        _git(folder, "add", "file")
        _git(folder, "commit", "--quiet", "--message", "first")
        _git(folder, "tag", "v1")
    (dirty / "file").write_text("2")
    assert git_commit(clean) == _git(clean, "rev-parse", "HEAD")
    assert git_commit(dirty) == _git(dirty, "rev-parse", "HEAD") + "-dirty"


def test_an_image_without_a_repository_is_told_the_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_ASSETS_GIT_COMMIT", "abc123")
    assert trace(make_spec(), "r")["git_commit"] == "abc123"


def test_a_trace_names_run_and_declaration() -> None:
    spec = make_spec()
    found = trace(spec, "run-1")
    assert found["dagster_run_id"] == "run-1"
    assert found["spec_hash"] == spec.hash


def test_a_trace_says_who_started_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_ASSETS_USER", "ann@example.com")
    assert trace(make_spec(), "r")["started_by"] == "ann@example.com"
    monkeypatch.delenv("ML_ASSETS_USER")
    monkeypatch.setattr("getpass.getuser", lambda: "ann")
    assert trace(make_spec(), "r")["started_by"] == "ann"


@pytest.mark.parametrize("error", [KeyError("uid 1234"), OSError("no such user")])
def test_a_container_whose_user_has_no_name(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def nameless() -> str:
        raise error

    monkeypatch.delenv("ML_ASSETS_USER", raising=False)
    monkeypatch.setattr("getpass.getuser", nameless)
    assert trace(make_spec(), "r")["started_by"] == "unknown"


def test_the_code_version_changes_with_the_files_beside_the_declaration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = tmp_path / "its_own_package"
    folder.mkdir()
    (folder / "features.py").write_text("raise RuntimeError('must not be imported')\n")
    spec = make_spec(package="its_own_package")
    before = code_version(spec)
    assert code_version(spec) == before
    (folder / "features.py").write_text("raise RuntimeError('still not')\n")
    assert code_version(spec) != before


def test_a_package_that_does_not_exist_is_no_obstacle() -> None:
    assert code_version(make_spec(package="no_such_package.at_all"))
