"""Commits to a Delta table's log, and what the log says of the table.

A commit here refers to Parquet files that are already in the table's folder; nothing reads or
rewrites rows. Every commit is a compare-and-set on the version that the caller saw.
"""

from __future__ import annotations

import errno
import json
import shutil
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml_assets.platform.embedded.failures import words
from ml_assets.platform.embedded.staging import MARKS
from ml_assets.platform.embedded.warehouse import LOG_FOLDER
from ml_assets.platform.spark_types import simple_type
from ml_assets.spec.catalog import ColumnInfo, TableInfo
from ml_assets.spec.errors import ConcurrentWriteError, StorageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from deltalake import CommitProperties, DeltaTable, Schema
    from deltalake.transaction import AddAction, RemoveAction

    from ml_assets.platform.embedded.staging import StagedFile
    from ml_assets.spec.catalog import TableLayout

PREFIX = "ml_assets."
PRIMARY_KEYS, EVENT_TIME, TAGS = f"{PREFIX}primary_keys", f"{PREFIX}event_time", f"{PREFIX}tags"
#: Recorded versions (in MLflow runs, in handles) must stay readable: the log is never cleaned, and
#: gets no checkpoints, because Sail 0.7 cannot read a version from before the last checkpoint.
_KEEP_VERSIONS = {
    "delta.enableExpiredLogCleanup": "false",
    "delta.checkpointInterval": "1000000000",
}


@dataclass(frozen=True)
class Content:
    """What a commit gives a table: its description, and rows that stand in ``files`` already.

    ``properties`` go into the commit, each as ``ml_assets.<name>``.
    """

    layout: TableLayout
    schema: Schema
    files: tuple[StagedFile, ...]
    properties: Mapping[str, str]


def open_table(path: Path, version: int | None = None) -> DeltaTable | None:
    """Load a table's log; None when there is no table.

    Raises
    ------
    StorageError
        When the log is there and makes no sense, or lacks that version.
    """
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError, TableNotFoundError

    try:
        (path / LOG_FOLDER).stat()  # tells "not there" from "not allowed to look"
        return DeltaTable(path, version=version)
    except (FileNotFoundError, NotADirectoryError, TableNotFoundError):
        return None
    except DeltaError as error:
        raise StorageError(
            str(path / LOG_FOLDER),
            found=f"the table's log cannot be understood: {words(error)}",
            expected="a complete Delta log",
            fix="restore the folder from a backup, or move it away and materialize the table again",
        ) from error


def delta_schema(struct: Mapping[str, Any], layout: TableLayout) -> Schema:
    """Turn a Spark schema (as JSON) into a Delta one with the layout's comments and NOT NULLs."""
    from deltalake import Schema

    fields = [
        {
            "name": f["name"],
            "type": f["type"],
            "nullable": f["name"] not in layout.not_null,
            "metadata": {"comment": c} if (c := layout.comments.get(f["name"])) else {},
        }
        for f in struct["fields"]
    ]
    return Schema.from_json(json.dumps({"type": "struct", "fields": fields}))


def without(schema: Schema, columns: frozenset[str]) -> Schema:
    """Leave out columns."""
    from deltalake import Schema

    return Schema([f for f in schema.fields if f.name not in columns]) if columns else schema


def catalog_properties(layout: TableLayout) -> dict[str, str]:
    """What the table's metadata holds beside schema and description; empty when there is none."""
    return {
        PRIMARY_KEYS: json.dumps(list(layout.primary_keys)),
        EVENT_TIME: layout.event_time or "",
        TAGS: json.dumps(dict(layout.tags), sort_keys=True),
    }


def describe(name: str, path: Path, table: DeltaTable, data_version: int) -> TableInfo:
    """Say what a version of a table is, by its own metadata.

    Raises
    ------
    StorageError
        When somebody stored keys or tags that are not JSON.
    """
    metadata = table.metadata()
    properties = metadata.configuration
    try:
        keys = json.loads(properties.get(PRIMARY_KEYS, "[]"))
        tags = json.loads(properties.get(TAGS, "{}"))
    except ValueError as error:
        raise StorageError(
            f"{name}: table properties {PRIMARY_KEYS}, {TAGS}",
            found=f"text that is not JSON: {error}",
            expected="a list and a map, as ml_assets stores them",
            fix="repair them with DeltaTable(...).alter.set_table_properties, or remove them",
        ) from error
    return TableInfo(
        name=name,
        exists=True,
        uri=path.as_uri(),
        version=table.version(),
        data_version=data_version,
        primary_keys=tuple(keys),
        event_time=properties.get(EVENT_TIME) or None,
        description=metadata.description or "",
        tags=tags,
        columns=columns_of(table.schema()),
    )


