"""Feature tables beside the version before, their sources, and what was repaired."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ml_assets.rules.facts import BeforeFacts, ColumnFacts, FeatureTableFacts, SourceFacts
from ml_assets.rules.registry import judge
from ml_assets_tests import tiny
from ml_assets_tests.rules import facts_of as f

if TYPE_CHECKING:
    from ml_assets.rules.verdict import Verdict

ASSET = "features/activity"
VIEW = SourceFacts("shop.raw.visits", used=-1, version=-1, data_version=-1)


def verdict(check: str, facts: FeatureTableFacts, table: dict[str, Any] | None = None) -> Verdict:
    tables = tiny.mapping()["feature_tables"]
    tables[0] |= table or {}
    (found,) = (
        v for v in judge(tiny.spec(feature_tables=tables), ASSET, facts) if v.check == check
    )
    return found


def facts(**changes: Any) -> FeatureTableFacts:
    return replace(f.FEATURES, **changes)


@pytest.mark.parametrize("check", ["ml01_row_count", "ml01_schema_stable"])
def test_the_first_version_passes_and_says_so(check: str) -> None:
    found = verdict(check, facts(before=None))
    assert found.passed
    assert "shop.features.activity held no rows before" in found.message


@pytest.mark.parametrize("check", ["ml01_row_count", "ml01_schema_stable"])
def test_a_version_before_that_nobody_can_read_is_a_warning(check: str) -> None:
    found = verdict(check, facts(before=BeforeFacts(7, None, None)))
    assert (found.passed, found.severity, found.stops) == (False, "warn", False)
    assert "version 7" in found.message
    assert "neither recorded nor readable" in found.message


@pytest.mark.parametrize(
    ("rows", "passed"),
    [(150, True), (151, False), (67, True), (66, False), (50, False), (0, False)],
)
def test_the_usual_change_goes_both_ways_and_ends_are_included(rows: int, *, passed: bool) -> None:
    found = verdict("ml01_row_count", facts(rows=rows, before=BeforeFacts(1, 100, {})))
    assert found.passed is passed


def test_rows_after_none_are_a_change() -> None:
    assert not verdict("ml01_row_count", facts(before=BeforeFacts(1, 0, {}))).passed


@pytest.mark.parametrize(
    ("used", "passed"), [(4, True), (5, True), (3, False), (6, False), (None, False)]
)
def test_fresh_is_what_was_made_from_the_rows_of_today(used: int | None, *, passed: bool) -> None:
    """Version 5 of the source only rearranged the rows of version 4; 6 is of a table that is gone."""
    source = SourceFacts("shop.raw.visits", used, version=5, data_version=4)
    found = verdict("ml01_fresh", facts(sources=(source,)))
    assert (found.passed, found.severity) == (passed, "warn")
    assert found.table[0]["used"] == used


def test_whoever_recorded_no_source_is_told() -> None:
    found = verdict("ml01_fresh", facts(sources=(replace(f.FEATURES.sources[0], used=None),)))
    assert "shop.raw.visits not recorded" in found.message
    assert "an unrecorded version" in found.message
    assert "materialize features/activity" in found.fix


def test_a_view_can_be_fresh_by_its_age_only() -> None:
    blind = verdict("ml01_fresh", facts(sources=(VIEW,)))
    assert not blind.passed
    assert "shop.raw.visits cannot be compared" in blind.message
    assert "declare max_age of activity" in blind.fix
    assert verdict("ml01_fresh", facts(sources=(VIEW,)), {"max_age": "1 day"}).passed


def test_a_view_is_compared_by_what_was_recorded_of_it() -> None:
    before = replace(VIEW, used_state="8 rows until 2024-01-01T00:00:00+00:00")
    same = verdict("ml01_fresh", facts(sources=(replace(before, state=before.used_state),)))
    assert same.passed
    assert "8 rows until 2024-01-01" in same.message
    more = replace(before, state="9 rows until 2024-01-02T00:00:00+00:00")
    found = verdict("ml01_fresh", facts(sources=(more,)), {"max_age": "1 day"})
    assert not found.passed
    assert "now 9 rows until 2024-01-02" in found.message
    assert "shop.raw.visits changed" in found.message


@pytest.mark.parametrize(("hours", "passed"), [(24, True), (24.1, False), (-1, True)])
def test_the_age_is_that_of_the_latest_row(hours: float, *, passed: bool) -> None:
    now = f.FEATURES.measured_at
    assert now is not None
    found = verdict(
        "ml01_fresh", facts(latest_event=now - timedelta(hours=hours)), {"max_age": "1 day"}
    )
    assert found.passed is passed
    assert "not older than 1 day" in found.message
    if not passed:
        assert "the latest row is 24.1 hours old" in found.message


def test_no_event_time_at_all_is_too_old() -> None:
    found = verdict("ml01_fresh", facts(latest_event=None), {"max_age": "1 day"})
    assert "no row has an event time" in found.message
    assert not found.passed


def repaired(*counts: int | None) -> FeatureTableFacts:
    names = ("amount", "visits", "city")
    columns = (ColumnFacts(n, "double", repaired=c) for n, c in zip(names, counts, strict=True))
    return facts(columns=tuple(columns))


def test_each_column_has_its_own_usual_share() -> None:
    columns = tiny.mapping()["feature_tables"][0]["columns"]
    columns["city"]["max_repaired"] = 0.9
    found = verdict("ml03_repaired_share", repaired(51, 50, 90), {"columns": columns})
    assert "1 of 3 feature columns (amount 51.0% (usual up to 50%))" in found.message
    assert [row["column"] for row in found.table] == ["city", "amount", "visits"]
    assert (found.passed, found.severity) == (False, "warn")


def test_repairs_that_nobody_recorded_are_a_warning() -> None:
    found = verdict("ml03_repaired_share", repaired(0, None, 0))
    assert not found.passed
    assert "not recorded: visits" in found.message
    assert "did not record" in found.fix


def test_a_column_without_default_cannot_be_repaired() -> None:
    columns = tiny.mapping()["feature_tables"][0]["columns"]
    del columns["visits"]["default"]
    assert verdict("ml03_repaired_share", repaired(0, None, 0), {"columns": columns}).passed


def test_one_row_cannot_vary() -> None:
    same = tuple(replace(c, constant=True) for c in f.COLUMNS)
    found = verdict("ml03_constant_column", facts(rows=1, columns=same))
    assert found.passed
    assert "one row cannot vary" in found.message
    found = verdict("ml03_constant_column", facts(rows=2, columns=same))
    assert "3 of 3 feature columns have one value in all 2 rows" in found.message
