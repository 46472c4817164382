"""Delta tables by name: what is stored is what was published, whole or not at all."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import pytest

from ml_assets.spec.catalog import TableLayout
from ml_assets.spec.errors import DataError
from ml_assets_tests.platform.contract.tables import LAYOUT, NAME, append, plain, rows, values


def test_a_table_that_is_not_there(platform):
    info = platform.tables.info(NAME)
    assert (info.exists, info.version, info.data_version, info.columns) == (False, -1, -1, ())
    with pytest.raises(DataError, match="materialize the asset"):
        platform.tables.read(NAME)


def test_staged_rows_are_invisible_until_published(platform, spark):
    staged = platform.tables.stage(rows(spark), LAYOUT)
    assert values(staged.frame) == [0, 1, 2]
    assert not platform.tables.info(NAME).exists
    info = staged.publish()
    assert info == platform.tables.info(NAME)
    assert values(platform.tables.read(NAME)) == [0, 1, 2]


def test_the_table_itself_is_the_catalog(platform, spark):
    info = platform.tables.stage(rows(spark), LAYOUT).publish()
    assert info.exists
    assert info.primary_keys == ("k",)
    assert info.event_time == "ts"
    assert info.description == LAYOUT.description
    assert info.tags == LAYOUT.tags
    assert info.version >= info.data_version >= 0
    described = [(c.name, c.type, c.comment, c.nullable) for c in info.columns]
    assert described == [
        ("k", "bigint", "the key's", False),
        ("ts", "timestamp", "", False),
        ("x", "double", "a measure, in °C", True),
    ]


def test_types_are_spark_names_and_survive(platform, spark):
    frame = spark.sql(
        """SELECT 1 AS i, 2L AS l, 3S AS s, 4Y AS b, 1.5F AS f, 2.5D AS d, 'x' AS t, true AS o,
        CAST(1.25 AS DECIMAL(10,2)) AS m, DATE'2020-01-02' AS a, timestamp_seconds(1) AS z,
        ARRAY(1, 2) AS r, NAMED_STRUCT('p', 1L) AS q, MAP('k', 1D) AS u, X'01' AS y"""
    )
    info = platform.tables.stage(frame, plain()).publish()
    assert [c.type for c in info.columns] == [
        *("int", "bigint", "smallint", "tinyint", "float", "double", "string", "boolean"),
        *("decimal(10,2)", "date", "timestamp", "array<int>", "struct<p:bigint>"),
        *("map<string,double>", "binary"),
    ]
    stored = platform.tables.read(NAME)
    assert stored.dtypes == [(c.name, c.type) for c in info.columns]
    row = stored.first()
    assert (row.m, row.a, row.r) == (Decimal("1.25"), dt.date(2020, 1, 2), [1, 2])
    assert bytes(row.y) == b"\x01"


def test_publishing_replaces_rows_and_schema(platform, spark):
    platform.tables.stage(rows(spark), LAYOUT).publish()
    second = rows(spark, 2, "id + 10 AS k, timestamp_seconds(id) AS ts, 'a' AS y")
    layout = TableLayout(name=NAME, primary_keys=("k",), event_time="ts", comments={"y": "new"})
    info = platform.tables.stage(second, layout).publish()
    assert info.column_names == ("k", "ts", "y")
    assert info.columns[2].comment == "new"
    assert info.columns[0].nullable
    assert info.primary_keys == ("k",)
    assert info.description == ""
    assert values(platform.tables.read(NAME)) == [10, 11]


def test_publishing_again_is_one_commit(platform, spark):
    first = platform.tables.stage(rows(spark), LAYOUT).publish()
    second = platform.tables.stage(rows(spark, 5), LAYOUT).publish()
    assert second.version == first.version + 1
    assert second.data_version == second.version


def test_description_keys_and_tags_follow_the_layout(platform, spark):
    platform.tables.stage(rows(spark), LAYOUT).publish()
    changed = TableLayout(
        name=NAME, primary_keys=("ts",), description="New.", tags={"domain": "b"}, not_null=("ts",)
    )
    info = platform.tables.stage(rows(spark, 4), changed).publish()
    assert info.primary_keys == ("ts",)
    assert info.event_time is None
    assert info.description == "New."
    assert info.tags["domain"] == "b"
    assert values(platform.tables.read(NAME)) == [0, 1, 2, 3]


def test_older_versions_stay_readable(platform, spark):
    versions = [
        platform.tables.stage(rows(spark, n), LAYOUT).publish().version for n in range(1, 5)
    ]
    counts = [platform.tables.read(NAME, version).count() for version in versions]
    assert counts == [1, 2, 3, 4]


def test_a_frame_that_was_read_does_not_change(platform, spark):
    platform.tables.stage(rows(spark), LAYOUT).publish()
    frame = platform.tables.read(NAME)
    platform.tables.stage(rows(spark, 9), LAYOUT).publish()
    assert frame.count() == 3


def test_a_table_can_be_replaced_by_its_own_rows(platform, spark):
    platform.tables.stage(rows(spark), LAYOUT).publish()
    doubled = platform.tables.read(NAME).selectExpr("k * 2 AS k", "ts", "x")
    platform.tables.stage(doubled, LAYOUT).publish()
    assert values(platform.tables.read(NAME)) == [0, 2, 4]


@pytest.mark.parametrize("version", [99, -3])
def test_a_version_that_is_not_there(platform, spark, version):
    latest = platform.tables.stage(rows(spark), LAYOUT).publish().version
    with pytest.raises(DataError, match=f"latest is {latest}"):
        platform.tables.read(NAME, version)


def test_no_rows_are_rows_too(platform, spark):
    platform.tables.stage(rows(spark), LAYOUT).publish()
    staged = platform.tables.stage(rows(spark, 0), LAYOUT)
    assert staged.frame.dtypes == rows(spark).dtypes
    info = staged.publish()
    assert info.data_version == info.version
    assert platform.tables.read(NAME).count() == 0
    assert platform.tables.read(NAME).dtypes == rows(spark).dtypes


def test_audit_columns_are_staged_and_not_published(platform, spark):
    frame = rows(spark).selectExpr("*", "k > 0 AS was_repaired")
    staged = platform.tables.stage(frame, LAYOUT, ["was_repaired"])
    assert staged.frame.where("was_repaired").count() == 2
    info = staged.publish()
    assert info.column_names == ("k", "ts", "x")
    assert platform.tables.read(NAME).columns == ["k", "ts", "x"]


def test_the_commits_of_a_table_tell_what_their_writers_recorded(platform, spark):
    assert platform.tables.commits(NAME, 2) == ()
    first = platform.tables.stage(rows(spark), LAYOUT).publish({"rows": "3", "inputs": '{"a": 1}'})
    (only,) = platform.tables.commits(NAME, 2)
    assert (only.version, only.properties["rows"]) == (first.data_version, "3")
    assert only.properties["inputs"] == '{"a": 1}'
    second = platform.tables.stage(rows(spark, 5), LAYOUT).publish({"rows": "5"})
    found = platform.tables.commits(NAME, 2)
    assert [c.version for c in found] == [second.data_version, first.data_version]
    assert [c.properties["rows"] for c in found] == ["5", "3"]
    assert platform.tables.commits(NAME) == found[:1]


def test_commits_that_only_describe_are_no_commits_of_rows(platform, spark):
    first = platform.tables.stage(rows(spark), LAYOUT).publish({"rows": "3"})
    described = replace(LAYOUT, description="New.", tags={"domain": "b"})
    second = platform.tables.stage(rows(spark, 4), described).publish({"rows": "4"})
    assert second.version > first.version
    found = platform.tables.commits(NAME, 9)
    assert [c.properties["rows"] for c in found] == ["4", "3"]
    assert found[0].version == second.data_version


def test_a_commit_of_somebody_else_recorded_nothing(platform, spark):
    platform.tables.stage(rows(spark), plain()).publish({"rows": "3"})
    append(platform, NAME, rows(spark, 2).toArrow())
    theirs, ours = platform.tables.commits(NAME, 2)
    assert (theirs.properties, ours.properties["rows"]) == ({}, "3")
    assert theirs.version == platform.tables.info(NAME).data_version
