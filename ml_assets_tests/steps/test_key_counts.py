"""Repeated keys are found whatever the keys are made of; a proof that they are unique is none by chance."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml_assets.spec.catalog import TableInfo
from ml_assets.spec.tables import FeatureTable
from ml_assets.steps.clean_features import measure_frame
from ml_assets.steps.measuring.key_counts import key_floor, repeated_keys
from ml_assets.steps.measuring.measure import column_types

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from ml_assets.rules.facts import FeatureTableFacts

UTC, DAY = dt.UTC, dt.timedelta(days=1)
NAN = math.nan
SCHEMA = pa.schema(
    {
        "whole": pa.int64(),
        "tiny": pa.int8(),
        "day": pa.date32(),
        "time": pa.timestamp("us", "UTC"),
        "text": pa.string(),
        "number": pa.float64(),
        "price": pa.decimal128(9, 2),
    }
)
#: Neighbours, ends, values on both sides of zero and of midnight, and what only looks different.
VALUES: dict[str, list[Any]] = {
    "whole": [0, 1, 7, 8, 63, 64, -1, -64, 2**63 - 1, -(2**63), None],
    "tiny": [0, 1, -1, 127, -128, None],
    "day": [dt.date(1970, 1, 1), dt.date(1969, 12, 31), dt.date(1970, 1, 9), None],
    "time": [
        dt.datetime(1970, 1, 1, tzinfo=UTC),
        dt.datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        dt.datetime(1969, 12, 31, tzinfo=UTC),
        dt.datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
        dt.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        dt.datetime(1, 1, 1, tzinfo=UTC),
        None,
    ],
    "text": ["", "a", "a\0", "\0a", "Ærø", None],
    "number": [0.0, -0.0, 1.5, NAN, math.inf, -math.inf, None],
    "price": [Decimal("0.00"), Decimal("0.10"), None],
}
rows = st.lists(
    st.tuples(*(st.sampled_from(values) for values in VALUES.values())), min_size=1, max_size=40
)


def frame_of(spark: SparkSession, rows: list[tuple[Any, ...]]) -> DataFrame:
    columns = list(zip(*rows, strict=True))
    arrays = [pa.array(c, f.type, from_pandas=False) for c, f in zip(columns, SCHEMA, strict=True)]
    return spark.createDataFrame(pa.table(arrays, schema=SCHEMA))


def same(value: Any) -> Any:
    """One value for all that are equal in Spark."""
    if isinstance(value, float):
        return "nan" if math.isnan(value) else value + 0.0
    return value


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rows=rows,
    keys=st.lists(st.sampled_from(SCHEMA.names), min_size=1, max_size=4, unique=True),
    batch=st.integers(1, 3),
)
def test_keys_are_said_to_be_unique_when_they_are(
    spark: SparkSession, rows: list[tuple[Any, ...]], keys: list[str], batch: int
) -> None:
    frame = frame_of(spark, rows).repartition(batch)
    types = column_types(frame)
    picked = [tuple(same(r[SCHEMA.names.index(k)]) for k in keys) for r in rows]
    distinct = len(set(picked))
    counted, floor = key_floor(frame, types, keys).collect()[0]
    assert counted == len(rows)
    assert floor <= distinct
    if not any(None in key for key in picked):
        assert floor == distinct
    assert repeated_keys(frame, types, keys) == len(rows) - distinct


@pytest.mark.parametrize("keys", [["whole"], ["time"], ["whole", "time"], ["text", "day"]])
def test_every_pair_of_neighbours_is_told_apart(spark: SparkSession, keys: list[str]) -> None:
    """300 ids on 130 days in words of 64: one row too many is found, and only that one."""
    start = dt.datetime(2023, 12, 1, 7, tzinfo=UTC)
    frame = spark.range(-170, 130).selectExpr(
        "id AS whole",
        "concat('c', id) AS text",
        f"timestamp_seconds({int(start.timestamp())} + 86400 * id) AS time",
        "date_add(DATE'2024-01-01', cast(id AS int)) AS day",
    )
    if len(keys) == 2:
        first, second = keys
        frame = frame.select(first).crossJoin(frame.select(second).limit(130))
    types, count = column_types(frame), 300 * (130 if len(keys) == 2 else 1)
    assert tuple(key_floor(frame, types, keys).collect()[0]) == (count, count)
    twice = frame.union(frame.limit(1))
    assert tuple(key_floor(twice, types, keys).collect()[0]) == (count + 1, count)
    assert repeated_keys(twice, types, keys) == 1


def facts_of(frame: DataFrame, *keys: str) -> FeatureTableFacts:
    declared = FeatureTable(
        name="t", table="c.s.t", transform="a.b", sources=("a",), primary_keys=keys,
        columns={n: {} for n in frame.columns if n not in keys},
    )  # fmt: skip
    return measure_frame(frame, declared, TableInfo("c.s.t", exists=True), staged=False)


@pytest.mark.parametrize("column", SCHEMA.names)
def test_a_key_that_is_constant_is_repeated(spark: SparkSession, column: str) -> None:
    """Sail once panicked at a hash of one."""
    value = VALUES[column][1]
    row = tuple(value if n == column else values[0] for n, values in VALUES.items())
    frame = frame_of(spark, [row] * 3).select(column, "price").withColumnRenamed("price", "x")
    if column == "price":
        frame = frame_of(spark, [row] * 3).selectExpr("price", "whole AS x")
    facts = facts_of(frame, column)
    assert (facts.rows, facts.duplicate_keys, facts.key_nulls) == (3, 2, {column: 0})
    assert len(facts.examples["ml01_primary_key_unique"]) == 1


def test_floats_that_are_equal_are_the_same_key(spark: SparkSession) -> None:
    """-0.0 is 0.0, and NaN is NaN whatever its bits are: each pair is a repeated key."""
    other_nan = -NAN
    table = pa.table({"k": pa.array([0.0, -0.0, NAN, other_nan, 1.0]), "x": [1, 2, 3, 4, 5]})
    facts = facts_of(spark.createDataFrame(table), "k")
    assert facts.duplicate_keys == 2
    assert facts.examples["ml01_primary_key_unique"] == ("k=0.0", "k=nan")


@pytest.mark.parametrize("count", [0, 1])
def test_tables_of_no_row_and_of_one(spark: SparkSession, count: int) -> None:
    frame = spark.range(count).selectExpr("id AS k", "current_timestamp() AS at", "1.0D AS x")
    facts = facts_of(frame, "k", "at")
    assert (facts.rows, facts.duplicate_keys, facts.key_nulls) == (count, 0, {"k": 0, "at": 0})
    assert facts.examples == {}


def test_null_keys_are_no_repeated_keys(spark: SparkSession) -> None:
    frame = spark.sql("SELECT * FROM VALUES (1, 'a'), (NULL, 'a'), (NULL, 'b') AS t(k, s)")
    facts = facts_of(frame.selectExpr("*", "1.0D AS x"), "k", "s")
    assert (facts.rows, facts.duplicate_keys, facts.key_nulls) == (3, 0, {"k": 2, "s": 0})
