"""Delta tables by name: what is stored is what was published, whole or not at all."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ml_assets.spec.catalog import TableLayout
from ml_assets.spec.errors import ConcurrentWriteError, DataError, StorageError
from ml_assets_tests.platform.contract.tables import append

NAME = "main.flights.weather"
LAYOUT = TableLayout(
    name=NAME,
    primary_keys=("k",),
    event_time="ts",
    description='Business.\n\nTechnical: hourly, it\'s "quoted" \\ back',
    tags={"domain": "flights", "model": "it's 'arrival' delay"},
    comments={"k": "the key's", "x": "a measure, in °C"},
    not_null=("k", "ts"),
)
COLUMNS = "id AS k, timestamp_seconds(id) AS ts, id * 1.5D AS x"


def rows(spark, count=3, columns=COLUMNS):
    return spark.range(count).selectExpr(*columns.split(", "))


def plain(name=NAME, **fields):
    return TableLayout(name=name, **fields)


def values(frame, column="k"):
    return sorted(row[column] for row in frame.select(column).collect())


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


# --- what is refused before anything is written


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
        (["id AS k", "CAST('2020-01-01' AS TIMESTAMP_NTZ) AS v"], "to_utc_timestamp"),
        (["id AS k", "INTERVAL '1' DAY AS v"], "type interval day"),
        (["id AS k", "1 AS K"], "more than once"),
        (["id AS k", "1 AS `a b`"], "rename"),
    ],
)
def test_columns_that_cannot_be_stored(platform, spark, columns, said):
    frame = spark.range(2).selectExpr(*columns)
    with pytest.raises(DataError, match=f"(?s){said}"):
        platform.tables.stage(frame, plain())
    assert not platform.tables.info(NAME).exists


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


# --- discarding, and two writers


def test_discarded_rows_are_gone_and_the_table_is_as_it_was(platform, spark):
    before = platform.tables.stage(rows(spark), LAYOUT).publish()
    staged = platform.tables.stage(rows(spark, 9), LAYOUT)
    staged.discard()
    staged.discard()
    assert platform.tables.info(NAME) == before
    with pytest.raises(StorageError, match="discarded"):
        staged.publish()


def test_discarding_after_publication_does_nothing(platform, spark):
    staged = platform.tables.stage(rows(spark), LAYOUT)
    info = staged.publish()
    staged.discard()
    assert staged.publish() == info
    assert platform.tables.read(NAME).count() == 3


@pytest.mark.parametrize("existing", [True, False])
def test_the_second_of_two_publishers_is_refused(platform, spark, existing):
    if existing:
        platform.tables.stage(rows(spark, 9), LAYOUT).publish()
    first = platform.tables.stage(rows(spark, 1), LAYOUT)
    second = platform.tables.stage(rows(spark, 2), LAYOUT)
    info = first.publish()
    with pytest.raises(ConcurrentWriteError):
        second.publish()
    second.discard()
    assert platform.tables.info(NAME) == info
    assert values(platform.tables.read(NAME)) == [0]


def test_an_append_of_others_since_staging_is_not_overwritten(platform, spark):
    layout = plain(primary_keys=("k",), not_null=("k",))
    info = platform.tables.stage(rows(spark, 2, "id AS k"), layout).publish()
    staged = platform.tables.stage(rows(spark, 9, "id AS k"), layout)
    append(
        platform, NAME, pa.table({"k": [7]}, pa.schema([pa.field("k", pa.int64(), nullable=False)]))
    )
    assert platform.tables.info(NAME).data_version == info.data_version + 1
    with pytest.raises(ConcurrentWriteError):
        staged.publish()
    staged.discard()
    assert values(platform.tables.read(NAME)) == [0, 1, 7]


# --- seeding


def test_seeding_keeps_types(platform):
    frame = pd.DataFrame(
        {
            "text": ["a", np.nan, None],
            "naive": pd.to_datetime(["2013-01-01 05:00", None, "2013-02-01 00:00"]),
            "zoned": pd.to_datetime(["2013-01-01 05:00"] * 3).tz_localize("America/New_York"),
            "float": [1.5, np.nan, np.inf],
            "integer": pd.array([1, None, 3], dtype="Int64"),
            "flag": [True, False, True],
            "category": pd.Categorical(["x", None, "y"]),
            "unsigned": np.array([1, 2, 2**32 - 1], dtype="uint32"),
            "nothing": [None, None, None],
            "day": [dt.date(2020, 1, 1)] * 3,
        },
        index=[7, 7, 7],
    )
    info = platform.tables.seed(NAME, lambda: frame, "Made for a test.")
    assert {c.name: c.type for c in info.columns} == {
        "text": "string",
        "naive": "timestamp",
        "zoned": "timestamp",
        "float": "double",
        "integer": "bigint",
        "flag": "boolean",
        "category": "string",
        "unsigned": "bigint",
        "nothing": "string",
        "day": "date",
    }
    assert info.description == "Made for a test."
    stored = platform.tables.read(NAME).toArrow().to_pydict()
    assert stored["text"] == ["a", None, None]
    assert stored["category"] == ["x", None, "y"]
    assert stored["integer"] == [1, None, 3]
    assert stored["naive"][:2] == [dt.datetime(2013, 1, 1, 5, tzinfo=dt.UTC), None]
    assert stored["zoned"][0] == dt.datetime(2013, 1, 1, 10, tzinfo=dt.UTC)
    assert stored["float"][0] == 1.5
    assert np.isnan(stored["float"][1])
    assert stored["float"][2] == np.inf


def test_seeding_happens_once(platform):
    first = platform.tables.seed(NAME, lambda: pd.DataFrame({"a": [1, 2]}))

    def never():
        raise AssertionError

    assert platform.tables.seed(NAME, never) == first
    assert platform.tables.read(NAME).count() == 2


@pytest.mark.parametrize(
    ("column", "values_"),
    [
        ("mixed", ["a", 1, None]),
        ("took", pd.to_timedelta(["1h", "2h", "3h"])),
        ("object", [object(), None, None]),
    ],
)
def test_seed_columns_that_cannot_be_stored_are_named(platform, column, values_):
    with pytest.raises(DataError, match=f"'{column}'"):
        platform.tables.seed(NAME, lambda: pd.DataFrame({"ok": [1, 2, 3], column: values_}))
    assert not platform.tables.info(NAME).exists


def test_an_empty_seed_keeps_its_columns(platform):
    frame = pd.DataFrame({"a": pd.Series([], dtype="int64"), "b": pd.Series([], dtype="object")})
    info = platform.tables.seed(NAME, lambda: frame)
    assert [(c.name, c.type) for c in info.columns] == [("a", "bigint"), ("b", "string")]
    assert platform.tables.read(NAME).count() == 0


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
