"""Rows that are refused before anything is written."""

from __future__ import annotations

import pandas as pd
import pytest

from ml_assets.spec.errors import DataError
from ml_assets_tests.platform.contract.tables import LAYOUT, NAME, plain, rows


@pytest.mark.parametrize(
    ("expression", "found", "fixed"),
    [
        ("'2020-01-01 00:00:00'", "string", "to_timestamp(ts)"),
        ("DATE'2020-01-01'", "date", "CAST(ts AS TIMESTAMP)"),
        ("CAST('2020-01-01 00:00:00' AS TIMESTAMP_NTZ)", "timestamp_ntz", "CAST(ts AS TIMESTAMP)"),
        ("1577836800L", "bigint", "timestamp_seconds(ts)"),
    ],
)
def test_an_event_time_of_another_type_is_refused_with_the_fix(
    platform, spark, expression, found, fixed
):
    frame = rows(spark, 1, f"id AS k, {expression} AS ts, 1D AS x")
    with pytest.raises(DataError) as caught:
        platform.tables.stage(frame, LAYOUT)
    assert "'ts'" in caught.value.where
    assert caught.value.found == f"type {found}"
    assert "timestamp (UTC)" in caught.value.expected
    assert caught.value.fix
    # the advice works
    repaired = frame.selectExpr("k", f"{fixed} AS ts", "x")
    assert platform.tables.stage(repaired, LAYOUT).frame.first().ts is not None


@pytest.mark.parametrize(
    ("layout", "said"),
    [
        (plain(primary_keys=("orign",)), r"primary key 'orign'.*\(did you mean 'origin'\?\)"),
        (plain(event_time="tss"), r"event time 'tss'.*\(did you mean 'ts'\?\)"),
        (plain(not_null=("y",)), "not-null column 'y'"),
        (plain(comments={"temperature": "°C"}), "documented column 'temperature'"),
    ],
)
def test_columns_that_the_layout_names_must_be_there(platform, spark, layout, said):
    frame = rows(spark, 1, "'JFK' AS origin, timestamp_seconds(id) AS ts")
    with pytest.raises(DataError, match=f"(?s){said}"):
        platform.tables.stage(frame, layout)
    assert not platform.tables.info(NAME).exists


def test_an_audit_column_cannot_stand_for_a_stored_one(platform, spark):
    with pytest.raises(DataError, match="documented column 'x'"):
        platform.tables.stage(rows(spark), LAYOUT, ["x"])


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (["id AS k", "NULL AS v"], r"type void.*F\.lit\(None\)\.cast"),
        (["id AS k", "ARRAY(NULL) AS v"], "type array<void>"),
        (["id AS k", "NAMED_STRUCT('void', NULL) AS v"], "type struct<void:void>"),
        (["id AS k", "CAST('2020-01-01' AS TIMESTAMP_NTZ) AS v"], "to_utc_timestamp"),
        (["id AS k", "INTERVAL '1' DAY AS v"], "type interval day"),
        (["id AS k", "parse_json('1') AS v"], "type variant.*to_json"),
        (["id AS k", "1 AS K"], "more than once"),
        (["id AS k", "1 AS `a b`"], "rename"),
        (["id AS k", "1 AS `a;b`"], "rename"),
    ],
)
def test_columns_that_cannot_be_stored(platform, spark, columns, said):
    frame = spark.range(2).selectExpr(*columns)
    with pytest.raises(DataError, match=f"(?s){said}"):
        platform.tables.stage(frame, plain())
    assert not platform.tables.info(NAME).exists


def test_a_field_called_void_is_no_void(platform, spark):
    frame = spark.range(2).selectExpr("NAMED_STRUCT('void', id) AS s")
    assert platform.tables.stage(frame, plain()).publish().columns[0].type == "struct<void:bigint>"


def test_duplicate_columns_of_a_join(platform, spark):
    left, right = rows(spark), rows(spark)
    with pytest.raises(DataError, match="more than once"):
        platform.tables.stage(left.join(right, left.k == right.k), plain())


def test_nulls_in_not_null_columns_are_shown_staged_and_refused_at_publication(platform, spark):
    columns = "CASE WHEN id > 1 THEN id END AS k, timestamp_seconds(id) AS ts, 1D AS x"
    staged = platform.tables.stage(rows(spark, 5, columns), LAYOUT)
    assert staged.frame.where("k IS NULL").count() == 2
    with pytest.raises(DataError, match="2 nulls in 'k'"):
        staged.publish()
    staged.discard()
    assert not platform.tables.info(NAME).exists


def test_a_name_that_leads_elsewhere_is_refused(platform, spark):
    for name in ("a.b.../../x", "a.b.c'; --", "../../x", "a.b"):
        with pytest.raises(DataError):
            platform.tables.stage(rows(spark), plain(name=name))
        with pytest.raises(DataError):
            platform.tables.read(name)
        with pytest.raises(DataError):
            platform.tables.seed(name, pd.DataFrame)
