from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml_assets.spec.catalog import TableLayout
from ml_assets.spec.errors import DataError, StorageError

NAME = "main.flights.weather"
LAYOUT = TableLayout(
    name=NAME,
    primary_keys=("k",),
    event_time="ts",
    description='Business.\n\nTechnical: hourly, it\'s "quoted"',
    tags={"domain": "flights", "model": "arrival_delay"},
    comments={"k": "the key", "x": "a measure, in °C"},
    not_null=("k", "ts"),
)


def rows(spark, count=3, columns="id AS k, timestamp_seconds(id) AS ts, id * 1.5D AS x"):
    return spark.range(count).selectExpr(*columns.split(", "))


def plain(name=NAME, **fields):
    return TableLayout(name=name, **fields)


def values(frame, column="k"):
    return sorted(row[column] for row in frame.select(column).collect())


def test_staged_rows_are_invisible_until_published(platform, spark):
    staged = platform.tables.stage(rows(spark), LAYOUT)
    assert values(staged.frame) == [0, 1, 2]
    assert staged.rows == 3
    assert not platform.tables.info(NAME).exists
    info = staged.publish()
    assert info == platform.tables.info(NAME)
    assert values(platform.tables.read(NAME)) == [0, 1, 2]


def test_the_table_itself_is_the_catalog(platform, spark):
    info = platform.tables.stage(rows(spark), LAYOUT).publish()
    assert info.exists
    assert info.uri.startswith("file:///")
    assert info.primary_keys == ("k",)
    assert info.event_time == "ts"
    assert info.description == LAYOUT.description
    assert info.tags == LAYOUT.tags
    assert info.version == info.data_version
    described = [(c.name, c.type, c.comment, c.nullable) for c in info.columns]
    assert described == [
        ("k", "bigint", "the key", False),
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
    assert (row.m, row.a, row.r, row.y) == (
        Decimal("1.25"),
        dt.date(2020, 1, 2),
        [1, 2],
        bytearray(b"\x01"),
    )


def test_publishing_replaces_rows_and_schema(platform, spark):
    platform.tables.stage(rows(spark), LAYOUT).publish()
    second = rows(spark, 2, "id + 10 AS k, timestamp_seconds(id) AS ts, 'a' AS y")
    layout = TableLayout(name=NAME, primary_keys=("k",), event_time="ts", comments={"y": "new"})
    info = platform.tables.stage(second, layout).publish()
    assert info.column_names == ("k", "ts", "y")
    assert info.columns[2].comment == "new"
    assert info.columns[0].nullable
    assert (info.description, info.tags) == ("", {})
    assert values(platform.tables.read(NAME)) == [10, 11]


def test_description_keys_and_tags_follow_the_layout(platform, spark):
    platform.tables.stage(rows(spark), LAYOUT).publish()
    changed = TableLayout(name=NAME, primary_keys=("ts",), description="New.", tags={"a": "b"})
    info = platform.tables.stage(rows(spark, 4), changed).publish()
    assert info.primary_keys == ("ts",)
    assert info.event_time is None
    assert info.description == "New."
    assert info.tags == {"a": "b"}
    assert info.data_version == info.version


def test_a_long_history_stays_readable(platform, spark):
    """Sail cannot read a version from before the last checkpoint, so there must be none."""
    from deltalake import DeltaTable

    first = platform.tables.stage(rows(spark), LAYOUT).publish()
    path = platform.tables.path(NAME)
    for number in range(110):
        DeltaTable(path).alter.set_table_description(f"{number}")
    last = platform.tables.stage(rows(spark, 5), LAYOUT).publish()
    assert last.version > 110
    assert platform.tables.read(NAME).count() == 5
    assert platform.tables.read(NAME, first.version).count() == 3
    assert not list((path / "_delta_log").glob("*checkpoint*"))


def test_no_rows_are_rows_too(platform, spark):
    platform.tables.stage(rows(spark), LAYOUT).publish()
    staged = platform.tables.stage(rows(spark, 0), LAYOUT)
    assert staged.frame.dtypes == rows(spark).dtypes
    info = staged.publish()
    assert info.data_version == info.version
    assert platform.tables.read(NAME).count() == 0
    assert platform.tables.read(NAME).dtypes == rows(spark).dtypes
    assert len(platform.tables.files(NAME)) == 1


def test_commit_properties_are_stored(platform, spark):
    from ml_assets.platform.embedded.warehouse import commits_since

    properties = {"dagster_run_id": "r1", "ml_assets.spec_hash": "abc", "operation": "mine"}
    info = platform.tables.stage(rows(spark), LAYOUT).publish(properties)
    (commit,) = commits_since(platform.home, NAME, info.version - 1)
    assert commit.is_data
    assert commit.info["ml_assets.dagster_run_id"] == "r1"
    assert commit.info["ml_assets.spec_hash"] == "abc"
    assert commit.info["operation"] == "WRITE"


def test_rearranging_and_describing_are_not_new_data(platform, spark):
    from deltalake import DeltaTable, write_deltalake

    info = platform.tables.stage(rows(spark), LAYOUT).publish()
    path = platform.tables.path(NAME)
    write_deltalake(path, DeltaTable(path).to_pyarrow_table(), mode="append")
    appended = platform.tables.info(NAME).data_version
    assert appended == info.version + 1
    assert DeltaTable(path).optimize.compact()["numFilesRemoved"] == 2
    DeltaTable(path).alter.set_table_description("changed by hand")
    after = platform.tables.info(NAME)
    assert after.version == appended + 2
    assert after.data_version == appended
    assert after.description == "changed by hand"


@pytest.mark.parametrize("home_name", ["my home", "José's (1) données", "a+b&c=d;e,f~"])
def test_unusual_home_folders_work(tmp_path, spark, home_name):
    from ml_assets.platform.embedded import EmbeddedPlatform

    tables = EmbeddedPlatform(tmp_path / home_name, spark).tables
    staged = tables.stage(rows(spark), LAYOUT)
    assert staged.frame.count() == 3
    staged.publish()
    assert values(tables.read(NAME)) == [0, 1, 2]


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
    assert not platform.tables.path(NAME).exists()
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
    assert not platform.tables.path(NAME).exists()


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
    assert not platform.tables.path(NAME).exists()


def test_a_field_called_void_is_no_void(platform, spark):
    frame = spark.range(2).selectExpr("NAMED_STRUCT('void', id) AS s")
    assert platform.tables.stage(frame, plain()).publish().columns[0].type == "struct<void:bigint>"


def test_duplicate_columns_of_a_join(platform, spark):
    left, right = rows(spark), rows(spark)
    with pytest.raises(DataError, match="more than once"):
        platform.tables.stage(left.join(right, left.k == right.k), plain())


def test_nulls_are_found_without_statistics(platform):
    schema = pa.schema([("k", pa.int64())])
    rows_ = pa.table({"k": [1, None, 3]}, schema)

    def write(folder):
        pq.write_table(rows_, folder / "a.parquet", write_statistics=False)

    staged = platform.tables.stage_arrow(schema, plain(not_null=("k",)), write)
    with pytest.raises(DataError, match="1 nulls in 'k'"):
        staged.publish()


def test_a_name_that_leads_elsewhere_is_refused(platform, spark):
    for name in ("a.b.../../x", "a.b.c'; --", "../../x"):
        with pytest.raises(DataError):
            platform.tables.stage(rows(spark), plain(name=name))
        with pytest.raises(DataError):
            platform.tables.read(name)
        with pytest.raises(DataError):
            platform.tables.seed(name, pd.DataFrame)


# --- discarding


def test_discarded_rows_are_gone_and_the_table_is_as_it_was(platform, spark):
    before = platform.tables.stage(rows(spark), LAYOUT).publish()
    staged = platform.tables.stage(rows(spark, 9), LAYOUT)
    staged.discard()
    staged.discard()
    assert not staged.folder.exists()
    assert platform.tables.info(NAME) == before
    with pytest.raises(StorageError, match="discarded"):
        staged.publish()


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
    types = {c.name: c.type for c in info.columns}
    assert types == {
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
    utc = dt.UTC
    assert stored["text"] == ["a", None, None]
    assert stored["category"] == ["x", None, "y"]
    assert stored["integer"] == [1, None, 3]
    assert stored["naive"][:2] == [dt.datetime(2013, 1, 1, 5, tzinfo=utc), None]
    assert stored["zoned"][0] == dt.datetime(2013, 1, 1, 10, tzinfo=utc)
    assert stored["float"][0] == 1.5
    assert np.isnan(stored["float"][1])
    assert stored["float"][2] == np.inf


def test_two_processes_that_seed_the_same_table(platform):
    def slow():
        platform.tables.seed(NAME, lambda: pd.DataFrame({"a": [1]}))  # somebody else is faster
        return pd.DataFrame({"a": [1, 2]})

    info = platform.tables.seed(NAME, slow)
    assert info == platform.tables.info(NAME)
    assert platform.tables.read(NAME).count() in {1, 2}
    assert [p.name for p in (platform.tables.path(NAME) / "_staging").iterdir()] == []


@pytest.mark.parametrize(
    ("column", "values_"),
    [
        ("mixed", ["a", 1, None]),
        ("took", pd.to_timedelta(["1h", "2h", "3h"])),
        ("span", pd.period_range("2020-01", periods=3, freq="M")),
        ("object", [object(), None, None]),
    ],
)
def test_seeds_that_cannot_be_stored_are_refused_by_column(platform, column, values_):
    with pytest.raises(DataError, match=f"'{column}'"):
        platform.tables.seed(NAME, lambda: pd.DataFrame({"ok": [1, 2, 3], column: values_}))
    assert not platform.tables.path(NAME).exists()


def test_the_log_is_plain_delta(platform, spark):
    """Other engines read the table: protocol 1/2, no features, stated row counts."""
    from deltalake import DeltaTable

    platform.tables.stage(rows(spark), LAYOUT).publish()
    table = DeltaTable(platform.tables.path(NAME))
    protocol = table.protocol()
    assert (protocol.min_reader_version, protocol.min_writer_version) == (1, 2)
    assert table.to_pandas()["k"].tolist() == [0, 1, 2]
    assert table.metadata().name == NAME
    assert json.loads(table.metadata().configuration["ml_assets.primary_keys"]) == ["k"]
