"""A read-only, forbidden, occupied or full disk: one clear error, and everything as it was."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from ml_assets.platform.embedded import EmbeddedPlatform
from ml_assets.platform.embedded.failures import storage_errors
from ml_assets.spec.catalog import TableLayout
from ml_assets.spec.errors import DataError, StorageError
from ml_assets_tests.platform.processes import OBEY_PERMISSIONS, run_python

NAME = "main.flights.weather"
LAYOUT = TableLayout(name=NAME, primary_keys=("k",), description="Weather.")

#: What both scripts below start with: a table with three rows, and a way to report errors.
SETTING = """
import json, os
from pathlib import Path
from ml_assets.platform.embedded import EmbeddedPlatform
from ml_assets.spec.catalog import TableLayout
from ml_assets.spec.errors import StorageError

NAME = "main.flights.weather"
LAYOUT = TableLayout(name=NAME, primary_keys=("k",), description="Weather.")
platform = EmbeddedPlatform()
tables, table = platform.tables, platform.tables.path(NAME)
before = tables.stage(platform.spark.range(3).selectExpr("id AS k"), LAYOUT).publish()
errors = {}

def attempt(what, action):
    try:
        action()
    except StorageError as error:
        errors[what] = str(error)
    return errors

def files():
    return sorted(str(p) for p in platform.home.joinpath("warehouse").rglob("*") if p.is_file())
"""


def test_a_read_only_warehouse(home):
    code = (
        OBEY_PERMISSIONS
        + SETTING
        + """
frame = platform.spark.range(5).selectExpr("id AS k")
staged, forgotten = tables.stage(frame, LAYOUT), tables.stage(frame, LAYOUT)
folders = [p for p in platform.home.rglob("*") if p.is_dir()] + [platform.home]
for folder in folders:
    folder.chmod(0o555)
then = files()
attempt("stage", lambda: tables.stage(frame, LAYOUT))
attempt("publish", lambda: staged.publish())
attempt("new table", lambda: tables.stage(frame, TableLayout(name="main.flights.other")))
attempt("new catalog", lambda: tables.stage(frame, TableLayout(name="other.flights.other")))
attempt("tracking", lambda: platform.tracking.info("x"))
staged.discard()
assert files() == then
assert tables.info(NAME) == before
assert tables.read(NAME).count() == 3
(table / "_delta_log").chmod(0o000)
attempt("info", lambda: tables.info(NAME))
attempt("read", lambda: tables.read(NAME))
forgotten.discard()
for folder in folders:
    folder.chmod(0o755)
print(json.dumps(errors))
"""
    )
    errors = json.loads(run_python(code, home).stdout)
    assert set(errors) == {
        *("stage", "publish", "new table", "new catalog", "tracking", "info", "read"),
    }
    for error in errors.values():
        assert str(home) in error
        assert "fix:" in error
    for what in ("stage", "publish", "new table", "info"):
        assert "Permission denied" in errors[what]
        assert "ML_ASSETS_HOME" in errors[what]


def test_a_full_disk(home):
    """No file may grow beyond a limit, which the system reports as it does a full disk."""
    code = (
        SETTING
        + """
import resource
from contextlib import contextmanager
import pandas as pd

@contextmanager
def room_for(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

then = files()
large = platform.spark.range(200_000).selectExpr("id AS k", "rand() AS x")
small = platform.spark.range(5).selectExpr("id AS k")
with room_for(100_000):
    attempt("stage", lambda: tables.stage(large, LAYOUT))
    frame = pd.DataFrame({"text": [str(n) for n in range(200_000)]})
    attempt("seed", lambda: tables.seed("main.flights.seeded", lambda: frame))
assert files() == then, files()
staged = tables.stage(small, LAYOUT)
new = tables.stage(small, TableLayout(name="main.flights.other"))
with room_for(100):
    attempt("publish", lambda: staged.publish())
    attempt("publish new", lambda: new.publish())
staged.discard()
new.discard()
assert files() == then, files()
assert tables.info(NAME) == before
assert not tables.info("main.flights.other").exists
assert tables.read(NAME).count() == 3
print(json.dumps(errors))
"""
    )
    errors = json.loads(run_python(code, home).stdout)
    assert set(errors) == {"stage", "seed", "publish", "publish new"}
    for error in errors.values():
        assert "File too large" in error
        assert "free some space" in error
        assert "\x1b" not in error


@pytest.mark.parametrize("place", ["home", "home/warehouse", "home/warehouse/main"])
def test_a_file_where_a_folder_is_needed(tmp_path, spark, place):
    occupied = tmp_path / place
    occupied.parent.mkdir(parents=True, exist_ok=True)
    occupied.write_text("mine")
    platform = EmbeddedPlatform(tmp_path / "home", spark)
    assert not platform.tables.info(NAME).exists
    with pytest.raises(StorageError, match="move away the file") as caught:
        platform.tables.stage(spark.range(3).selectExpr("id AS k"), LAYOUT)
    assert str(tmp_path) in str(caught.value)
    with pytest.raises(StorageError):
        platform.tables.seed(NAME, lambda: pd.DataFrame({"k": [1]}))
    assert occupied.read_text() == "mine"


def test_a_folder_where_the_database_is_needed(tmp_path):
    (tmp_path / "home" / "mlflow.db").mkdir(parents=True)
    platform = EmbeddedPlatform(tmp_path / "home")
    with pytest.raises(StorageError, match=r"mlflow\.db"):
        platform.registry.versions("a.b.c")


def test_a_broken_log_is_reported_and_not_overwritten(platform, spark):
    frame = spark.range(3).selectExpr("id AS k")
    info = platform.tables.stage(frame, LAYOUT).publish()
    commit = platform.tables.path(NAME) / "_delta_log" / f"{info.version:020}.json"
    commit.write_text("{ not json")
    with pytest.raises(StorageError):
        platform.tables.info(NAME)
    with pytest.raises(StorageError):
        platform.tables.stage(frame, LAYOUT)
    assert commit.read_text() == "{ not json"


def test_keys_and_tags_that_somebody_garbled(platform, spark):
    from deltalake import DeltaTable

    platform.tables.stage(spark.range(3).selectExpr("id AS k"), LAYOUT).publish()
    table = DeltaTable(platform.tables.path(NAME))
    table.alter.set_table_properties({"ml_assets.tags": "a=b"}, raise_if_not_exists=False)
    with pytest.raises(StorageError, match=r"ml_assets\.tags"):
        platform.tables.info(NAME)


@pytest.mark.parametrize(
    ("error", "fix"),
    [
        (OSError(28, "No space left on device"), "free some space"),
        (OSError(30, "Read-only file system"), "writable"),
        (RuntimeError("Generic error: Permission denied (os error 13)"), "write permission"),
        (RuntimeError("\x1b[31m↳\x1b[0m Too many open files (os error 24)"), "limits"),
    ],
)
def test_what_libraries_say_becomes_a_fix(tmp_path, error, fix):
    with pytest.raises(StorageError) as caught, storage_errors(tmp_path, "write"):
        raise error
    assert fix in caught.value.fix
    assert caught.value.where == str(tmp_path)
    assert caught.value.__cause__ is error
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    "error", [ValueError("x"), KeyboardInterrupt(), DataError("x", found="", expected="", fix="")]
)
def test_other_errors_pass_through(tmp_path, error):
    with pytest.raises(type(error)) as caught, storage_errors(tmp_path, "write"):
        raise error
    assert caught.value is error
