"""Promotion: the verdicts on comparisons, forced champions and versions that were taken back."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ml_assets.rules.facts import MetricDifference
from ml_assets.rules.registry import judge
from ml_assets.spec.model_types import KINDS
from ml_assets_tests import tiny
from ml_assets_tests.rules import facts_of as f

if TYPE_CHECKING:
    from ml_assets.rules.verdict import Verdict
    from ml_assets.spec.model import ModelSpec


def verdict(spec: ModelSpec, facts: Any, check: str = "promotion_beats_champion") -> Verdict:
    return next(v for v in judge(spec, "model_version", facts) if v.check == check)


def compared(metric: str, low: float, *, champion: float = 0.8, **changes: Any) -> Any:
    difference = MetricDifference(champion, champion, 0.0, low, 0.01, 1000)
    comparison = replace(f.COMPARISON, **{"differences": {metric: difference}, **changes})
    return replace(f.VERSION, champion=3, rollback_to=0, comparison=comparison)


@pytest.mark.parametrize(("low", "passed"), [(0.001, True), (-0.02, True), (-0.0201, False)])
def test_the_lower_end_decides(low: float, *, passed: bool) -> None:
    assert verdict(tiny.spec(), compared("roc_auc", low)).passed is passed


@pytest.mark.parametrize(("low", "passed"), [(-0.99, True), (-1.01, False)])
def test_the_margin_of_a_metric_without_an_end_is_a_share_of_the_champion(
    low: float, *, passed: bool
) -> None:
    found = verdict(tiny.regression(), compared("rmse", low, champion=50.0))
    assert found.passed is passed
    assert "allowed is a loss of 1.0000 (2.0% of it)" in found.message
    assert found.numbers["allowed_loss"] == 1.0


def test_the_declared_metric_and_margin_are_used() -> None:
    spec = tiny.spec(promotion={"metric": "brier", "margin": 0.1})
    assert verdict(spec, compared("brier", -0.09)).passed
    assert not verdict(spec, compared("roc_auc", 0.5)).passed


def test_the_message_says_what_was_measured() -> None:
    message = verdict(tiny.spec(), compared("roc_auc", -0.01)).message
    for words in (
        "roc_auc 0.8000",
        "version 3",
        "-0.0100 to +0.0100",
        "30 rows of 10 entities",
        "1,000 draws",
    ):
        assert words in message


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "(30 rows of 10 entities, 1,000 draws);"),
        ({"widened": 1.58}, "10 entities, 1,000 draws, widened by 58%: few entities"),
        (
            {"entities": 1, "blocks": 10, "widened": 1.2},
            "one entity, drawn in 10 blocks of time, 1,000 draws, widened by 20%: few blocks);",
        ),
    ],
)
def test_the_message_says_what_was_drawn(changes: dict[str, Any], said: str) -> None:
    found = verdict(tiny.spec(), compared("roc_auc", -0.01, **changes))
    assert said in found.message
    assert found.numbers["compared_entities"] == changes.get("entities", 10)
    assert found.numbers["interval_widened_by"] == changes.get("widened", 1.0)


@pytest.mark.parametrize(
    ("seen", "rows", "said"),
    [
        (None, 30, "not known any more"),
        (0, 30, ""),
        (15, 15, "50.0% of the 30 holdout rows are older than the champion's own holdout: it may know them, they were left out"),
        (30, 30, "100.0% of the 30 holdout rows are older than the champion's own holdout: it may know them, which flatters it"),
    ],
)  # fmt: skip
def test_what_the_champion_may_know_is_a_number(seen: int | None, rows: int, said: str) -> None:
    facts = compared("roc_auc", 0.0, seen_rows=seen, rows=rows)
    found = verdict(tiny.spec(), facts)
    assert said in found.message
    assert found.numbers["rows_the_champion_may_know"] == seen


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (compared("roc_auc", math.nan), "roc_auc is not defined on the 30 rows"),
        (compared("brier", 0.0), "roc_auc is not defined"),
        (compared("roc_auc", math.nan, rows=1, entities=1), "one row alone does not say"),
        (compared("roc_auc", 0.0, differences={}, trouble="OSError: gone"), "OSError: gone"),
    ],
)
def test_what_could_not_be_compared_is_red(facts: Any, said: str) -> None:
    found = verdict(tiny.spec(), facts)
    assert found.stops
    assert said in found.message


class TestAnomaliesThatNobodyLabelled:
    FACTS = compared("anomaly_share", 0.0)

    def test_warn_and_let_the_gates_decide(self) -> None:
        found = verdict(anomalies(), self.FACTS)
        assert (found.passed, found.severity, found.stops) == (False, "warn", False)
        assert "the gates decided alone" in found.message

    def test_are_compared_in_the_metric_that_is_declared(self) -> None:
        assert verdict(anomalies(metric="anomaly_share"), self.FACTS).passed
        assert verdict(anomalies(metric="recall"), self.FACTS).stops


def anomalies(**promotion: Any) -> ModelSpec:
    kind = KINDS["anomaly_detection"]
    label = {**tiny.mapping()["label"]}
    return tiny.spec(
        model_type="anomaly_detection",
        estimator={"class": kind.estimator, "params": {}},
        gates={"anomaly_share": {"max": 0.9}},
        label=label,
        promotion=promotion,
    )


class TestForced:
    FACTS = replace(
        f.VERSION,
        champion=1,
        rollback_to=0,
        metrics={"roc_auc": 0.1},
        forced="forced by bo: a new law",
    )

    def test_a_forced_champion_serves_with_a_warning(self) -> None:
        found = verdict(tiny.spec(), self.FACTS, "promotion_absolute")
        assert (found.passed, found.severity, found.stops) == (False, "warn", False)
        assert "forced by bo: a new law" in found.message

    def test_nobody_is_forced_by_another_s_force(self) -> None:
        found = verdict(tiny.spec(), replace(self.FACTS, forced=""), "promotion_absolute")
        assert found.stops


def test_what_was_rolled_back_is_red_until_somebody_promotes_it() -> None:
    facts = replace(compared("roc_auc", 0.5), rolled_back="bo: too many alarms")
    found = verdict(tiny.spec(), facts)
    assert found.stops
    assert "bo: too many alarms" in found.message
    assert verdict(tiny.spec(), replace(facts, version=3)).passed


def test_the_first_version_has_nothing_to_be_compared_with() -> None:
    assert "no champion" in verdict(tiny.spec(), f.VERSION).message
    facts = replace(f.VERSION, champion=1, rollback_to=0)
    assert "the first one" in verdict(tiny.spec(), facts).message
    assert "first champion" in verdict(tiny.spec(), facts, "promotion_rollback_target").message


def test_versions_that_were_cut_off_are_no_versions() -> None:
    tags = {**f.VERSION.run_tags, "ml_assets.input_versions": '{"shop.training.spen'}
    found = verdict(tiny.spec(), replace(f.VERSION, run_tags=tags), "ml04_run_traceable")
    assert "Delta version of shop.training.spender" in found.message
