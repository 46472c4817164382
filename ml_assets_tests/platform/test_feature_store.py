"""Training sets as the feature store stages them: columns, split, versions, refusals."""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml_assets.platform.protocol import SplitCuts
from ml_assets.spec.catalog import TableLayout, feature_layout
from ml_assets.spec.errors import DataError, SpecError, StorageError
from ml_assets_tests.platform.shop import CUSTOMERS, CUTS, DAYS, make_shop, store

LAYOUT = TableLayout("shop.training.spender", description="Joined.", not_null=("asked_at",))
TIME = pa.timestamp("us", "UTC")


@pytest.fixture
def shop(platform):
    return make_shop(platform, strings=True)


def stage(shop, cuts=CUTS, versions=None):
    return shop.platform.features.stage_training_set(shop.spec, LAYOUT, cuts, versions or {})


def labels(shop, rows):
    spec = shop.spec.label
    schema = pa.schema([("customer", pa.string()), ("asked_at", TIME), ("spends", pa.int64())])
    store(shop.platform, TableLayout(spec.table), pa.Table.from_pylist(rows, schema))


def test_spark_reads_what_was_staged_and_what_was_published(shop):
    staged = stage(shop)
    assert staged.frame.where("__as_of_activity > asked_at").count() == 0
    assert staged.frame.count() == DAYS * CUSTOMERS
    staged.publish()
    stored = shop.platform.tables.read("shop.training.spender")
    assert stored.where("__matched_profile").count() == DAYS * (CUSTOMERS - 1)


def test_reads_the_recorded_versions(shop):
    table = shop.spec.feature_tables[1]
    before = shop.platform.tables.info(table.table).version
    older = {"customer": ["c00"], "age": [99.0]}
    store(shop.platform, feature_layout(table), pa.table(older))
    recorded = pq.read_table(stage(shop, versions={table.table: before}).folder).to_pandas()
    latest = pq.read_table(stage(shop).folder).to_pandas()
    assert recorded.loc[recorded.customer == "c00", "age"].unique().tolist() == [20.0]
    assert latest.loc[latest.customer == "c00", "age"].unique().tolist() == [99.0]


def test_a_refused_join_leaves_the_table_and_the_folder_as_they_were(shop):
    version = stage(shop).publish().version
    folder = shop.platform.tables.path(LAYOUT.name)
    before = sorted(p.name for p in folder.iterdir())
    table = shop.spec.feature_tables[1]
    twice = pa.table({"customer": ["c00", "c00"], "age": [1.0, 2.0]})
    store(shop.platform, feature_layout(table), twice)
    with pytest.raises(DataError, match=r"c00 \(2 rows\)"):
        stage(shop)
    assert shop.platform.tables.info(LAYOUT.name).version == version
    assert sorted(p.name for p in folder.iterdir()) == before
    assert not list(shop.platform.home.glob(".scratch-*"))


def test_the_memory_setting_is_explained(shop, monkeypatch):
    monkeypatch.setenv("ML_ASSETS_MEMORY", "a lot")
    with pytest.raises(SpecError, match="2GB"):
        stage(shop)
    monkeypatch.setenv("ML_ASSETS_MEMORY", "100KB")
    with pytest.raises(StorageError, match="raise ML_ASSETS_MEMORY"):
        stage(shop)


def test_cuts_do_not_depend_on_the_machines_time_zone(shop, monkeypatch):
    import time

    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        naive = SplitCuts(datetime(2024, 1, 13), datetime(2024, 1, 15))  # noqa: DTZ001 - the point
        rows = pq.read_table(stage(shop, naive).folder).to_pylist()
    finally:
        monkeypatch.undo()
        time.tzset()
    aware = pq.read_table(stage(shop, CUTS).folder).to_pylist()
    assert sorted(r["__split"] for r in rows) == sorted(r["__split"] for r in aware)
