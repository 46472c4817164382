from __future__ import annotations

import json

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
