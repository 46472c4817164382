"""The leakage rules and drift on plain values: green on good facts, red with the right severity."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ml_assets.rules.facts import ColumnDrift, DriftFacts, FeatureAlone
from ml_assets.rules.registry import checks_for, judge
from ml_assets_tests import tiny
from ml_assets_tests.rules import facts_of as f


def training(**first: Any) -> Any:
    spoiled = replace(f.LEAKAGE.features[0], **first)
    return replace(
        f.TRAINING, leakage=replace(f.LEAKAGE, features=(spoiled, *f.LEAKAGE.features[1:]))
    )


def model(**metrics: float | None) -> Any:
    both = {**f.METRICS, **metrics}
    return replace(f.MODEL, metrics={k: v for k, v in both.items() if v is not None})


def scored(*columns: ColumnDrift, unmeasured: str = "") -> Any:
    return replace(f.PREDICTIONS, drift=DriftFacts(40, 70, columns, unmeasured))


UNMEASURED = replace(f.TRAINING, leakage=replace(f.LEAKAGE, unmeasured="the label is constant"))
SPOILED: list[tuple[str, Any, str, str, list[str]]] = [
    ("training_set", training(copies="one value for each class"), "ml06_label_copy", "error", ["1 of 4", "amount (one value for each class)", "label.label_sources"]),
    ("training_set", training(power=0.985), "ml06_single_feature_power", "error", ["amount 0.9850", "ROC AUC", "0.98", "70 of 70 training rows", "as-of time"]),
    ("training_set", training(power=0.96), "ml06_single_feature_power", "warn", ["amount 0.9600 by rank", "0.95"]),
    ("training_set", training(power=None), "ml06_single_feature_power", "error", ["not measured: amount", "a number, a boolean or a string"]),
    ("training_set", training(power=float("nan")), "ml06_single_feature_power", "error", ["strongest feature alone: visits 0.6000", "not measured: amount"]),
    ("training_set", training(identity="row id"), "ml06_keys_in_features", "error", ["1 are a row id", "amount"]),
    ("training_set", training(identity="key"), "ml06_keys_in_features", "warn", ["1 hold the values of a key: amount", "remove amount"]),
    ("training_set", training(identity="event time"), "ml06_keys_in_features", "warn", ["1 are a time under another name", "asked_at"]),
    ("training_set", replace(f.TRAINING, split_rows={"train": 70, "test": 30}), "ml06_time_overlap", "error", ["parts other than train, embargo, holdout: test"]),
    ("trained_model", model(holdout_roc_auc=0.995), "ml06_too_good", "warn", ["0.9950", "at most 0.99"]),
    ("trained_model", model(holdout_roc_auc=None), "ml06_too_good", "warn", ["not measured", "ml_assets.not_measured_roc_auc", "larger split.holdout"]),
    ("trained_model", model(control_roc_auc=0.6), "ml06_shuffled_label_control", "warn", ["0.6000", "0.5 within 0.0800", "0.05 and 3 standard errors"]),
    ("trained_model", model(control_roc_auc=0.4), "ml06_shuffled_label_control", "warn", ["0.4000"]),
    ("trained_model", model(control_roc_auc=None), "ml06_shuffled_label_control", "warn", ["not measured", "control_error"]),
    ("predictions", scored(ColumnDrift("amount", 0.8, 0.7, 0.2, "null: 0.0% before, 40.0% now")), "predictions_drift", "warn", ["1 of 1", "amount 0.800", "null: 0.0% before, 40.0% now", "at most 0.2"]),
    ("predictions", scored(unmeasured="run 1 has no artifact"), "predictions_drift", "warn", ["not measured: run 1 has no artifact", "materialize trained_model"]),
    ("predictions", replace(f.PREDICTIONS, drift=None), "predictions_drift", "warn", ["not compared"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("asset", "facts", "check", "severity", "words"),
    SPOILED,
    ids=[f"{c}-{i}" for i, (_, _, c, _, _) in enumerate(SPOILED)],
)
def test_one_spoiled_value_turns_one_check_red(
    asset: str, facts: Any, check: str, severity: str, words: list[str]
) -> None:
    red = [v for v in judge(tiny.spec(), asset, facts) if not v.passed]
    assert [(v.check, v.severity, v.stops) for v in red] == [(check, severity, severity == "error")]
    said = f"{red[0].message} {red[0].fix}"
    assert [w for w in words if w not in said] == []


@pytest.mark.parametrize("facts", [UNMEASURED, replace(f.TRAINING, leakage=None)])
def test_what_was_not_measured_is_red(facts: Any) -> None:
    red = [v for v in judge(tiny.spec(), "training_set", facts) if not v.passed]
    assert [v.check for v in red] == ["ml06_label_copy", "ml06_single_feature_power"]
    assert all(v.stops and "Could not be measured" in v.message for v in red)


@pytest.mark.parametrize(
    ("changes", "passed"),
    [
        ({"holdout_r2": 0.99}, True),
        ({"holdout_r2": 0.991}, False),
        ({"control_r2": -3.0}, True),
        ({"control_r2": 0.05 + 0.03}, True),
        ({"control_r2": 0.09}, False),
        ({"holdout_roc_auc": 0.999, "control_roc_auc": 0.9}, True),
    ],
)
def test_numbers_are_judged_by_r2(changes: dict[str, float], passed: bool) -> None:
    facts = replace(model(**changes), package=replace(f.PACKAGE, outputs=("double",)))
    verdicts = judge(tiny.regression(), "trained_model", facts)
    mine = [v.passed for v in verdicts if v.check.startswith("ml06_")]
    assert len(mine) == 2
    assert all(mine) is passed


@pytest.mark.parametrize(
    "drift",
    [ColumnDrift("amount", 0.8, 0.9, 0.1), ColumnDrift("amount", 0.8, 0.1, 0.9)],
    ids=["chance", "usual"],
)
def test_chance_and_usual_windows_are_no_drift(drift: ColumnDrift) -> None:
    verdict = next(
        v for v in judge(tiny.spec(), "predictions", scored(drift)) if "drift" in v.check
    )
    assert verdict.passed
    assert verdict.table[0]["drifted"] is False


def test_a_column_may_declare_how_far_it_drifts() -> None:
    tables = tiny.mapping()["feature_tables"]
    tables[0]["columns"]["amount"]["max_drift"] = 1.0
    spec = tiny.spec(feature_tables=tables)
    columns = (ColumnDrift("amount", 0.9), ColumnDrift("visits", 0.9))
    verdict = next(v for v in judge(spec, "predictions", scored(*columns)) if "drift" in v.check)
    assert [r["column"] for r in verdict.table if r["drifted"]] == ["visits"]


def test_the_table_lists_the_strongest_features_first() -> None:
    many = tuple(FeatureAlone(f"x{i}", "double", i / 100, "rank") for i in range(60))
    facts = replace(f.TRAINING, leakage=replace(f.LEAKAGE, features=many, rows=5, of_rows=9))
    verdict = next(
        v for v in judge(tiny.spec(), "training_set", facts) if "single_feature" in v.check
    )
    assert [r["feature"] for r in verdict.table] == [f"x{i}" for i in range(59, 39, -1)]
    assert "5 of 9 training rows, chosen by the hash of their keys" in verdict.message


def test_a_label_that_is_not_learned_has_only_the_checks_by_name() -> None:
    spec = tiny.spec(
        model_type="anomaly_detection",
        estimator={"class": "sklearn.ensemble.IsolationForest", "params": {}},
        gates={"anomaly_share": {"max": 0.5}},
    )
    have = [
        r.check
        for asset in ("training_set", "trained_model")
        for r in checks_for(spec, asset)
        if r.rule == "ML-06"
    ]
    assert have == [
        "ml06_label_not_in_features",
        "ml06_keys_in_features",
        "ml06_time_overlap",
        "ml06_future_feature",
    ]


def test_a_copy_of_the_label_is_one_finding_not_two() -> None:
    facts = training(copies="one value for each class", power=1.0)
    verdicts = {v.check: v for v in judge(tiny.spec(), "training_set", facts)}
    assert [c for c, v in verdicts.items() if not v.passed] == ["ml06_label_copy"]
    assert "left to ml06_label_copy: amount" in verdicts["ml06_single_feature_power"].message
