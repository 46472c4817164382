"""Staged rows on their way to a table: published in one commit of rows, or removed.

``FeatureEngineeringClient.write_table`` only merges: rows that the transform does not make any more
would stay. So a table is made by the client (``create_table``: Unity Catalog then holds its primary
key and its time series), and filled by one overwrite of all rows, the only commit that changes any.

Delta has no compare-and-set of versions in SQL. The table is compared with what it was at staging
just before the overwrite, and its history is read just after it: a commit of rows that slipped in
between is reported (``ConcurrentWriteError``), with the version that can be restored.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ml_assets.platform.databricks import sql
from ml_assets.platform.databricks.catalog import Stored, history, stored_table
from ml_assets.platform.databricks.differences import (
    is_feature_table,
    key_columns,
    loosening,
    noted_keys,
    replaces,
    tightening,
)
from ml_assets.platform.databricks.failures import catalog_errors, changed, null_rows
from ml_assets.platform.databricks.grants import grant_on_table
from ml_assets.platform.databricks.history import PREFIX, user_metadata
from ml_assets.platform.databricks.staging import drop
from ml_assets.spec.base import quoted
from ml_assets.spec.errors import ConcurrentWriteError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pyspark.sql import DataFrame, SparkSession

    from ml_assets.platform.databricks.catalog import RowsState
    from ml_assets.platform.databricks.tables import DatabricksTables
    from ml_assets.spec.catalog import ColumnInfo, TableInfo, TableLayout

_COMMIT = "commit"


@dataclass(kw_only=True)
class DatabricksStaged:
    """Rows in a table beside the table; ``seen`` is the state of the table's rows at staging.

    ``columns`` are those that will be published.
    """

    tables: DatabricksTables
    layout: TableLayout
    staging: str
    columns: tuple[ColumnInfo, ...]
    seen: RowsState
    _published: TableInfo | None = None
    _discarded: bool = False

    @property
    def frame(self) -> DataFrame:
        """The staged rows as a Spark frame; after publication, the published ones."""
        if self._published is not None:
            return self.tables.read(self.layout.name, self._published.data_version)
        return self._spark.read.table(quoted(self.staging))

    def publish(self, properties: Mapping[str, str] | None = None) -> TableInfo:
        """Replace the table's rows by the staged ones, in one commit, and describe the result.

        ``properties`` are stored in the commit's ``userMetadata``, each as ``ml_assets.<key>``.
        What the catalog holds beside rows (keys, comments, tags, grants) follows, where it differs.
        A second call returns what the first did.

        Raises
        ------
        DataError
            When a NOT NULL column holds nulls.
        ConcurrentWriteError
            When the table's rows were changed since staging.
        StorageError
            When it cannot be written, or the staged rows are gone.
        """
        if self._published is None:
            with catalog_errors(self.layout.name, "publish"):
                self._check_publishable()
                self._published = self._commit(properties or {})
            drop(self._spark, self.staging)
        return self._published

    def discard(self) -> None:
        """Remove the staged rows; the table stays as it was. Safe to call twice and after publish."""
        if self._published is None and not self._discarded:
            self._discarded = True
            drop(self._spark, self.staging)

    @property
    def _spark(self) -> SparkSession:
        return self.tables.spark

    def _run(self, statements: Iterable[str]) -> bool:
        """Run statements, and say whether there were any."""
        ran = False
        for statement in statements:
            self._spark.sql(statement).collect()
            ran = True
        return ran

    def _check_publishable(self) -> None:
        gone = "were discarded" if self._discarded else "are gone"
        if self._discarded or not self._spark.catalog.tableExists(quoted(self.staging)):
            raise StorageError(
                self.layout.name,
                found=f"the staged rows {gone}",
                expected=f"staged rows in {self.staging}",
                fix="stage them again",
            )
        self._check_not_null()

    def _check_not_null(self) -> None:
        """Count nulls before anything is changed: Delta would refuse them one at a time."""
        from pyspark.sql import functions as F

        names = self.layout.not_null
        if not names:
            return
        counts = [F.count_if(F.col(sql.column(n)).isNull()) for n in names]
        row = self._spark.read.table(quoted(self.staging)).agg(*counts).collect()[0]
        found = {name: count for name, count in zip(names, row, strict=True) if count}
        if found:
            told = ", ".join(f"{count} nulls in {name!r}" for name, count in found.items())
            raise null_rows(f"{self.layout.name}: columns {', '.join(map(repr, found))}", told)

    def _commit(self, properties: Mapping[str, str]) -> TableInfo:
        name = self.layout.name
        stored = stored_table(self._spark, name)
        if stored.rows_state != self.seen:
            raise changed(name, _told(self.seen), _told(stored.rows_state))
        mark = uuid.uuid4().hex
        before = self._prepare(stored)
        try:
            self._overwrite(stored, user_metadata({**properties, _COMMIT: mark}))
        except BaseException:
            # The answer to a commit may be lost on its way: then it was one all the same.
            if self._landed(mark, before) is None:
                self._undo(stored)
                raise
        landed = self._landed(mark, before)
        if landed is None:
            raise changed(name, "our commit in the table's history", "a history without it")
        return self._finish(landed)

    def _prepare(self, stored: Stored) -> int:
        """Make the table, or what keeps the rows from being written, fit; return its version then."""
        if stored.info.exists:
            self._run(loosening(stored, self.layout, self.columns))
        else:
            self._create()
        return history(self._spark, self.layout.name, 1)[0].version

    def _create(self) -> None:
        """Make the empty table: with the client when it has a primary key, else by one statement."""
        layout = self.layout
        if is_feature_table(layout):
            self.tables.client.create_table(
                name=layout.name,
                primary_keys=list(key_columns(layout)),
                timeseries_column=layout.event_time,
                schema=_spark_schema(self._spark, self.staging, self.columns, layout),
                description=layout.description,
                tags=dict(layout.tags) or None,
            )
            return
        columns = [
            replace(
                c,
                comment=layout.comments.get(c.name, ""),
                nullable=c.name not in layout.not_null,
            )
            for c in self.columns
        ]
        statement = sql.create_table(
            layout.name, columns, description=layout.description, properties=noted_keys(layout)
        )
        self._run([statement])

    def _undo(self, stored: Stored) -> None:
        """Take the table that was made a moment ago away again, if it is as empty as it was."""
        name = self.layout.name
        if not stored.info.exists and not self._spark.read.table(quoted(name)).take(1):
            drop(self._spark, name)

    def _overwrite(self, stored: Stored, metadata: str) -> None:
        from pyspark.sql import functions as F

        names = [sql.column(c.name) for c in self.columns]
        rows = self._spark.read.table(quoted(self.staging)).select(*names)
        target = quoted(self.layout.name)
        if not stored.info.exists or not replaces(stored, self.columns):
            # An overwrite of rows leaves constraints, comments and grants as they are;
            # saveAsTable would replace the table.
            rows.writeTo(target).option("userMetadata", metadata).overwrite(F.lit(True))  # noqa: FBT003
            return
        writer = rows.write.format("delta").mode("overwrite").option("overwriteSchema", "true")
        writer.option("userMetadata", metadata).saveAsTable(target)

    def _landed(self, mark: str, before: int) -> int | None:
        """Find the version of our commit.

        Raises
        ------
        ConcurrentWriteError
            When somebody else's rows were replaced by it: they came after the comparison.
        """
        name = self.layout.name
        commits = [c for c in history(self._spark, name) if c.version > before]
        ours = [c for c in commits if c.metadata.get(f"{PREFIX}{_COMMIT}") == mark]
        if not ours:
            return None
        version = ours[0].version
        lost = [c.version for c in commits if c.changes_rows and c.version < version]
        if lost:
            raise _slipped_in(name, lost[0], version)
        return version

    def _finish(self, version: int) -> TableInfo:
        """Bring everything beside the rows up to date, and describe the table at our rows."""
        name = self.layout.name
        stored = stored_table(self._spark, name)
        if self._run(tightening(stored, self.layout)):
            stored = stored_table(self._spark, name)
        grant_on_table(self._spark, name, self.layout.grants)
        if stored.info.data_version != version:  # somebody else wrote after us: describe ours
            return replace(stored.info, version=version, data_version=version)
        return stored.info


def _spark_schema(
    spark: SparkSession, staging: str, columns: Iterable[ColumnInfo], layout: TableLayout
) -> Any:
    """Give the columns' Spark types with the layout's comments; the client sets NOT NULL on keys."""
    from pyspark.sql.types import StructField, StructType

    types = {f.name: f.dataType for f in spark.read.table(quoted(staging)).schema.fields}
    comments = layout.comments
    return StructType(
        [
            StructField(
                c.name,
                types[c.name],
                nullable=True,
                metadata={"comment": comments[c.name]} if comments.get(c.name) else {},
            )
            for c in columns
        ]
    )


def _told(state: RowsState) -> str:
    return "no table" if state is None else f"rows of version {state[1]}"


def _slipped_in(name: str, theirs: int, ours: int) -> ConcurrentWriteError:
    return ConcurrentWriteError(
        name,
        found=f"version {theirs}, which somebody else wrote while version {ours} was being written",
        expected="no other writer",
        fix=f"decide whose rows are right: RESTORE TABLE {quoted(name)} TO VERSION AS OF {theirs} "
        f"brings theirs back, running this step again writes ours; then make sure that only one "
        "job writes the table",
    )
