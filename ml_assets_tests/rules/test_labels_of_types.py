"""Labels of each model type, against what is usual, the champion's, and the end of the data."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ml_assets.rules.facts import ChampionLabels, LabelFacts, Spread
from ml_assets.rules.registry import checks_for, judge
from ml_assets_tests import tiny
from ml_assets_tests.rules import facts_of as f
from ml_assets_tests.spec.test_label import multiclass

if TYPE_CHECKING:
    from ml_assets.rules.verdict import Verdict
    from ml_assets.spec.model import ModelSpec

TIERS = {"0": 50, "1": 30, "2": 20}


def tiers() -> ModelSpec:
    return tiny.spec(**multiclass(classes=["bronze", "silver", "gold"]))


def anomalies(**label: Any) -> ModelSpec:
    declared = {**tiny.mapping()["label"], **label}
    return tiny.spec(
        model_type="anomaly_detection",
        label=declared,
        estimator={},
        gates={"anomaly_share": {"max": 0.5}},
    )


def tier_facts(**changes: Any) -> LabelFacts:
    good = {"values": TIERS, "train_values": TIERS, "holdout_values": TIERS}
    return replace(f.LABELS, **{**good, **changes})


def verdict(spec: ModelSpec, check: str, facts: LabelFacts) -> Verdict:
    (found,) = (v for v in judge(spec, "labels", facts) if v.check == check)
    return found


def checks(spec: ModelSpec) -> list[str]:
    return [r.check.removeprefix("ml05_") for r in checks_for(spec, "labels")]


def test_a_model_has_the_checks_that_can_fail_for_it() -> None:
    every = ["binary_labels", "not_single_class"]
    shift = ["base_rate_shift", "label_horizon_closed"]
    assert checks(tiny.spec()) == checks(tiers()) == [*every, "minority_share", *shift]
    assert checks(tiny.regression()) == [*every, *shift]
    assert checks(anomalies()) == ["binary_labels", "label_horizon_closed"]


def test_classes_are_named_as_they_were_declared() -> None:
    found = verdict(tiers(), "ml05_not_single_class", tier_facts())
    assert found.passed
    assert "20 of class 2 (gold)" in found.message


def test_a_class_that_is_missing_from_train_keeps_the_model_from_being_trained() -> None:
    facts = tier_facts(train_values={"0": 50, "1": 30})
    found = verdict(tiers(), "ml05_not_single_class", facts)
    assert (found.passed, found.severity, found.stops) == (False, "error", False)
    assert "declared classes missing from train: 2 (gold)" in found.message
    assert "cannot learn 2 (gold)" in found.fix


def test_a_single_class_stops_whatever_is_missing() -> None:
    spec = tiny.spec(**multiclass(classes=["a", "b", "c"]), on_single_class="fail")
    found = verdict(spec, "ml05_not_single_class", tier_facts(train_values={"0": 50}))
    assert (found.severity, found.stops) == ("error", True)
    assert "single class in: train" in found.message


def test_a_place_beyond_the_classes_is_no_class() -> None:
    facts = tier_facts(values={**TIERS, "3": 1})
    found = verdict(tiers(), "ml05_binary_labels", facts)
    assert not found.passed
    assert "expected integers 0, 1, 2, never null" in found.message
    assert found.numbers["unexpected_values"] == 1


def test_of_anomalies_a_label_may_be_unknown() -> None:
    facts = replace(f.LABELS, values={"1": 90, "-1": 2}, nulls=8)
    assert verdict(anomalies(), "ml05_binary_labels", facts).passed
    assert not verdict(tiny.spec(), "ml05_binary_labels", replace(f.LABELS, nulls=8)).passed
    found = verdict(anomalies(), "ml05_binary_labels", replace(f.LABELS, values={"0": 1, "1": 9}))
    assert "expected integers -1, 1, null only where nobody knows" in found.message
    assert "spends is -1 where spent is above it" in found.fix
    assert not found.passed


def test_values_beyond_those_listed_are_unexpected_too() -> None:
    found = verdict(tiny.spec(), "ml05_binary_labels", replace(f.LABELS, unlisted_rows=999))
    assert not found.passed
    assert "others in 999 more rows" in found.message


@pytest.mark.parametrize(("rare", "passed"), [(10, True), (9, False)])
def test_the_rarest_class_has_at_least_its_share(rare: int, *, passed: bool) -> None:
    facts = tier_facts(values={"0": 900, "1": 100 - rare, "2": rare})
    found = verdict(tiers(), "ml05_minority_share", facts)
    assert (found.passed, found.severity) == (passed, "warn")
    assert found.message.index("2 (gold)") < found.message.index("1 (silver)")


def shifted(now: dict[str, int], then: dict[str, float], spec: ModelSpec | None = None) -> Verdict:
    facts = replace(f.LABELS, train_values=now, champion=ChampionLabels(3, "r", then))
    return verdict(spec or tiny.spec(), "ml05_base_rate_shift", facts)


def test_without_a_champion_there_is_nothing_to_compare_with() -> None:
    found = verdict(tiny.spec(), "ml05_base_rate_shift", f.LABELS)
    assert found.passed
    assert "no champion" in found.message


def test_the_shift_is_half_the_sum_of_the_differences_of_the_shares() -> None:
    found = shifted({"0": 50, "1": 30, "2": 20}, {"0": 0.4, "1": 0.3, "2": 0.3}, tiers())
    assert found.numbers["shift"] == pytest.approx(0.1)
    assert found.passed
    assert shifted({"0": 50, "1": 50}, {"0": 0.61, "1": 0.39}).numbers["shift"] == 0.11
    assert not shifted({"0": 50, "1": 50}, {"0": 0.61, "1": 0.39}).passed


def test_classes_that_one_side_lacks_count() -> None:
    found = shifted({"0": 50, "1": 50}, {"0": 0.5, "2": 0.5}, tiers())
    assert found.numbers["shift"] == 0.5


def test_a_champion_that_does_not_tell_its_labels_is_a_warning() -> None:
    found = shifted({"0": 50, "1": 50}, {})
    assert (found.passed, found.severity) == (False, "warn")
    assert "does not tell what labels it was trained on" in found.message


@pytest.mark.parametrize(
    ("mean", "std", "shift"), [(9.0, 5.0, 0.1), (10.0, 5.0, 0.1), (9.5, 0.0, 0.0), (9, 0, math.inf)]
)
def test_numbers_move_in_standard_deviations(mean: float, std: float, shift: float) -> None:
    spreads = {"train": Spread(finite=70, lowest=0.0, highest=50.0, mean=9.5)}
    champion = ChampionLabels(3, "r", mean=mean, std=std)
    facts = replace(f.LABELS, type="double", spreads=spreads, champion=champion)
    found = verdict(tiny.regression(), "ml05_base_rate_shift", facts)
    assert found.numbers["shift"] == shift
    assert found.passed is (shift <= 0.1)


@pytest.mark.parametrize(("rows", "passed"), [(30, True), (3000, False), (None, False)])
def test_few_rows_move_by_chance(rows: int | None, *, passed: bool) -> None:
    """Fifteen of thirty rows after twenty of thirty are no shift of the world."""
    each = (rows or 30) // 2
    champion = ChampionLabels(3, "r", {"0": 2 / 3, "1": 1 / 3}, rows=rows)
    facts = replace(f.LABELS, train_values={"0": each, "1": each}, champion=champion)
    found = verdict(tiny.spec(), "ml05_base_rate_shift", facts)
    assert found.numbers["shift"] == pytest.approx(1 / 6, abs=1e-6)
    assert found.passed is passed
    assert ("30 and 30 rows move so far by chance" in found.message) is passed


@pytest.mark.parametrize(("rows", "passed"), [(40, True), (4000, False)])
def test_means_of_few_rows_move_by_chance(rows: int, *, passed: bool) -> None:
    spreads = {"train": Spread(finite=rows, lowest=0.0, highest=9.0, mean=5.5)}
    champion = ChampionLabels(3, "r", mean=5.0, std=1.0, rows=rows)
    facts = replace(f.LABELS, type="double", spreads=spreads, champion=champion)
    assert verdict(tiny.regression(), "ml05_base_rate_shift", facts).passed is passed


def test_chance_raises_a_false_alarm_once_in_a_thousand_times() -> None:
    """Two samples of 60 rows differ by more than 0.1 in a quarter of all draws; few are told."""
    rng, reps = np.random.default_rng(5), 1500
    told = beyond = 0
    for then, now in rng.binomial(60, 0.4, (reps, 2)):
        champion = ChampionLabels(3, "r", {"0": 1 - then / 60, "1": then / 60}, rows=60)
        counts = {"0": int(60 - now), "1": int(now)}
        facts = replace(f.LABELS, train_values=counts, champion=champion)
        found = verdict(tiny.spec(), "ml05_base_rate_shift", facts)
        told += not found.passed
        beyond += found.numbers["shift"] > 0.1
    assert beyond > 0.15 * reps
    assert told < 0.005 * reps


@pytest.mark.parametrize("spec", [tiny.spec(), tiny.regression(), tiers(), anomalies()])
def test_open_outcomes_stop_every_model_type(spec: ModelSpec) -> None:
    found = verdict(spec, "ml05_label_horizon_closed", replace(f.LABELS, open_rows=1))
    assert found.stops
    assert "1 of 100 rows" in found.message
    assert "outcomes are known at the event time" in found.message
    assert verdict(spec, "ml05_label_horizon_closed", f.LABELS).passed


def test_an_end_that_nobody_knows_is_no_pass() -> None:
    facts = replace(f.LABELS, data_until=None)
    assert not verdict(tiny.spec(), "ml05_label_horizon_closed", facts).passed
