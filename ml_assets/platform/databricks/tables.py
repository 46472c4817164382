"""Delta tables by three-level name, in Unity Catalog."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ml_assets.platform.databricks import sql
from ml_assets.platform.databricks.catalog import (
    is_system_table,
    last_version,
    rows_commits,
    rows_state,
    stored_columns,
    stored_table,
)
from ml_assets.platform.databricks.differences import check_tags
from ml_assets.platform.databricks.failures import catalog_errors
from ml_assets.platform.databricks.history import PREFIX, user_metadata
from ml_assets.platform.databricks.staged import DatabricksStaged
from ml_assets.platform.databricks.staging import drop, remove_left_behind, write_staging
from ml_assets.platform.layouts import check_fits
from ml_assets.platform.protocol import RowsCommit
from ml_assets.platform.table_names import checked_name
from ml_assets.spec.base import quoted
from ml_assets.spec.catalog import TableLayout
from ml_assets.spec.errors import ConcurrentWriteError, DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd
    from pyspark.sql import DataFrame, SparkSession

    from ml_assets.spec.catalog import TableInfo


class DatabricksTables:
    """Unity Catalog's tables; the catalog holds keys, descriptions, tags and grants.

    Parameters
    ----------
    session
        Gives the Spark session.
    client
        Gives the feature engineering client, which makes tables that have a primary key.
    """

    def __init__(self, session: Callable[[], SparkSession], client: Callable[[], Any]) -> None:
        self._session, self._client = session, client

    @property
    def spark(self) -> SparkSession:
        """The session; UTC."""
        return self._session()

    @property
    def client(self) -> Any:
        """The feature engineering client."""
        return self._client()

    def info(self, name: str) -> TableInfo:
        """Describe what is stored now; ``exists=False`` when there is no such table.

        A view, or a table that is not Delta, has no versions (-1).
        """
        return stored_table(self.spark, name).info

    def read(self, name: str, version: int | None = None) -> DataFrame:
        """Read a table at a version, the current one when none is given.

        The version is fixed now: the frame does not change when the table does. Only views, and
        tables that are not Delta, are read as they are at the time of each action.

        Raises
        ------
        DataError
            When the table, or that version of it, does not exist.
        """
        latest = last_version(self.spark, name)
        if latest is None:
            if version is not None and version >= 0:
                raise _no_version(name, version, "a view or a table that is not Delta")
            return self.spark.read.table(quoted(name))
        if version is not None and not 0 <= version <= latest:
            raise _no_version(name, version, f"the latest is {latest}")
        found = latest if version is None else version
        frame = self.spark.read.option("versionAsOf", found).table(quoted(name))
        if found < latest:
            _check_kept(frame, name, found, latest)
        return frame

    def commits(self, name: str, most: int = 1) -> tuple[RowsCommit, ...]:
        """List the last commits that changed rows, latest first; empty for no table, or a view."""
        with catalog_errors(checked_name(name), "read the table's history"):
            if not self.spark.catalog.tableExists(quoted(name)):
                return ()
        if last_version(self.spark, name) is None:
            return ()
        with catalog_errors(name, "read the table's history"):
            return tuple(
                RowsCommit(
                    commit.version,
                    {
                        key.removeprefix(PREFIX): str(value)
                        for key, value in commit.metadata.items()
                        if key.startswith(PREFIX)
                    },
                )
                for commit in rows_commits(self.spark, name, most)
            )

    def stage(
        self, frame: DataFrame, layout: TableLayout, audit_columns: Sequence[str] = ()
    ) -> DatabricksStaged:
        """Write rows into a table beside the table, invisible under its name until published.

        Raises
        ------
        DataError
            When the frame does not fit the layout, or Unity Catalog would refuse a tag; nothing was
            written.
        StorageError
            When the rows cannot be written; what was written is removed.
        """
        name = checked_name(layout.name)
        struct = json.loads(frame.schema.json())
        check_fits(struct, layout, frozenset(audit_columns))
        check_tags(layout)
        with catalog_errors(name, "stage rows"):
            remove_left_behind(self.spark, name)
            seen = rows_state(self.spark, name)
            staging = write_staging(frame, name)
            try:
                columns = stored_columns(self.spark, staging)
            except BaseException:
                drop(self.spark, staging)
                raise
        return DatabricksStaged(
            tables=self,
            layout=layout,
            staging=staging,
            columns=tuple(c for c in columns if c.name not in audit_columns),
            seen=seen,
        )

    def seed(self, name: str, load: Callable[[], pd.DataFrame], description: str = "") -> TableInfo:
        """Create a table from a pandas frame, unless it exists already (then ``load`` is not run).

        Times without a zone are taken as UTC; the index is not stored.

        Raises
        ------
        DataError
            When a column cannot be stored (mixed types, durations), or it is one of Databricks' own
            tables (catalog ``system``), which nobody else creates.
        StorageError
            When the job may not create it.
        """
        from ml_assets.platform.databricks.seeds import seed_frame

        stored = self.info(name)
        if stored.exists:
            return stored
        if is_system_table(name):
            raise _not_shared(name)
        frame = seed_frame(self.spark, name, load())
        check_fits(json.loads(frame.schema.json()), TableLayout(name=name))
        writer = frame.write.format("delta")  # fails when the table exists
        try:
            with catalog_errors(name, "create the table"):
                metadata = user_metadata({"seeded": "true"})
                writer.option("userMetadata", metadata).saveAsTable(quoted(name))
        except ConcurrentWriteError:
            if (stored := self.info(name)).exists:
                return stored  # another process seeded it meanwhile
            raise
        if description:
            self.spark.sql(sql.comment_on_table(name, description)).collect()
        return self.info(name)


def _not_shared(name: str) -> DataError:
    schema = quoted(name.rpartition(".")[0])
    return DataError(
        f"table {name}",
        found="no table of that name that this job may see",
        expected="the system table that Databricks fills; a seed does not replace it",
        fix=f"let an account admin enable the schema {schema}, and GRANT USE SCHEMA, SELECT ON SCHEMA "
        f"{schema} (and USE CATALOG on system) to whom the job runs as",
    )


def _check_kept(frame: DataFrame, name: str, version: int, latest: int) -> None:
    """Find out now, and not in the middle of a step, that an old version was cleaned up."""
    from pyspark.errors import PySparkException

    try:
        frame.schema  # noqa: B018 - asks the engine to resolve the version
    except PySparkException as error:
        raise _no_version(name, version, f"the latest is {latest}") from error


def _no_version(name: str, version: int, found: str) -> DataError:
    return DataError(
        f"table {name}, version {version}",
        found=f"no longer or never in the table's history; {found}",
        expected="a version that the table still keeps",
        fix="read the latest version, or materialize the table again; to keep versions longer, set "
        "delta.logRetentionDuration and delta.deletedFileRetentionDuration on the table",
    )
