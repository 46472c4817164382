"""All facts of a table cost one query over it; what is wrong may be looked at again.

A pass is one statement that is sent to the engine; it sees one version of the table. Within it every
column is read once. Only the keys of a feature table are read twice: a count of distinct keys beside
all other aggregates costs more than the whole scan (ADR 0015), and needs no column but them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from ml_assets.steps.execution import Inputs
from ml_assets.steps.graph import steps_of
from ml_assets.steps.measuring.key_counts import key_floor
from ml_assets.steps.measuring.measure import column_types
from ml_assets_tests import tiny
from ml_assets_tests.steps.helpers import TRACE, measure
from ml_assets_tests.steps.passes import counted

if TYPE_CHECKING:
    from ml_assets_tests.steps.conftest import Shop

TABLES = {
    "features/activity": "shop.features.activity",
    "features/profile": "shop.features.profile",
    "labels": "shop.labels.spender",
}
FEATURES = [asset for asset in TABLES if asset != "labels"]
#: How often a table is read in the one statement over it.
READS = {asset: 2 if asset in FEATURES else 1 for asset in TABLES}


@pytest.mark.parametrize("asset", list(TABLES))
def test_a_check_that_is_executed_alone_asks_the_engine_once(finished: Shop, asset: str) -> None:
    handle = finished.handles[asset]
    with counted() as passes:
        measure(tiny.spec(), finished.platform, asset, handle)
    assert passes.of(TABLES[asset]) == [READS[asset]]
    assert passes.aggregates(TABLES[asset]) == 1


@pytest.mark.parametrize("asset", FEATURES)
def test_every_column_is_read_once_and_the_keys_once_more(finished: Shop, asset: str) -> None:
    table = tiny.spec().feature_table(asset.removeprefix("features/"))
    with counted() as passes:
        measure(tiny.spec(), finished.platform, asset, finished.handles[asset])
    (scans,) = [scans for scans in passes.scans if scans]
    (everything, all_columns), (again, keys) = sorted(scans, key=lambda scan: -len(scan[1]))
    assert all_columns == {*table.keys, *table.columns}
    assert keys == set(table.keys)
    assert "versionAsOf" in everything
    assert again == everything


def test_the_engine_reads_nothing_but_the_keys_to_count_them(
    finished: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = finished.platform.tables.read("shop.features.activity")
    keys = tiny.spec().feature_table("activity").keys
    key_floor(frame, column_types(frame), keys).explain()
    (read,) = re.findall(r"DataSourceExec: .* projection=\[(.*?)\]", capsys.readouterr().out)
    assert set(re.findall(r"(\w+)@\d+", read)) == set(keys)


def test_a_training_set_is_aggregated_once_and_sampled_once(finished: Shop) -> None:
    asset, table = "training_set", "shop.training.spender"
    with counted() as passes:
        measure(tiny.spec(), finished.platform, asset, finished.handles[asset])
    assert passes.of(table) == [1, 1]
    assert passes.aggregates(table) == 1


@pytest.mark.parametrize("asset", list(TABLES))
def test_a_build_asks_once_about_what_it_staged(finished: Shop, asset: str) -> None:
    (step,) = (s for s in steps_of(tiny.spec()) if s.asset == asset)
    with counted() as passes, step.build(tiny.spec(), finished.platform, Inputs(asset, {}, TRACE)):
        pass
    staged = [paths for paths, _ in passes.plans if any("/data-" in p for p in paths)]
    assert [len(paths) for paths in staged] == [READS[asset]]


def test_a_plan_that_reads_twice_is_counted_twice(finished: Shop) -> None:
    """Otherwise the tests above would say nothing."""
    frame = finished.platform.tables.read("shop.features.profile")
    with counted() as passes:
        frame.union(frame).count()
        frame.take(1)
    assert passes.of("shop.features.profile") == [2, 1]
    assert passes.aggregates("shop.features.profile") == 1
