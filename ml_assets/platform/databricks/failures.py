"""Turn what Spark and Unity Catalog say of rights, missing places and other writers into clear errors."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

from ml_assets.platform.databricks import sql
from ml_assets.spec.base import quoted
from ml_assets.spec.errors import ConcurrentWriteError, DataError, MlAssetsError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

_DENIED = re.compile(
    r"INSUFFICIENT_PERMISSIONS|INSUFFICIENT_PRIVILEGES|PERMISSION_DENIED|UNAUTHORIZED_ACCESS",
    re.IGNORECASE,
)
#: "User does not have USE SCHEMA on Schema 'main.flights'."
_LACKS = re.compile(
    r"does not have (?:any of )?(?:permission )?([A-Z][A-Z_ ]*?)(?: privilege)? on (\w+(?: \w+)?) "
    r"['`]([^'`]+)['`]",
    re.IGNORECASE,
)
_NO_CATALOG = re.compile(
    r"NO_SUCH_CATALOG|CATALOG_NOT_FOUND|Catalog '?[^ ]*'? (?:was )?not found", re.IGNORECASE
)
_NO_SCHEMA = re.compile(
    r"SCHEMA_NOT_FOUND|Database not found|Schema '?[^ ]*'? (?:was )?not found", re.IGNORECASE
)
_NO_TABLE = re.compile(r"TABLE_OR_VIEW_NOT_FOUND|Table (?:or view )?not found", re.IGNORECASE)
_NOT_DELTA = re.compile(
    r"DELTA_TABLE_ONLY_OPERATION|NOT_A_DELTA_TABLE|EXPECT_TABLE_NOT_VIEW|only supported for Delta",
    re.IGNORECASE,
)
_CONFLICT = re.compile(
    r"DELTA_CONCURRENT|DELTA_METADATA_CHANGED|DELTA_PROTOCOL_CHANGED|Concurrent\w+Exception"
    r"|MetadataChangedException|Failed to commit transaction|TABLE_OR_VIEW_ALREADY_EXISTS",
    re.IGNORECASE,
)
_NULLS = re.compile(r"DELTA_NOT_NULL_CONSTRAINT_VIOLATED|NOT NULL constraint", re.IGNORECASE)


@contextlib.contextmanager
def catalog_errors(table: str, doing: str) -> Iterator[None]:
    """Raise our errors for failures of rights, places and other writers; others pass through.

    ``doing`` completes "could not …". The block must leave nothing half-written.

    Raises
    ------
    StorageError
        When a right, the catalog or the schema is missing: the fix is the statement that gives it.
    ConcurrentWriteError
        When another writer's commit came first.
    DataError
        When a column that is stored as NOT NULL holds nulls.
    """
    try:
        yield
    except MlAssetsError:
        raise
    except Exception as error:
        known = translated(table, doing, str(error))
        if known is None:
            raise
        raise known from error


def translated(table: str, doing: str, text: str) -> MlAssetsError | None:
    """Say what an engine's words mean for a table; None when they mean nothing known.

    >>> error = translated(
    ...     "main.ml.t", "stage rows", "User does not have USE SCHEMA on Schema 'main.ml'."
    ... )
    >>> error.fix
    'GRANT USE SCHEMA ON SCHEMA `main`.`ml` TO `<who runs the job>`'
    """
    catalog, schema, _ = table.split(".")
    if _DENIED.search(text) or _LACKS.search(text):
        return _stopped(table, doing, text, _grant_for(text, table))
    if _NO_CATALOG.search(text):
        return _stopped(table, doing, text, f"CREATE CATALOG IF NOT EXISTS {quoted(catalog)}")
    if _NO_SCHEMA.search(text):
        place = quoted(f"{catalog}.{schema}")
        return _stopped(table, doing, text, f"CREATE SCHEMA IF NOT EXISTS {place}")
    if _CONFLICT.search(text):
        return changed(table, "no other writer", words(text))
    if _NULLS.search(text):
        return null_rows(table, words(text))
    return None


def is_missing_table(text: str) -> bool:
    """Whether an engine says that there is no such table.

    >>> is_missing_table("[TABLE_OR_VIEW_NOT_FOUND] The table or view `a` cannot be found.")
    True
    """
    return bool(_NO_TABLE.search(text))


def is_another_kind(text: str) -> bool:
    """Whether an engine says that what can be read by that name is no Delta table.

    >>> is_another_kind("[DELTA_TABLE_ONLY_OPERATION] `v` is not a Delta table.")
    True
    """
    return bool(_NOT_DELTA.search(text))


def changed(table: str, expected: str, found: str) -> ConcurrentWriteError:
    """Say that somebody else wrote the table."""
    return ConcurrentWriteError(
        table,
        found=found,
        expected=f"{expected}, as when these rows were staged",
        fix="run this step again: it will start from the table as it is now",
    )


def null_rows(table: str, found: str) -> DataError:
    """Say that columns which are stored as NOT NULL hold nulls."""
    return DataError(
        table,
        found=found,
        expected="no nulls in columns that are stored as NOT NULL",
        fix="drop or repair these rows in the transform",
        rule="ml01_primary_key_unique",
    )


def words(text: str) -> str:
    r"""Shorten an engine's message to what a person reads.

    >>> words("[X] Something broke.\n\nJVM stacktrace:\norg.apache…")
    '[X] Something broke.'
    """
    said = re.split(r"\n\s*(?:JVM stacktrace|== SQL|\tat |Caused by)", text)[0]
    return " ".join(said.split())[:500]


def _stopped(table: str, doing: str, text: str, fix: str) -> StorageError:
    return StorageError(
        table,
        found=f"could not {doing}: {words(text)}",
        expected="a catalog and a schema that the job may use and write",
        fix=fix,
    )


def _grant_for(text: str, table: str) -> str:
    """Write the GRANT that the message asks for, or all that a step needs when it names none."""
    if match := _LACKS.search(text):
        privilege, kind, name = match[1].strip().upper(), match[2].upper(), match[3]
        place = ".".join(sql.column(part) for part in name.split("."))
        return f"GRANT {privilege} ON {kind} {place} TO `<who runs the job>`"
    catalog, schema, _ = table.split(".")
    return (
        f"GRANT USE CATALOG ON CATALOG {quoted(catalog)} TO `<who runs the job>`; "
        f"GRANT USE SCHEMA, CREATE TABLE, SELECT, MODIFY ON SCHEMA {quoted(f'{catalog}.{schema}')} "
        "TO `<who runs the job>`"
    )
