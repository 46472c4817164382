"""What Unity Catalog and a Delta table's log say of a table now."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml_assets.platform.databricks import sql
from ml_assets.platform.databricks.failures import (
    catalog_errors,
    is_another_kind,
    is_missing_table,
)
from ml_assets.platform.databricks.history import PREFIX, Commit, commits_of, data_version
from ml_assets.platform.spark_types import simple_type
from ml_assets.platform.table_names import checked_name
from ml_assets.spec.base import quoted
from ml_assets.spec.catalog import ColumnInfo, TableInfo
from ml_assets.spec.errors import DataError, StorageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import SparkSession

#: Where keys are written that Unity Catalog cannot hold as a constraint, because they may be null.
PRIMARY_KEYS, EVENT_TIME = f"{PREFIX}primary_keys", f"{PREFIX}event_time"
_PAGE = 30
_TEXT = re.compile(r"'(?:[^'\\]|\\.)*'")
_PRIMARY_KEY = re.compile(r"PRIMARY KEY\s*\(((?:[^()`]|`(?:[^`]|``)*`)*)\)", re.IGNORECASE)
_KEY_COLUMN = re.compile(r"\s*(?:`((?:[^`]|``)*)`|(\w+))(\s+TIMESERIES)?\s*(?:,|$)", re.IGNORECASE)


#: What is equal exactly as long as nobody changes the rows: (table id, last version that changed
#: rows); None for no table.
RowsState = tuple[str, int] | None


@dataclass(frozen=True)
class Stored:
    """A table as it is stored: what every reader sees, and what only a writer asks.

    ``table_id`` changes when a table is dropped and made again; ``constrained`` says whether the
    keys are a primary-key constraint.
    """

    info: TableInfo
    table_id: str = ""
    constrained: bool = False
    properties: Mapping[str, str] | None = None

    @property
    def rows_state(self) -> RowsState:
        """Which rows the table holds."""
        return (self.table_id, self.info.data_version) if self.info.exists else None


def stored_table(spark: SparkSession, name: str) -> Stored:
    """Ask for everything that is known of a table; ``info.exists`` is False when there is none.

    A view, or a table that is not Delta, exists too: without versions (-1).

    Raises
    ------
    StorageError
        When the job may not see it, or somebody stored keys that are not JSON.
    """
    with catalog_errors(checked_name(name), "describe the table"):
        detail = _detail(spark, name)
        if detail is None and not _exists(spark, name):
            return Stored(TableInfo(name=name, exists=False))
        columns = stored_columns(spark, name)
        if detail is None:
            return Stored(TableInfo(name=name, exists=True, columns=columns))
        properties: dict[str, str] = dict(detail.get("properties") or {})
        keys, event_time, constrained = _keys(spark, name, properties)
        commits = history(spark, name)
        info = TableInfo(
            name=name,
            exists=True,
            uri=str(detail.get("location") or ""),
            version=commits[0].version if commits else -1,
            data_version=_data_version(spark, name, commits),
            primary_keys=keys,
            event_time=event_time,
            description=str(detail.get("description") or ""),
            tags=stored_tags(spark, name),
            columns=columns,
        )
        return Stored(info, str(detail.get("id") or ""), constrained, properties)


def stored_columns(spark: SparkSession, name: str) -> tuple[ColumnInfo, ...]:
    """List the columns of a table with their types, comments and whether they may be null."""
    struct = json.loads(spark.read.table(quoted(name)).schema.json())
    return tuple(
        ColumnInfo(
            name=f["name"],
            type=simple_type(f["type"]),
            comment=(f.get("metadata") or {}).get("comment", ""),
            nullable=bool(f["nullable"]),
        )
        for f in struct["fields"]
    )


def stored_tags(spark: SparkSession, name: str) -> dict[str, str]:
    """Read the tags of a table."""
    rows = spark.sql(sql.tags_of(name)).collect()
    return {str(row["tag_name"]): str(row["tag_value"] or "") for row in rows}


def history(spark: SparkSession, name: str, limit: int | None = _PAGE) -> list[Commit]:
    """Read the last commits of a Delta table, latest first; all of them without a limit."""
    rows = spark.sql(sql.describe_history(name, limit)).collect()
    return commits_of(row.asDict() for row in rows)


def rows_commits(spark: SparkSession, name: str, most: int) -> list[Commit]:
    """Read the last commits of a Delta table that changed rows, latest first."""
    commits = history(spark, name)
    found = [commit for commit in commits if commit.changes_rows]
    if len(found) < most and len(commits) == _PAGE:
        found = [commit for commit in history(spark, name, None) if commit.changes_rows]
    return found[:most]


def rows_state(spark: SparkSession, name: str) -> RowsState:
    """Say which rows a table holds now: equal exactly as long as nobody changes them."""
    detail = _detail(spark, name)
    if detail is None:
        return None if not _exists(spark, name) else ("", -1)
    return str(detail.get("id") or ""), _data_version(spark, name, history(spark, name))


def last_version(spark: SparkSession, name: str) -> int | None:
    """Return a table's latest version; None for a view, or a table that is not Delta.

    Raises
    ------
    DataError
        When there is no such table.
    """
    from pyspark.errors import PySparkException

    with catalog_errors(checked_name(name), "read the table's history"):
        if is_system_table(name):
            if not _exists(spark, name):
                raise missing(name)
            return None
        try:
            return history(spark, name, 1)[0].version
        except PySparkException:
            if not _exists(spark, name):
                raise missing(name) from None
            if _detail(spark, name) is None:
                return None
            raise


def is_system_table(name: str) -> bool:
    """Whether Databricks itself fills a table, and shares it read-only: the catalog ``system``.

    Such tables are read as they are now: nobody promises a history of them.

    >>> is_system_table("system.billing.usage"), is_system_table("systems.billing.usage")
    (True, False)
    """
    return name.partition(".")[0].lower() == "system"


def missing(name: str) -> DataError:
    """Say that there is no such table."""
    return DataError(
        f"table {name}",
        found="no table of that name that this job may see",
        expected="a table that was written before",
        fix="materialize the asset that writes it (or seed the source) first",
    )


def primary_key(statement: str) -> tuple[tuple[str, ...], str | None]:
    """Find the keys and the event time in what ``SHOW CREATE TABLE`` answers.

    >>> primary_key("CREATE TABLE t (k INT, CONSTRAINT p PRIMARY KEY (`k`, `t s` TIMESERIES))")
    (('k',), 't s')
    >>> primary_key("CREATE TABLE t (k INT)")
    ((), None)
    """
    found = _PRIMARY_KEY.search(_TEXT.sub("''", statement))
    columns = _KEY_COLUMN.findall(found[1]) if found else []
    names = [((q or plain).replace("``", "`"), bool(series)) for q, plain, series in columns]
    times = [name for name, series in names if series]
    return tuple(name for name, series in names if not series), times[0] if times else None


def _detail(spark: SparkSession, name: str) -> dict[str, Any] | None:
    """Describe a Delta table; None when there is no table, or one of another kind."""
    from pyspark.errors import PySparkException

    if is_system_table(name):
        return None
    try:
        row = spark.sql(sql.describe_detail(name)).collect()[0].asDict()
    except PySparkException as error:
        if is_missing_table(str(error)) or is_another_kind(str(error)):
            return None
        if not _exists(spark, name) or _is_a_view(spark, name):
            return None
        raise
    return row if str(row.get("format") or "").lower() == "delta" else None


def _exists(spark: SparkSession, name: str) -> bool:
    return bool(spark.catalog.tableExists(quoted(name)))


def _is_a_view(spark: SparkSession, name: str) -> bool:
    return "VIEW" in str(spark.catalog.getTable(quoted(name)).tableType).upper()


def _keys(
    spark: SparkSession, name: str, properties: Mapping[str, str]
) -> tuple[tuple[str, ...], str | None, bool]:
    """Keys, event time, and whether they are a constraint."""
    statement = spark.sql(sql.show_create_table(name)).collect()[0][0]
    keys, event_time = primary_key(str(statement))
    if keys or event_time:
        return keys, event_time, True
    try:
        noted = json.loads(properties.get(PRIMARY_KEYS, "[]"))
    except ValueError as error:
        raise StorageError(
            f"{name}: table property {PRIMARY_KEYS}",
            found=f"text that is not JSON: {error}",
            expected="a list, as ml_assets stores it",
            fix=f"ALTER TABLE {quoted(name)} UNSET TBLPROPERTIES ({sql.literal(PRIMARY_KEYS)})",
        ) from error
    return tuple(noted), properties.get(EVENT_TIME) or None, False


def _data_version(spark: SparkSession, name: str, commits: list[Commit]) -> int:
    """Find the last commit that changed rows; what came before the kept history cannot be newer."""
    found = data_version(commits)
    if found is None and len(commits) == _PAGE:
        commits = history(spark, name, None)
        found = data_version(commits)
    if found is None:
        first = commits[-1].version if commits else 0
        return first - 1 if first > 0 else -1
    return found
