"""Cleaning: whatever comes in, nothing non-finite is left where a default is declared."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml_assets.spec.catalog import TableInfo
from ml_assets.spec.errors import DataError
from ml_assets.spec.tables import FeatureTable
from ml_assets.steps.clean_features import check_columns, clean, measure_frame
from ml_assets.steps.measure import column_types

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SCHEMA = (
    "k string, ts timestamp, x double, f float, i int, b bigint, d decimal(10,2), s string, "
    "flag boolean, day date"
)
DEFAULTS: dict[str, Any] = {
    "x": -1.5,
    "f": 2.0,
    "i": 7,
    "b": 8,
    "d": 1,
    "s": "none",
    "flag": True,
    "day": None,
}


def table(**defaults: Any) -> FeatureTable:
    columns = {n: {"default": v} for n, v in {**DEFAULTS, **defaults}.items()}
    return FeatureTable(
        name="t",
        table="c.s.t",
        transform="a.b",
        sources=("a",),
        primary_keys=("k",),
        event_time="ts",
        columns=columns,
    )


def cleaned(frame: DataFrame, declared: FeatureTable) -> list[Any]:
    return clean(frame, declared)[0].collect()


doubles = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True, width=32))
rows = st.lists(
    st.tuples(
        doubles, doubles, st.none() | st.integers(-100, 100), st.none() | st.text("ab", max_size=3)
    ),
    min_size=1,
    max_size=20,
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=rows)
def test_finite_values_stay_and_the_rest_become_the_default(
    spark: SparkSession, rows: list[Any]
) -> None:
    data = [(f"k{n}", None, x, f, i, i, None, s, None, None) for n, (x, f, i, s) in enumerate(rows)]
    frame = spark.createDataFrame(data, SCHEMA)
    result = {r["k"]: r for r in cleaned(frame, table())}
    for k, _, x, f, i, _, _, s, _, _ in data:
        row = result[k]
        assert row["x"] == (x if x is not None and math.isfinite(x) else -1.5)
        assert row["f"] == (f if f is not None and math.isfinite(f) else 2.0)
        assert (row["i"], row["b"]) == ((i, i) if i is not None else (7, 8))
        assert (row["s"], row["d"], row["flag"]) == (
            s if s is not None else "none",
            Decimal("1.00"),
            True,
        )


def test_every_type_is_kept_and_every_repair_is_counted(spark: SparkSession) -> None:
    data = [
        ("a", None, math.nan, math.inf, None, None, None, None, None, None),
        ("b", None, -math.inf, None, 1, 2, Decimal("3.25"), "s", False, None),
        ("c", None, None, 1.5, 1, 2, Decimal("3.25"), "s", False, None),
    ]
    frame = spark.createDataFrame(data, SCHEMA)
    result, audit = clean(frame, table())
    types = column_types(result)
    assert {n: types[n] for n in frame.columns} == column_types(frame)
    assert [a for a in audit if a not in types] == []
    facts = measure_frame(result, table(), TableInfo("c.s.t", exists=True), staged=True)
    repaired = {c.name: c.repaired for c in facts.columns}
    assert repaired == {"x": 3, "f": 2, "i": 1, "b": 1, "d": 1, "s": 1, "flag": 1, "day": None}
    assert {c.name: (c.nulls, c.nans, c.infs) for c in facts.columns if c.name != "day"} == {
        n: (0, 0, 0) for n in repaired if n != "day"
    }


def test_a_column_without_default_stays_as_it_is_and_is_counted_with_examples(
    spark: SparkSession,
) -> None:
    data = [
        (k, None, x, None, 1, 2, None, "s", False, None)
        for k, x in (("a", math.nan), ("b", math.inf), ("c", None), ("d", 1.0))
    ]
    declared = table(x=None, f=2.0)
    result, _ = clean(spark.createDataFrame(data, SCHEMA), declared)
    facts = measure_frame(result, declared, TableInfo("c.s.t", exists=True), staged=True)
    (x,) = (c for c in facts.columns if c.name == "x")
    assert (x.nans, x.infs, x.nulls, x.repaired) == (1, 1, 1, None)
    assert facts.examples["ml03_no_nan"] == ("k=a, ts=None",)
    assert facts.examples["ml03_no_inf"] == ("k=b, ts=None",)


def test_repeated_and_null_keys_are_counted(spark: SparkSession) -> None:
    times = ["2024-01-01", "2024-01-01", "2024-01-02", None]
    frame = spark.createDataFrame(list(zip("aaab", times, strict=True)), "k string, day string")
    frame = frame.selectExpr("k", "cast(day as timestamp) ts", "1.0D as x")
    declared = FeatureTable(
        name="t",
        table="c.s.t",
        transform="a.b",
        sources=("a",),
        primary_keys=("k",),
        event_time="ts",
        columns={"x": {}},
    )
    facts = measure_frame(frame, declared, TableInfo("c.s.t", exists=True), staged=True)
    assert (facts.rows, facts.duplicate_keys, facts.key_nulls) == (4, 1, {"k": 0, "ts": 1})
    assert facts.examples["ml01_primary_key_unique"] == ("k=b, ts=None",)


@pytest.mark.parametrize(
    ("column", "default", "kind"),
    [("x", "text", "double"), ("x", True, "double"), ("i", 0.5, "int"), ("i", 2**40, "int"), ("s", 1, "string"),
     ("flag", 1, "boolean"), ("day", "2024-01-01", "date"), ("d", "1", "decimal(10,2)")],
)  # fmt: skip
def test_a_default_that_the_type_cannot_hold_is_refused(
    spark: SparkSession, column: str, default: Any, kind: str
) -> None:
    frame = spark.createDataFrame([], SCHEMA)
    with pytest.raises(DataError) as caught:
        clean(frame, table(**{column: default}))
    assert (f"columns.{column}.default" in str(caught.value), kind in str(caught.value)) == (
        True,
        True,
    )


def test_missing_and_undeclared_columns_are_refused_by_name(spark: SparkSession) -> None:
    frame = spark.createDataFrame([], "k string, ts timestamp, amout double")
    declared = FeatureTable(
        name="t",
        table="c.s.t",
        transform="a.b",
        sources=("a",),
        primary_keys=("k",),
        event_time="ts",
        columns={"amount": {}},
    )
    with pytest.raises(DataError, match=r"'amount' \(did you mean 'amout'\?\)"):
        check_columns(frame, declared)
    more = spark.createDataFrame([], "k string, ts timestamp, amount double, other int")
    with pytest.raises(DataError, match="also returns other"):
        check_columns(more, declared)
