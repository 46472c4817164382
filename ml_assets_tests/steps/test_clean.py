"""Cleaning: whatever comes in, nothing non-finite is left where a default is declared."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml_assets.spec.catalog import TableInfo, TableLayout
from ml_assets.spec.errors import DataError
from ml_assets.spec.tables import FeatureTable
from ml_assets.steps.clean_features import check_columns, measure_frame
from ml_assets.steps.measuring.measure import column_types
from ml_assets.steps.repairs import clean

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from ml_assets.platform.embedded import EmbeddedPlatform

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


def facts_of(frame: DataFrame) -> dict[str, Any]:
    declared = FeatureTable(
        name="t", table="c.s.t", transform="a.b", sources=("a",), primary_keys=("k",),
        columns={n: {} for n in frame.columns if n != "k"},
    )  # fmt: skip
    facts = measure_frame(frame, declared, TableInfo("c.s.t", exists=True), staged=False)
    return {c.name: c for c in facts.columns}


NAN, INF = math.nan, math.inf
STRANGE = st.sampled_from([None, NAN, INF, -INF, 0.0, -0.0, 1.0, 1e308, -1e308, 5e-324])


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(values=st.lists(STRANGE, min_size=1, max_size=9), batch=st.integers(1, 9))
def test_floats_are_counted_as_they_are(
    spark: SparkSession, values: list[float | None], batch: int
) -> None:
    """Whatever the sums say, which overflow here and cancel out."""
    frame = spark.createDataFrame(
        pa.table(
            {"k": list(range(len(values))), "x": pa.array(values, pa.float64(), from_pandas=False)}
        )
    )
    (x,) = facts_of(frame.repartition(batch)).values()
    known = [v for v in values if v is not None]
    assert x.nulls == len(values) - len(known)
    assert x.nans == sum(math.isnan(v) for v in known)
    assert x.infs == sum(math.isinf(v) for v in known)
    texts = {None if v is None else str(v + 0.0) for v in values}
    assert x.constant is (len(texts) == 1)


@pytest.mark.parametrize("published", [False, True])
def test_statistics_of_files_hide_nothing(platform: EmbeddedPlatform, *, published: bool) -> None:
    """Statistics leave NaN out, and cut texts and times short: an engine must not answer by them."""
    long = "x" * 100
    moments = [dt.datetime(2024, 1, 1, microsecond=m, tzinfo=dt.UTC) for m in (1, 2, 3)]
    rows = pa.table(
        {
            "k": [1, 2, 3],
            "nan": pa.array([1.0, NAN, 1.0], pa.float64(), from_pandas=False),
            "small": pa.array([1.0, NAN, INF], pa.float32(), from_pandas=False),
            "nans": pa.array([NAN] * 3, pa.float64(), from_pandas=False),
            "one": pa.array([0.1] * 3),
            "nulls": pa.array([None] * 3, pa.float64()),
            "half": pa.array([1.0, None, 1.0]),
            "text": pa.array([long + "a", long + "b", long + "a"]),
            "same": pa.array([long] * 3),
            "time": pa.array(moments),
            "day": pa.array([dt.date(2024, 1, 1)] * 3),
            "flag": pa.array([True, False, True]),
            "whole": pa.array([2**62] * 3),
            "null_text": pa.array([None] * 3, pa.string()),
        }
    )
    staged = platform.tables.stage(platform.spark.createDataFrame(rows), TableLayout("c.s.t"))
    if published:
        staged.publish()
    frame = platform.tables.read("c.s.t") if published else staged.frame
    facts = facts_of(frame)
    assert sum(math.isnan(row["nan"]) for row in frame.collect()) == 1
    assert frame.where("nan <> 1").count() == 1
    assert [n for n, c in facts.items() if c.constant] == [
        *("nans", "one", "nulls", "same", "day", "whole", "null_text")
    ]
    assert {n: c.nans for n, c in facts.items() if c.nans} == {"nan": 1, "small": 1, "nans": 3}
    assert {n: c.infs for n, c in facts.items() if c.infs} == {"small": 1}
    assert {n: c.nulls for n, c in facts.items() if c.nulls} == {
        "nulls": 3, "half": 1, "null_text": 3,
    }  # fmt: skip


def test_columns_that_have_no_order_are_counted(spark: SparkSession) -> None:
    frame = spark.sql("SELECT 1 AS k, ARRAY(1) AS r, NAMED_STRUCT('p', 1) AS q, X'01' AS y")
    facts = facts_of(frame)
    assert [(c.nulls, c.constant) for c in facts.values()] == [(0, False)] * 3
