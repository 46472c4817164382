from __future__ import annotations

import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml_assets.spec.errors import DataError
from ml_assets_tests.platform.contract.tables import LAYOUT, NAME, plain, rows, values


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


def test_no_rows_are_one_file(platform, spark):
    """The schema of an empty table is in a file, for engines that look nowhere else."""
    platform.tables.stage(rows(spark, 0), LAYOUT).publish()
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


def test_what_is_refused_leaves_no_folder(platform, spark):
    with pytest.raises(DataError, match="type void"):
        platform.tables.stage(spark.range(2).selectExpr("NULL AS v"), plain())
    with pytest.raises(DataError, match="'mixed'"):
        platform.tables.seed(NAME, lambda: pd.DataFrame({"mixed": ["a", 1, None]}))
    assert not platform.tables.path(NAME).exists()


def test_nulls_are_found_without_statistics(platform):
    schema = pa.schema([("k", pa.int64())])
    rows_ = pa.table({"k": [1, None, 3]}, schema)

    def write(folder):
        pq.write_table(rows_, folder / "a.parquet", write_statistics=False)

    staged = platform.tables.stage_arrow(schema, plain(not_null=("k",)), write)
    with pytest.raises(DataError, match="1 nulls in 'k'"):
        staged.publish()


def test_two_processes_that_seed_the_same_table(platform):
    def slow():
        platform.tables.seed(NAME, lambda: pd.DataFrame({"a": [1]}))  # somebody else is faster
        return pd.DataFrame({"a": [1, 2]})

    info = platform.tables.seed(NAME, slow)
    assert info == platform.tables.info(NAME)
    assert platform.tables.read(NAME).count() in {1, 2}
    assert [p.name for p in (platform.tables.path(NAME) / "_staging").iterdir()] == []


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
