"""The rules of a regressor on plain values: green on good facts, red on each spoiled one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ml_assets.rules.facts import LabelFacts, Spread
from ml_assets.rules.registry import RULES, judge
from ml_assets_tests import tiny
from ml_assets_tests.rules import facts_of as f

SPREADS = {
    "all": Spread(finite=100, lowest=0.0, highest=50.0, mean=9.0),
    "train": Spread(finite=70, lowest=0.0, highest=50.0, mean=9.5),
    "holdout": Spread(finite=30, lowest=1.0, highest=40.0, mean=8.0),
}
LABELS = replace(
    f.LABELS, type="double", values={}, train_values={}, holdout_values={}, spreads=SPREADS
)
GOOD = {
    **f.GOOD,
    "labels": LABELS,
    "training_set": replace(f.TRAINING, split_values={}),
    "trained_model": replace(
        f.MODEL,
        run_tags=f.run_tags("shop.training.spending", "shop.labels.spending"),
        experiment="/Shared/shop_ml_spending_development",
        package=replace(f.PACKAGE, outputs=("double",)),
        predicted_type="double",
    ),
    "model_version": replace(
        f.VERSION,
        run_tags=f.run_tags("shop.training.spending"),
        experiment="/Shared/shop_ml_spending_evaluation",
        metrics={"rmse": 3.0, "r2": 0.6},
        baseline={"rmse": 8.0, "r2": 0.0},
    ),
    "predictions": replace(
        f.PREDICTIONS,
        experiment="/Shared/shop_ml_spending_deployment",
        type="double",
        values={},
        spread=Spread(finite=40, lowest=-1.5, highest=44.0, mean=9.0),
    ),
}


def labels(part: str = "all", **changes: Any) -> LabelFacts:
    spread = replace(SPREADS[part], **changes)
    return replace(LABELS, spreads={**SPREADS, part: spread})


def constant(*parts: str) -> LabelFacts:
    flat = {p: replace(SPREADS[p], lowest=5.0, highest=5.0) for p in parts}
    return replace(LABELS, spreads={**SPREADS, **flat})


def version(rmse: float, r2: float = 0.6, **changes: Any) -> Any:
    return replace(GOOD["model_version"], metrics={"rmse": rmse, "r2": r2}, **changes)


def predicted(**changes: Any) -> Any:
    good: Any = GOOD["predictions"]
    return replace(good, spread=replace(good.spread, **changes))


SPOILED: list[tuple[str, Any, str, list[str]]] = [
    ("labels", replace(LABELS, nulls=3), "ml05_binary_labels", ["double with 3 nulls", "100 rows", "not known or not finite"]),
    ("labels", labels(nans=2), "ml05_binary_labels", ["2 NaN"]),
    ("labels", labels(infs=4), "ml05_binary_labels", ["4 infinite", "from 0 to 50"]),
    ("labels", constant("holdout"), "ml05_not_single_class", ["constant in: holdout", "from 5 to 5"]),
    ("labels", constant("all", "train", "holdout"), "ml05_not_single_class", ["constant in: all, train, holdout", "training is skipped"]),
    ("labels", labels("train", finite=0, lowest=None, highest=None, mean=None), "ml05_not_single_class", ["train: 0 numbers"]),
    ("trained_model", replace(GOOD["trained_model"], package=f.PACKAGE), "ml02_output_schema", ["['long']", "double for regression"]),
    ("trained_model", replace(GOOD["trained_model"], predicted_type="long"), "ml02_prediction_dtype", ["returned long", "expected double"]),
    ("model_version", version(8.5), "promotion_absolute", ["rmse 8.5000 is not better than the baseline's 8.0000"]),
    ("model_version", version(8.0), "promotion_absolute", ["not better than the baseline"]),
    ("model_version", version(3.0, r2=0.2), "promotion_absolute", ["r2 0.2000 is below 0.3"]),
    ("model_version", version(float("inf")), "promotion_absolute", ["rmse was not measured"]),
    ("model_version", version(3.0, replay=replace(f.VERSION.replay, different=2, max_difference=0.01)), "ml03_score_replay", ["largest relative difference 0.01"]),
    ("predictions", replace(GOOD["predictions"], type="bigint"), "predictions_schema", ["are bigint", "expected double"]),
    ("predictions", predicted(nans=1), "predictions_schema", ["1 NaN or infinite"]),
    ("predictions", predicted(infs=2), "predictions_schema", ["2 NaN or infinite"]),
]  # fmt: skip


@pytest.mark.parametrize("asset", list(GOOD))
def test_good_facts_pass_every_rule(asset: str) -> None:
    verdicts = judge(tiny.regression(), asset, GOOD[asset])
    assert verdicts
    assert [v.message for v in verdicts if not v.passed] == []


@pytest.mark.parametrize(
    ("asset", "facts", "check", "words"),
    SPOILED,
    ids=[f"{c}-{i}" for i, (_, _, c, _) in enumerate(SPOILED)],
)
def test_a_spoiled_fact_turns_exactly_its_check_red(
    asset: str, facts: Any, check: str, words: list[str]
) -> None:
    failed = [v for v in judge(tiny.regression(), asset, facts) if not v.passed]
    assert [v.check for v in failed] == [check]
    text = f"{failed[0].message} {failed[0].fix}"
    assert [w for w in words if w not in text] == []


def test_a_label_of_a_type_that_is_no_number_is_red_in_both_rules() -> None:
    facts = replace(LABELS, type="string", spreads={})
    failed = [v for v in judge(tiny.regression(), "labels", facts) if not v.passed]
    assert [v.check for v in failed] == ["ml05_binary_labels", "ml05_not_single_class"]
    assert "is string" in failed[0].message


def test_no_check_of_a_regressor_is_green_whatever_is_measured() -> None:
    """Each check that is not about the tables alone (as for a classifier) can turn red here too."""
    spoiled = {(asset, check) for asset, _, check, _ in SPOILED}
    differs = {
        ("labels", "ml05_binary_labels"),
        ("labels", "ml05_not_single_class"),
        ("trained_model", "ml02_output_schema"),
        ("trained_model", "ml02_prediction_dtype"),
        ("model_version", "ml03_score_replay"),
        ("model_version", "promotion_absolute"),
        ("predictions", "predictions_schema"),
    }
    assert differs == spoiled
    assert differs <= {(r.asset, r.check) for r in RULES}


@pytest.mark.parametrize(("choice", "stops"), [("skip", False), ("fail", True)])
def test_a_constant_label_skips_or_fails_as_declared(choice: str, *, stops: bool) -> None:
    spec = tiny.regression(on_single_class=choice)
    (verdict,) = (v for v in judge(spec, "labels", constant("train")) if not v.passed)
    assert (verdict.check, verdict.stops) == ("ml05_not_single_class", stops)


@pytest.mark.parametrize(
    ("metric", "value", "baseline", "passed"),
    [
        ("rmse", 7.9, 8.0, True),
        ("mae", 8.1, 8.0, False),
        ("median_ae", 7.9, 8.0, True),
        ("r2", 0.1, 0.0, True),
        ("r2", -0.2, -0.1, False),
    ],
)
def test_beating_the_baseline_knows_which_way_is_better(
    metric: str, value: float, baseline: float, *, passed: bool
) -> None:
    spec = tiny.regression(gates={metric: {"beat_baseline": True}})
    facts = replace(GOOD["model_version"], metrics={metric: value}, baseline={metric: baseline})
    verdicts = {v.check: v.passed for v in judge(spec, "model_version", facts)}
    assert verdicts["promotion_absolute"] is passed
