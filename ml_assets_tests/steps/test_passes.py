"""All facts of a table cost one aggregate over it; what is wrong may be looked at again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ml_assets.steps.execution import Inputs
from ml_assets.steps.graph import steps_of
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


@pytest.mark.parametrize("asset", list(TABLES))
def test_a_check_that_is_executed_alone_reads_the_table_once(finished: Shop, asset: str) -> None:
    handle = finished.handles[asset]
    with counted() as passes:
        measure(tiny.spec(), finished.platform, asset, handle)
    assert passes.of(TABLES[asset]) == [1]
    assert passes.aggregates(TABLES[asset]) == 1


def test_a_training_set_is_aggregated_once_and_sampled_once(finished: Shop) -> None:
    asset, table = "training_set", "shop.training.spender"
    with counted() as passes:
        measure(tiny.spec(), finished.platform, asset, finished.handles[asset])
    assert passes.of(table) == [1, 1]
    assert passes.aggregates(table) == 1


@pytest.mark.parametrize("asset", list(TABLES))
def test_a_build_reads_what_it_staged_once(finished: Shop, asset: str) -> None:
    (step,) = (s for s in steps_of(tiny.spec()) if s.asset == asset)
    with counted() as passes, step.build(tiny.spec(), finished.platform, Inputs(asset, {}, TRACE)):
        pass
    staged = [paths for paths, _ in passes.plans if any("/data-" in p for p in paths)]
    assert [len(paths) for paths in staged] == [1]


def test_a_plan_that_reads_twice_is_counted_twice(finished: Shop) -> None:
    """Otherwise the tests above would say nothing."""
    frame = finished.platform.tables.read("shop.features.profile")
    with counted() as passes:
        frame.union(frame).count()
        frame.take(1)
    assert passes.of("shop.features.profile") == [2, 1]
    assert passes.aggregates("shop.features.profile") == 1
