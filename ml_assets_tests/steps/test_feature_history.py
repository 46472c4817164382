"""Feature tables over time: what a build and a check that is executed alone know of before."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from deltalake import DeltaTable, write_deltalake

from ml_assets.rules.registry import judge
from ml_assets.steps import clean_features
from ml_assets.steps.execution import Inputs, Outcome, execute
from ml_assets_tests import tiny
from ml_assets_tests.steps.helpers import TRACE, red

if TYPE_CHECKING:
    from ml_assets.platform.embedded import EmbeddedPlatform
    from ml_assets.rules.facts import FeatureTableFacts
    from ml_assets.spec.model import ModelSpec

ASSET, TABLE, SOURCE = "features/activity", "shop.features.activity", "shop.raw.visits"


@pytest.fixture
def shop(platform: EmbeddedPlatform) -> EmbeddedPlatform:
    """The sources alone."""
    tiny.seed(platform)
    return platform


def build(platform: EmbeddedPlatform, spec: ModelSpec | None = None) -> Outcome:
    spec = spec or tiny.spec()
    return execute(clean_features.build, judge, spec, platform, Inputs(ASSET, {}, TRACE))


def alone(platform: EmbeddedPlatform) -> FeatureTableFacts:
    return clean_features.measure(tiny.spec(), platform, Inputs(ASSET, {}, TRACE))


def reds(platform: EmbeddedPlatform) -> list[str]:
    return red(judge(tiny.spec(), ASSET, alone(platform)))


def append(platform: EmbeddedPlatform, name: str, times: int = 1) -> None:
    """Add the table's own rows again, as another program would."""
    path = platform.tables.path(name)
    rows = DeltaTable(path).to_pyarrow_table()
    for _ in range(times):
        write_deltalake(path, rows, mode="append")


def without_city(spec: dict[str, Any]) -> ModelSpec:
    tables = spec["feature_tables"]
    del tables[0]["columns"]["city"]
    tables[0]["transform"] = ".steps.test_feature_history.no_city"
    return tiny.spec(feature_tables=tables)


def no_city(visits: Any) -> Any:
    """The shop's activity with a column less."""
    return tiny.activity(visits).drop("city")


def test_the_first_build_has_nothing_before_and_the_second_the_first(
    shop: EmbeddedPlatform,
) -> None:
    assert red(build(shop).verdicts) == []
    first = alone(shop)
    assert first.before is None
    assert red(build(shop).verdicts) == []
    second = alone(shop)
    assert second.before is not None
    assert (second.before.version, second.before.rows) == (first.table.data_version, first.rows)
    assert second.before.columns == {c.name: c.type for c in first.table.columns}
    assert reds(shop) == []


def test_what_a_check_finds_alone_is_what_the_build_found(shop: EmbeddedPlatform) -> None:
    """Which values were repaired, and what the rows were made from, stands in the commit."""
    outcome = build(shop)
    facts = alone(shop)
    assert {c.name: c.repaired for c in facts.columns} == outcome.details["repaired_values"]
    (source,) = facts.sources
    info = shop.tables.info(SOURCE)
    assert (source.used, source.version, source.data_version) == (
        info.version,
        info.version,
        info.data_version,
    )
    assert facts.latest_event is not None
    assert facts.latest_event.tzinfo is not None


def test_a_source_that_changed_makes_the_table_stale_until_it_is_built_again(
    shop: EmbeddedPlatform,
) -> None:
    build(shop)
    path = shop.tables.path(SOURCE)
    rows = DeltaTable(path).to_pyarrow_table()
    write_deltalake(path, rows, mode="overwrite")
    assert reds(shop) == ["ml01_fresh"]
    build(shop)
    assert reds(shop) == []


def test_rows_of_somebody_else_are_counted_and_their_origin_is_unknown(
    shop: EmbeddedPlatform,
) -> None:
    build(shop)
    rows = alone(shop).rows
    append(shop, TABLE)
    facts = alone(shop)
    assert facts.before is not None
    assert (facts.before.rows, facts.rows) == (rows, 2 * rows)
    assert facts.sources[0].used is None
    assert {c.repaired for c in facts.columns} == {None}
    found = reds(shop)
    assert {"ml01_row_count", "ml01_fresh", "ml03_repaired_share"} <= set(found)
    assert "ml01_schema_stable" not in found
    append(shop, TABLE)
    before = alone(shop).before
    assert before is not None
    assert before.rows == 2 * rows  # nobody recorded it: the version was read


def test_a_column_that_is_gone_is_a_warning_in_the_build(shop: EmbeddedPlatform) -> None:
    build(shop)
    spec = without_city(tiny.mapping())
    outcome = build(shop, spec)
    assert outcome.handle is not None
    assert red(outcome.verdicts) == ["ml01_schema_stable"]
    (found,) = (v for v in outcome.verdicts if not v.passed)
    assert "city (string) is gone" in found.message


class WithoutVersions:
    """Tables of which one has no history, as a view or a table of Databricks' own."""

    def __init__(self, tables: Any) -> None:
        self._tables = tables

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tables, name)

    def info(self, name: str) -> Any:
        found = self._tables.info(name)
        return replace(found, version=-1, data_version=-1) if name == SOURCE else found

    def read(self, name: str, version: int | None = None) -> Any:
        return self._tables.read(name, None if name == SOURCE else version)


def test_a_source_without_versions_is_compared_by_its_rows(
    shop: EmbeddedPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = shop.tables
    monkeypatch.setattr(shop, "tables", WithoutVersions(whole))
    rows = DeltaTable(whole.path(SOURCE)).to_pyarrow_table().num_rows
    [said] = [v for v in build(shop).verdicts if v.check == "ml01_fresh"]
    assert said.passed
    assert f"{rows} rows (has no versions; now {rows} rows)" in said.message
    assert "ml01_fresh" not in reds(shop)
    append(shop, SOURCE)
    [changed] = alone(shop).sources
    assert (changed.used_state, changed.state) == (f"{rows} rows", f"{2 * rows} rows")
    assert "ml01_fresh" in reds(shop)