def live_files(table: DeltaTable) -> list[str]:
    """List the files of a version, relative to the table's folder."""
    import pyarrow as pa

    return [str(path) for path in pa.table(table.get_add_actions())["path"].to_pylist()]


def columns_of(schema: Schema) -> tuple[ColumnInfo, ...]:
    """Describe a Delta schema in Spark's words."""
    return tuple(
        ColumnInfo(
            name=f["name"],
            type=simple_type(f["type"]),
            comment=f["metadata"].get("comment", ""),
            nullable=f["nullable"],
        )
        for f in json.loads(schema.to_json())["fields"]
    )


def create(path: Path, content: Content) -> None:
    """Make the table appear, complete, in one move.

    The log is prepared beside the table and renamed into place, so that a process killed half-way
    leaves no table rather than an empty one.

    Raises
    ------
    ConcurrentWriteError
        When somebody else made the table meanwhile.
    """
    draft = path / MARKS / f"log-{uuid.uuid4().hex}"
    try:
        _create_draft(draft, content)
        (draft / LOG_FOLDER).rename(path / LOG_FOLDER)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise changed(
                content.layout.name, "no table", "a table that appeared meanwhile"
            ) from error
        raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def replace(table: DeltaTable, content: Content) -> None:
    """Replace rows, schema and comments in one commit.

    Description, keys and tags are brought up to date before, in commits of their own, and only when
    they differ: a crash in between leaves the old rows, and the next publication goes on from there.

    Raises
    ------
    ConcurrentWriteError
        When the table is no longer at the version of the object ``table``.
    """
    from deltalake.exceptions import CommitFailedError

    seen = table.version()
    try:
        _describe(table, content)
        _overwrite(table, content)
    except CommitFailedError as error:
        if "os error" in str(error):  # the disk, not another writer
            raise
        raise changed(
            content.layout.name, f"version {seen}", "a commit of another writer"
        ) from error


def changed(name: str, expected: str, found: str) -> ConcurrentWriteError:
    """Say that somebody else wrote the table."""
    return ConcurrentWriteError(
        name,
        found=found,
        expected=f"{expected}, as when these rows were staged",
        fix="run this step again: it will start from the table as it is now",
    )


def _create_draft(draft: Path, content: Content) -> None:
    from deltalake import DeltaTable

    layout = content.layout
    table = DeltaTable.create(
        draft,
        content.schema,
        name=layout.name,
        description=layout.description,
        configuration={**catalog_properties(layout), **_KEEP_VERSIONS},
        raise_if_key_not_exists=False,
        commit_properties=_commit(content.properties),
    )
    _overwrite(table, content)


def _overwrite(table: DeltaTable, content: Content) -> None:
    table.create_write_transaction(
        _adds(content.files),
        "overwrite",
        content.schema,
        commit_properties=_commit(content.properties),
    )


def _describe(table: DeltaTable, content: Content) -> None:
    layout, metadata, commit = content.layout, table.metadata(), _commit(content.properties)
    if (metadata.description or "") != layout.description:
        table.alter.set_table_description(layout.description, commit_properties=commit)
    wanted = catalog_properties(layout)
    different = {k: v for k, v in wanted.items() if metadata.configuration.get(k) != v}
    if different:
        table.alter.set_table_properties(
            different, raise_if_not_exists=False, commit_properties=commit
        )


def _adds(files: tuple[StagedFile, ...]) -> list[AddAction | RemoveAction]:
    from deltalake.transaction import AddAction

    now = time.time_ns() // 1_000_000
    return [
        AddAction(f.path, f.size, {}, now, True, json.dumps({"numRecords": f.rows}))  # noqa: FBT003
        for f in files
    ]


def _commit(properties: Mapping[str, str]) -> CommitProperties:
    from deltalake import CommitProperties

    named = {k if k.startswith(PREFIX) else f"{PREFIX}{k}": str(v) for k, v in properties.items()}
    # No retries: delta-rs would retry an overwrite on top of rows that it has not seen.
    return CommitProperties(custom_metadata=named, max_commit_retries=0)
