"""Stand-in for ``delta.tables``: the part that the client uses, on SQL that the engine has."""
# ruff: noqa: S608 - the texts are the client's own.

from __future__ import annotations

import sys
import types
import uuid
from typing import TYPE_CHECKING, Any, Self

from pyspark.sql import functions as F

from ml_assets_tests.conformance.shim.errors import NotInShimError
from ml_assets_tests.conformance.shim.names import full_name, quoted

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


class DeltaTable:
    """A Delta table by name."""

    def __init__(self, spark: SparkSession, name: str, alias: str = "") -> None:
        self._spark, self._name, self._alias = spark, name, alias

    @classmethod
    def forName(cls, spark: SparkSession, name: str) -> Self:  # noqa: N802 - Delta's own name
        table = cls(spark, quoted(full_name(name)))
        table.detail()  # explains a missing table
        return table

    def toDF(self) -> DataFrame:  # noqa: N802 - Delta's own name
        return self._spark.table(self._name)

    def alias(self, alias: str) -> DeltaTable:
        return DeltaTable(self._spark, self._name, alias)

    def detail(self) -> DataFrame:
        return self._spark.sql(f"DESCRIBE DETAIL {self._name}")

    def history(self, limit: int | None = None) -> DataFrame:
        more = "" if limit is None else f" LIMIT {limit}"
        found = self._spark.sql(f"DESCRIBE HISTORY {self._name}{more}")
        # `operationParameters.zOrderBy`: the engine here reads fields of structs that way, not of maps.
        order = F.element_at("operationParameters", "zOrderBy").alias("zOrderBy")
        return found.withColumn("operationParameters", F.struct(order))

    def merge(self, source: DataFrame, condition: str) -> Merge:
        return Merge(self, source, condition)


class Merge:
    """Collects the clauses of a MERGE statement."""

    def __init__(self, table: DeltaTable, source: DataFrame, condition: str) -> None:
        self._table, self._source, self._condition = table, source, condition
        self._clauses: list[str] = []

    def whenMatchedUpdate(self, condition: Any = None, set: Any = None) -> Merge:  # noqa: A002, N802 - Delta's own names
        changes = ", ".join(f"{c} = {_sql(v)}" for c, v in set.items())
        return self._with("MATCHED", condition, f"UPDATE SET {changes}")

    def whenMatchedUpdateAll(self, condition: Any = None) -> Merge:  # noqa: N802 - Delta's own name
        return self._with("MATCHED", condition, "UPDATE SET *")

    def whenNotMatchedInsert(self, condition: Any = None, values: Any = None) -> Merge:  # noqa: N802 - Delta's own name
        columns, inserted = ", ".join(values), ", ".join(_sql(v) for v in values.values())
        return self._with("NOT MATCHED", condition, f"INSERT ({columns}) VALUES ({inserted})")

    def whenNotMatchedInsertAll(self, condition: Any = None) -> Merge:  # noqa: N802 - Delta's own name
        return self._with("NOT MATCHED", condition, "INSERT *")

    def execute(self) -> None:
        view = f"merge_{uuid.uuid4().hex}"
        spark, source_alias = self._table._spark, self._source._plan._alias
        self._source.createOrReplaceTempView(view)
        target = f"{self._table._name} AS {self._table._alias}"
        clauses = " ".join(self._clauses)
        try:
            spark.sql(
                f"MERGE INTO {target} USING {view} AS {source_alias} ON {self._condition} {clauses}"
            ).collect()
        finally:
            spark.catalog.dropTempView(view)

    def _with(self, when: str, condition: Any, then: str) -> Merge:
        if condition is not None:
            raise NotInShimError(f"a condition on WHEN {when}")
        self._clauses.append(f"WHEN {when} THEN {then}")
        return self


def install() -> None:
    """Make ``delta.tables`` importable."""
    package, module = types.ModuleType("delta"), types.ModuleType("delta.tables")
    module.DeltaTable = DeltaTable  # type: ignore[attr-defined]
    package.tables = module  # type: ignore[attr-defined]
    sys.modules["delta"], sys.modules["delta.tables"] = package, module


def _sql(value: Any) -> str:
    """An expression is text; the only other thing that the client hands over is a literal null."""
    if isinstance(value, str):
        return value
    if str(value) == "Column<'NULL'>":
        return "NULL"
    raise NotInShimError(f"the expression {value}")
