"""Staged rows on their way to a table: published in one commit, or removed."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_assets.platform.embedded import delta
from ml_assets.platform.embedded.failures import storage_errors
from ml_assets.platform.embedded.locks import table_lock
from ml_assets.platform.embedded.warehouse import version_adding
from ml_assets.spec.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from deltalake import Schema
    from pyspark.sql import DataFrame

    from ml_assets.platform.embedded.staging import StagedFile, Staging
    from ml_assets.platform.embedded.tables import EmbeddedTables
    from ml_assets.spec.catalog import TableInfo, TableLayout


@dataclass(kw_only=True)
class EmbeddedStaged:
    """Rows beside a table that no reader sees yet; ``seen`` is the table's version at staging."""

    tables: EmbeddedTables
    layout: TableLayout
    staging: Staging
    schema: Schema
    files: tuple[StagedFile, ...]
    seen: int | None
    _published: TableInfo | None = None
    _discarded: bool = False

    @property
    def folder(self) -> Path:
        """The folder of the staged Parquet files."""
        return self.staging.folder

    @property
    def rows(self) -> int:
        """Number of staged rows, from the files' footers."""
        return sum(f.rows for f in self.files)

    @property
    def frame(self) -> DataFrame:
        """The staged rows as a Spark frame."""
        return self.tables.spark.read.parquet(self.tables.spark_path(self.folder))

    def publish(self, properties: Mapping[str, str] | None = None) -> TableInfo:
        """Replace the table's rows by the staged ones, in one commit, and describe the result.

        ``properties`` are stored in the commit, each as ``ml_assets.<key>``. A second call returns
        what the first did.

        Raises
        ------
        DataError
            When a NOT NULL column holds nulls.
        ConcurrentWriteError
            When the table was changed since staging.
        StorageError
            When it cannot be written, or the staged rows are gone.
        """
        if self._published is None:
            name, staging = self.layout.name, self.staging
            with storage_errors(staging.table, "publish"):
                self._check_publishable()
                with table_lock(self.tables.home, name):
                    self._published = self._commit(properties or {})
                staging.settle()
        return self._published

    def discard(self) -> None:
        """Remove the staged rows; the table stays as it was. Safe to call twice and after publish."""
        if self._published is None and not self._discarded:
            self._discarded = True
            with contextlib.suppress(StorageError):  # unreadable log: a later staging tidies up
                # A publication may have been interrupted after its commit: then it was one.
                if self._landed() is None:
                    self.staging.remove()

    def _check_publishable(self) -> None:
        if self._discarded:
            raise StorageError(
                self.layout.name,
                found="the staged rows were discarded",
                expected="staged rows",
                fix="stage them again",
            )
        self.staging.check_complete(self.files)
        self.staging.check_not_null(self.layout.name, self.layout.not_null)

    def _commit(self, properties: Mapping[str, str]) -> TableInfo:
        path, name = self.staging.table, self.layout.name
        table = delta.open_table(path)
        now = None if table is None else table.version()
        if now != self.seen:
            raise delta.changed(name, _named(self.seen), _named(now))
        content = delta.Content(self.layout, self.schema, self.files, properties)
        try:
            if table is None:
                delta.create(path, content)
            else:
                delta.replace(table, content)
        except Exception:
            # delta-rs also raises when only what follows a commit failed, such as a checkpoint.
            if self._landed() is None:
                raise
        return self._published_info()

    def _landed(self) -> int | None:
        """The version whose commit refers to the staged files, when there is one."""
        after = -1 if self.seen is None else self.seen
        return version_adding(self.tables.home, self.layout.name, self.folder.name, after)

    def _published_info(self) -> TableInfo:
        """Describe the version that was committed; trust, but look: it must be exactly our files."""
        name, path, version = self.layout.name, self.staging.table, self._landed()
        live = None if version is None else delta.open_table(path, version)
        found = [] if live is None else delta.live_files(live)
        ours = [file for file in found if file.startswith(f"{self.folder.name}/")]
        if live is None or version is None or not len(found) == len(ours) == len(self.files):
            raise delta.changed(name, f"{len(self.files)} files of ours", f"other files: {found}")
        return delta.describe(name, path, live, version)


def _named(version: int | None) -> str:
    return "no table" if version is None else f"version {version}"
