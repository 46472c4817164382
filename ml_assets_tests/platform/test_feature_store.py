"""Training sets as the feature store stages them: columns, split, versions, refusals."""

from __future__ import annotations

from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml_assets.platform.protocol import SplitCuts
from ml_assets.spec.catalog import TableLayout, feature_layout
from ml_assets.spec.errors import DataError, SpecError, StorageError
from ml_assets_tests import tiny
from ml_assets_tests.platform.shop import CUSTOMERS, CUTS, DAYS, START, make_shop, store

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


def test_every_label_row_is_there_with_what_was_known(shop):
    staged = stage(shop)
    rows = pq.read_table(staged.folder).to_pylist()
    assert len(rows) == staged.rows == DAYS * CUSTOMERS
    assert all(r["__as_of_activity"] == r["asked_at"] - timedelta(hours=16) for r in rows)
    assert all(r["__matched_profile"] == (r["customer"] != "c11") for r in rows)
    assert all((r["age"] is None) == (r["customer"] == "c11") for r in rows)


def test_spark_reads_what_was_staged_and_what_was_published(shop):
    staged = stage(shop)
    assert staged.frame.where("__as_of_activity > asked_at").count() == 0
    assert staged.frame.count() == DAYS * CUSTOMERS
    staged.publish()
    stored = shop.platform.tables.read("shop.training.spender")
    assert stored.where("__matched_profile").count() == DAYS * (CUSTOMERS - 1)


@pytest.mark.parametrize("naive", [True, False])
def test_split_to_the_microsecond(shop, naive):
    before, since = START + timedelta(days=5), START + timedelta(days=6)
    tick = timedelta(microseconds=1)
    times = {before - tick: "train", before: "embargo", since - tick: "embargo", since: "holdout"}
    labels(shop, [{"customer": "c00", "asked_at": t, "spends": 1} for t in times])
    cuts = SplitCuts(before, since)
    if naive:
        cuts = SplitCuts(before.replace(tzinfo=None), since.replace(tzinfo=None))
    rows = pq.read_table(stage(shop, cuts).folder).to_pylist()
    assert {r["asked_at"]: r["__split"] for r in rows} == times


def test_equal_label_rows_are_all_kept_and_a_row_without_a_time_is_in_no_part(shop):
    row = {"customer": "c00", "asked_at": START + timedelta(days=3), "spends": 1}
    labels(shop, [row, row, row, {**row, "asked_at": None}])
    rows = pq.read_table(stage(shop).folder).to_pylist()
    assert sorted(r["__split"] for r in rows) == ["embargo", "train", "train", "train"]
    assert [r["__as_of_activity"] for r in rows if r["asked_at"] is None] == [None]


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


@pytest.mark.parametrize("versions", [{}, {"shop.features.profile": 7}])
def test_a_missing_table_or_version_is_named(shop, versions):
    spec = (
        shop.spec
        if versions
        else tiny.spec(label={**tiny.mapping()["label"], "table": "shop.labels.other"})
    )
    missing = "shop.features.profile, version 7" if versions else "shop.labels.other"
    with pytest.raises(DataError, match=missing):
        shop.platform.features.stage_training_set(spec, LAYOUT, CUTS, versions)


def test_the_memory_setting_is_explained(shop, monkeypatch):
    monkeypatch.setenv("ML_ASSETS_MEMORY", "a lot")
    with pytest.raises(SpecError, match="2GB"):
        stage(shop)
    monkeypatch.setenv("ML_ASSETS_MEMORY", "100KB")
    with pytest.raises(StorageError, match="raise ML_ASSETS_MEMORY"):
        stage(shop)


def test_an_empty_label_table_gives_an_empty_training_set(shop):
    labels(shop, [])
    staged = stage(shop)
    assert staged.rows == 0
    assert staged.frame.columns[-1] == "__matched_profile"


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
