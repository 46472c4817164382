"""Delta tables by three-level name, in folders under ``<home>/warehouse``."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

from ml_assets.platform.embedded import delta
from ml_assets.platform.embedded.failures import storage_errors
from ml_assets.platform.embedded.plain_paths import plain_path
from ml_assets.platform.embedded.staged import EmbeddedStaged
from ml_assets.platform.embedded.staging import Staging, remove_orphans
from ml_assets.platform.embedded.warehouse import (
    check_home,
    data_version,
    rows_commits,
    table_path,
)
from ml_assets.platform.layouts import check_fits
from ml_assets.platform.protocol import RowsCommit
from ml_assets.spec.catalog import TableInfo, TableLayout
from ml_assets.spec.errors import ConcurrentWriteError, DataError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import pandas as pd
    import pyarrow as pa
    from deltalake import DeltaTable, Schema
    from pyspark.sql import DataFrame, SparkSession


class EmbeddedTables:
    """Delta folders; each table's own metadata is the catalog.

    Parameters
    ----------
    home
        The folder that holds ``warehouse/``.
    session
        Gives the Spark session; called only by what needs one.
    """

    def __init__(self, home: Path, session: Callable[[], SparkSession]) -> None:
        self.home = check_home(home)
        self._session = session

    @property
    def spark(self) -> SparkSession:
        """The session; UTC."""
        return self._session()

    def path(self, name: str) -> Path:
        """The table's folder, whether or not it exists."""
        return table_path(self.home, name)

    def spark_path(self, path: Path) -> str:
        """Name a path under the home folder so that Sail finds it."""
        return str(plain_path(self.home) / path.relative_to(self.home))

    def info(self, name: str) -> TableInfo:
        """Describe what is stored now; ``exists=False`` when there is no such table."""
        path = self.path(name)
        with storage_errors(path, "read the table's log"):
            table = delta.open_table(path)
            if table is None:
                return TableInfo(name=name, exists=False, uri=path.as_uri())
            written = data_version(self.home, name, until=table.version())
            return delta.describe(name, path, table, -1 if written is None else written)

    def read(self, name: str, version: int | None = None) -> DataFrame:
        """Read a table at a version, the current one when none is given.

        The version is fixed now: the frame does not change when the table does.

        Raises
        ------
        DataError
            When the table, or that version of it, does not exist.
        """
        found = self._open(name, version).version()
        reader = self.spark.read.format("delta").option("versionAsOf", found)
        return reader.load(self.spark_path(self.path(name)))

    def commits(self, name: str, most: int = 1) -> tuple[RowsCommit, ...]:
        """List the last commits that changed rows, latest first; empty when there is no table."""
        found = itertools.islice(rows_commits(self.home, name), most)
        return tuple(
            RowsCommit(
                commit.version,
                {
                    key.removeprefix(delta.PREFIX): str(value)
                    for key, value in commit.info.items()
                    if key.startswith(delta.PREFIX)
                },
            )
            for commit in found
        )

    def files(self, name: str, version: int | None = None) -> tuple[str, ...]:
        """List the Parquet files of a version; a published table has at least one, even if empty.

        Raises
        ------
        DataError
            When the table, or that version of it, does not exist.
        """
        return tuple(self._open(name, version).file_uris())

    def stage(
        self, frame: DataFrame, layout: TableLayout, audit_columns: Sequence[str] = ()
    ) -> EmbeddedStaged:
        """Write rows beside the table, invisible until published.

        ``audit_columns`` stay in the staged files, where the audit reads them, and are not part of
        the table's schema: readers of the table never see them.

        Raises
        ------
        DataError
            When the frame does not fit the layout; nothing was written.
        StorageError
            When the rows cannot be written; what was written is removed.
        """
        struct = json.loads(frame.schema.json())
        struct["fields"] = [f for f in struct["fields"] if f["name"] not in audit_columns]
        return self._stage(
            struct,
            layout,
            lambda folder: frame.write.mode("overwrite").parquet(self.spark_path(folder)),
            frozenset(audit_columns),
        )

    def stage_arrow(
        self, schema: pa.Schema, layout: TableLayout, write: Callable[[Path], None]
    ) -> EmbeddedStaged:
        """Stage rows that ``write`` puts as ``*.parquet`` files of ``schema`` into a folder.

        For rows that do not come from Spark. The folder exists; times must be UTC microseconds.
        Errors as of ``stage``.
        """
        from deltalake import Schema

        return self._stage(json.loads(Schema.from_arrow(schema).to_json()), layout, write)

    def seed(self, name: str, load: Callable[[], pd.DataFrame], description: str = "") -> TableInfo:
        """Create a table from a pandas frame, unless it exists already (then ``load`` is not run).

        Times without a zone are taken as UTC; the index is not stored.

        Raises
        ------
        DataError
            When a column cannot be stored (mixed types, durations).
        """
        from ml_assets.platform.embedded.seeds import write_table
        from ml_assets.platform.seed_rows import arrow_table

        stored = self.info(name)
        if stored.exists:
            return stored
        rows = arrow_table(name, load())
        layout = TableLayout(name=name, description=description)
        staged = self.stage_arrow(rows.schema, layout, lambda folder: write_table(rows, folder))
        try:
            return staged.publish({"seeded": "true"})
        except ConcurrentWriteError:
            if (stored := self.info(name)).exists:
                return stored  # another process seeded it meanwhile
            raise
        finally:
            staged.discard()

    def _stage(
        self,
        struct: dict[str, Any],
        layout: TableLayout,
        write: Callable[[Path], None],
        audit_columns: frozenset[str] = frozenset(),
    ) -> EmbeddedStaged:
        path = self.path(layout.name)
        check_fits(struct, layout, audit_columns)
        schema = delta.delta_schema(struct, layout)
        with storage_errors(path, "stage rows"):
            remove_orphans(self.home, layout.name, path)
            table = delta.open_table(path)
            staging = Staging.open(path)
            try:
                write(staging.folder)
                _ensure_one_file(staging.folder, schema)
                files = staging.files()
            except BaseException:
                staging.remove()
                raise
        seen = None if table is None else table.version()
        return EmbeddedStaged(
            tables=self,
            layout=layout,
            staging=staging,
            schema=delta.without(schema, audit_columns),
            files=files,
            seen=seen,
        )

    def _open(self, name: str, version: int | None) -> DeltaTable:
        path = self.path(name)
        with storage_errors(path, "read the table's log"):
            latest = delta.open_table(path)
        if latest is None:
            raise DataError(
                f"table {name}",
                found=f"no table in {path}",
                expected="a table that was written before",
                fix="materialize the asset that writes it (or seed the source) first",
            )
        if version is None or version == latest.version():
            return latest
        return _open_version(name, path, version, latest.version())


def _ensure_one_file(folder: Path, schema: Schema) -> None:
    """Sail writes no file for no rows; readers of the files need one to know the columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not any(folder.rglob("*.parquet")):
        empty = pa.schema(schema.to_arrow()).empty_table()
        pq.write_table(empty, folder / "empty.parquet")


def _open_version(name: str, path: Path, version: int, latest: int) -> DeltaTable:
    if not 0 <= version <= latest:
        raise _no_version(name, version, latest)
    try:
        table = delta.open_table(path, version)
    except StorageError as error:  # the latest version could be read, so this one was cleaned up
        raise _no_version(name, version, latest) from error
    if table is None:
        raise _no_version(name, version, latest)
    return table


def _no_version(name: str, version: int, latest: int) -> DataError:
    return DataError(
        f"table {name}, version {version}",
        found=f"no longer or never in the table's log; the latest is {latest}",
        expected=f"a version from 0 to {latest}",
        fix="read the latest version, or materialize the table again",
    )
