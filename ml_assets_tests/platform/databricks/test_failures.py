"""What Unity Catalog and Delta say, in words that teach."""

from __future__ import annotations

import pytest

from ml_assets.platform.databricks.failures import catalog_errors, translated
from ml_assets.spec.errors import ConcurrentWriteError, DataError, StorageError

TABLE = "main.ml.weather"


@pytest.mark.parametrize(
    ("said", "fix"),
    [
        (
            "[INSUFFICIENT_PERMISSIONS] Denied:\nUser does not have USE SCHEMA on Schema 'main.ml'.",
            "GRANT USE SCHEMA ON SCHEMA `main`.`ml` TO `<who runs the job>`",
        ),
        (
            "PERMISSION_DENIED: User does not have CREATE TABLE on Schema 'main.ml'.",
            "GRANT CREATE TABLE ON SCHEMA `main`.`ml` TO `<who runs the job>`",
        ),
        (
            "User does not have permission MODIFY on Table 'main.ml.weather'.",
            "GRANT MODIFY ON TABLE `main`.`ml`.`weather` TO `<who runs the job>`",
        ),
        (
            "[SCHEMA_NOT_FOUND] The schema `main`.`ml` cannot be found.",
            "CREATE SCHEMA IF NOT EXISTS `main`.`ml`",
        ),
        (
            "[NO_SUCH_CATALOG_EXCEPTION] Catalog 'main' was not found.",
            "CREATE CATALOG IF NOT EXISTS `main`",
        ),
    ],
)
def test_the_fix_is_the_statement_that_is_missing(said, fix):
    error = translated(TABLE, "stage rows", said)
    assert type(error) is StorageError
    assert error.fix == fix
    assert error.where == TABLE
    assert "could not stage rows" in error.found


def test_a_denial_that_names_nothing_gets_all_that_a_step_needs():
    error = translated(TABLE, "publish", "PERMISSION_DENIED: no.")
    assert error is not None
    assert "USE CATALOG ON CATALOG `main`" in error.fix
    assert "USE SCHEMA, CREATE TABLE, SELECT, MODIFY ON SCHEMA `main`.`ml`" in error.fix


@pytest.mark.parametrize(
    "said",
    [
        "[DELTA_CONCURRENT_APPEND] ConcurrentAppendException: Files were added by a concurrent update.",
        "[DELTA_METADATA_CHANGED] MetadataChangedException: The metadata has been changed.",
        "[TABLE_OR_VIEW_ALREADY_EXISTS] Cannot create table",
        "io.delta.exceptions.ConcurrentDeleteReadException: …",
    ],
)
def test_other_writers(said):
    assert type(translated(TABLE, "publish", said)) is ConcurrentWriteError


def test_nulls_in_a_not_null_column():
    said = "[DELTA_NOT_NULL_CONSTRAINT_VIOLATED] NOT NULL constraint violated for column: k."
    error = translated(TABLE, "publish", said)
    assert type(error) is DataError
    assert error.rule == "ml01_primary_key_unique"


def test_what_is_not_known_passes_through():
    assert translated(TABLE, "publish", "division by zero") is None
    broken = ZeroDivisionError("division by zero")
    with pytest.raises(ZeroDivisionError) as caught, catalog_errors(TABLE, "publish"):
        raise broken
    assert caught.value is broken


def test_the_original_error_is_kept():
    denied = RuntimeError("PERMISSION_DENIED: no.")
    with pytest.raises(StorageError) as caught, catalog_errors(TABLE, "publish"):
        raise denied
    assert caught.value.__cause__ is denied


def test_our_own_errors_are_not_translated_again():
    ours = DataError("x", found="PERMISSION_DENIED", expected="y", fix="z")
    with pytest.raises(DataError) as caught, catalog_errors(TABLE, "publish"):
        raise ours
    assert caught.value is ours
