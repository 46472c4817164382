"""Each rule on plain values: green on good facts; red, alone and with its numbers, on a spoiled one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from ml_assets.rules.facts import ChampionLabels, ColumnFacts, LookupFacts
from ml_assets.rules.registry import RULES, judge
from ml_assets.spec.catalog import TableInfo, describe
from ml_assets_tests import tiny
from ml_assets_tests.rules import facts_of as f
from ml_assets_tests.rules import test_ml06


def columns(**counts: int) -> tuple[ColumnFacts, ...]:
    return (replace(f.COLUMNS[0], **counts), *f.COLUMNS[1:])


def training(name: str) -> Any:
    return replace(f.TRAINING, columns=(*f.TRAINING.columns, ColumnFacts(name, "double")))


def lookups(**first: Any) -> tuple[LookupFacts, ...]:
    return (replace(f.TRAINING.lookups[0], **first), f.TRAINING.lookups[1])


def replay(**values: Any) -> Any:
    return replace(f.VERSION, replay=replace(f.VERSION.replay, **values))


def package(**values: Any) -> Any:
    return replace(f.MODEL, package=replace(f.PACKAGE, **values))


SPOILED: list[tuple[str, Any, str, list[str]]] = [
    ("features/activity", replace(f.FEATURES, table=replace(f.ACTIVITY, primary_keys=("city",))), "ml01_table_registered", ["['city']", "['customer']"]),
    ("features/activity", replace(f.FEATURES, table=replace(f.ACTIVITY, event_time=None)), "ml01_table_registered", ["event time None", "known_at"]),
    ("features/activity", replace(f.FEATURES, table=replace(f.ACTIVITY, exists=False)), "ml01_table_registered", ["no such table"]),
    ("features/activity", replace(f.FEATURES, duplicate_keys=4, examples={"ml01_primary_key_unique": ("customer=c1",)}), "ml01_primary_key_unique", ["4 repeated", "100 rows", "customer=c1"]),
    ("features/activity", replace(f.FEATURES, key_nulls={"customer": 2, "known_at": 0}), "ml01_primary_key_unique", ["2 null keys"]),
    ("features/activity", replace(f.FEATURES, table=replace(f.ACTIVITY, description="")), "ml01_documented", ["business, technical"]),
    ("features/activity", replace(f.FEATURES, table=replace(f.ACTIVITY, description=describe("Why.", ""))), "ml01_documented", ["missing: technical"]),
    ("features/activity", replace(f.FEATURES, table=replace(f.ACTIVITY, tags={"domain": "shop"})), "ml01_documented", ["tags.model"]),
    ("features/activity", replace(f.FEATURES, columns=columns(nans=7)), "ml03_no_nan", ["amount 7 (7.0%)", "columns.amount"]),
    ("features/activity", replace(f.FEATURES, columns=columns(infs=1)), "ml03_no_inf", ["amount 1 (1.0%)"]),
    ("features/activity", replace(f.FEATURES, columns=columns(nulls=100)), "ml03_no_null", ["amount 100 (100.0%)"]),
    ("features/activity", replace(f.FEATURES, before=replace(f.FEATURES.before, rows=10)), "ml01_row_count", ["100 rows, +900.0%", "the 10 of version 1", "50%"]),
    ("features/activity", replace(f.FEATURES, sources=(replace(f.FEATURES.sources[0], used=3),)), "ml01_fresh", ["shop.raw.visits version 3 (its rows are of version 4)", "shop.raw.visits changed"]),
    ("features/activity", replace(f.FEATURES, before=replace(f.FEATURES.before, columns={**f.FEATURES.before.columns, "age": "int", "visits": "int"})), "ml01_schema_stable", ["age (int) is gone, visits was int and is bigint"]),
    ("features/activity", replace(f.FEATURES, columns=columns(repaired=80)), "ml03_repaired_share", ["amount 80.0% (usual up to 50%)", "max_repaired"]),
    ("features/activity", replace(f.FEATURES, columns=columns(constant=True)), "ml03_constant_column", ["1 of 3 feature columns", "amount"]),
    ("labels", replace(f.LABELS, values={"0": 995, "1": 5}), "ml05_minority_share", ["1 0.50%, 0 99.50%", "thresholds.minority_share"]),
    ("labels", replace(f.LABELS, champion=ChampionLabels(3, "0", {"0": 0.9, "1": 0.1})), "ml05_base_rate_shift", ["version 3", "by 0.329", "class 0 90.00%, now 57.14%"]),
    ("labels", replace(f.LABELS, open_rows=2, examples={"ml05_label_horizon_closed": ("customer=c1",)}), "ml05_label_horizon_closed", ["2 of 100 rows", "2024-01-13 00:00:00 UTC (visits.day)", "customer=c1"]),
    ("labels", replace(f.LABELS, type="double"), "ml05_binary_labels", ["is double", "label.threshold"]),
    ("labels", replace(f.LABELS, nulls=3), "ml05_binary_labels", ["3 nulls"]),
    ("labels", replace(f.LABELS, values={"0": 60, "1": 30, "2": 10}), "ml05_binary_labels", ["0, 1, 2"]),
    ("labels", replace(f.LABELS, values={"0": 100}, train_values={"0": 70}, holdout_values={"0": 30}), "ml05_not_single_class", ["single class in: all, train, holdout"]),
    ("labels", replace(f.LABELS, holdout_values={"1": 30}), "ml05_not_single_class", ["single class in: holdout", "30 of class 1"]),
    ("labels", replace(f.LABELS, holdout_values={}), "ml05_not_single_class", ["holdout: no rows"]),
    ("training_set", training("spends"), "ml06_label_not_in_features", ["spends"]),
    ("training_set", training("SPENT"), "ml06_label_not_in_features", ["SPENT"]),
    ("training_set", training("Customer"), "ml06_keys_in_features", ["Customer"]),
    ("training_set", training("known_at"), "ml06_keys_in_features", ["known_at"]),
    ("training_set", replace(f.TRAINING, first_holdout=datetime(2024, 1, 10, 12, tzinfo=UTC)), "ml06_time_overlap", ["12:00:00", "1 day"]),
    ("training_set", replace(f.TRAINING, last_train=None), "ml06_time_overlap", ["last training row None"]),
    ("training_set", replace(f.TRAINING, lookups=lookups(max_lead_seconds=60.0, rows_from_future=5)), "ml06_future_feature", ["5 of 100", "activity"]),
    ("training_set", replace(f.TRAINING, lookups=lookups(matched=90)), "ml03_lookup_coverage", ["activity 90.00% (floor 95%)"]),
    ("training_set", replace(f.TRAINING, lookups=f.TRAINING.lookups[:1]), "ml03_lookup_coverage", ["not measured: profile"]),
    ("trained_model", package(outputs=()), "ml02_output_schema", ["outputs []", "long"]),
    ("trained_model", package(outputs=("double",)), "ml02_output_schema", ["['double']"]),
    ("trained_model", package(signature_inputs=()), "ml02_output_schema", ["0 inputs"]),
    ("trained_model", package(inputs=f.PACKAGE.inputs[1:]), "ml02_inputs_match_features", ["missing: amount"]),
    ("trained_model", package(inputs=f.PACKAGE.inputs[::-1]), "ml02_inputs_match_features", ["same order: False"]),
    ("trained_model", replace(f.MODEL, predicted_type="double"), "ml02_prediction_dtype", ["returned double"]),
    ("trained_model", replace(f.MODEL, predicted_rows=0), "ml02_prediction_dtype", ["0 rows"]),
    ("trained_model", package(flavor=None), "ml02_flavor_recorded", ["flavor: none"]),
    ("trained_model", package(has_input_example=False), "ml02_input_example", ["False"]),
    ("trained_model", replace(f.MODEL, experiment="shop"), "ml04_experiment_names", ["'shop'", "/Shared/shop_ml_spender_development"]),
    ("model_version", replace(f.VERSION, experiment="x"), "ml04_experiment_names", ["_evaluation"]),
    ("model_version", replay(missing=1), "ml03_score_replay", ["1 lost"]),
    ("model_version", replay(null_predictions=2), "ml03_score_replay", ["2 null"]),
    ("model_version", replay(different=3, max_difference=1.0), "ml03_score_replay", ["3 different"]),
    ("model_version", replay(changed_features={"amount": 9}), "ml03_score_replay", ["amount in 9 rows"]),
    ("model_version", replay(rows=0), "ml03_score_replay", ["0 holdout keys"]),
    ("model_version", replace(f.VERSION, metrics={"roc_auc": 0.55}), "promotion_absolute", ["roc_auc 0.5500 is below 0.6"]),
    ("model_version", replace(f.VERSION, metrics={}), "promotion_absolute", ["roc_auc was not measured"]),
    ("model_version", replace(f.VERSION, metrics={"roc_auc": float("nan")}), "promotion_absolute", ["not measured"]),
    ("model_version", replace(f.VERSION, baseline={"roc_auc": 0.9}), "promotion_absolute", ["not better than the baseline's 0.9"]),
    ("predictions", replace(f.PREDICTIONS, experiment="x"), "ml04_experiment_names", ["_deployment"]),
    ("predictions", replace(f.PREDICTIONS, rows=39), "predictions_complete", ["39 predictions for 40 keys"]),
    ("predictions", replace(f.PREDICTIONS, null_predictions=1), "predictions_complete", ["1 null"]),
    ("predictions", replace(f.PREDICTIONS, same_keys=False), "predictions_complete", ["other keys"]),
    ("predictions", replace(f.PREDICTIONS, repeated_keys=2), "predictions_complete", ["2 of them repeated", "scoring.keys"]),
    ("predictions", replace(f.PREDICTIONS, type="double"), "predictions_schema", ["are double"]),
    ("predictions", replace(f.PREDICTIONS, values={"0": 39, "7": 1}), "predictions_schema", ["0, 7"]),
    ("predictions", replace(f.PREDICTIONS, versions={"2": 1, "3": 39}), "predictions_from_champion", ["2: 1, 3: 39"]),
    ("predictions", replace(f.PREDICTIONS, champion=None), "predictions_from_champion", ["version None"]),
    ("predictions", replace(f.PREDICTIONS, versions={"3": 39}), "predictions_from_champion", ["3: 39, none: 1"]),
    ("predictions", replace(f.PREDICTIONS, lookups=(LookupFacts("activity", 40, 3), f.PREDICTIONS.lookups[1])), "ml03_lookup_coverage", ["activity 7.50%"]),
    ("trained_model", replace(f.MODEL, run_tags={**f.MODEL.run_tags, "ml_assets.git_commit": ""}), "ml04_run_traceable", ["git commit", "ML_ASSETS_GIT_COMMIT"]),
    ("model_version", replace(f.VERSION, run_tags=f.run_tags()), "ml04_run_traceable", ["Delta version of shop.training.spender"]),
    ("predictions", replace(f.PREDICTIONS, run_tags={}), "ml04_run_traceable", ["git commit, spec hash, Dagster run id, Delta version of shop.features.activity", "shop.raw.visits"]),
    ("model_version", replace(f.VERSION, champion=3, rollback_to=0, comparison=replace(f.COMPARISON, differences={"roc_auc": replace(f.COMPARISON.differences["roc_auc"], low=-0.03)})), "promotion_beats_champion", ["champion (version 3)", "-0.0300 to +0.0100", "allowed is a loss of 0.0200", "--force"]),
    ("model_version", replace(f.VERSION, champion=3, rollback_to=0), "promotion_beats_champion", ["not compared with the champion, version 3"]),
    ("model_version", replace(f.VERSION, champion=3, rollback_to=0, overtaken=True, comparison=f.COMPARISON), "promotion_compare_and_set", ["changed after the comparison", "version 3"]),
    ("model_version", replace(f.VERSION, champion=1), "promotion_rollback_target", ["set by hand", "ml-assets promote shop/spender"]),
    ("model_version", replace(f.VERSION, champion=1, rollback_to=7, rollback_trouble="does not exist any more"), "promotion_rollback_target", ["version 7", "does not exist any more"]),
]  # fmt: skip


@pytest.mark.parametrize("asset", list(f.GOOD))
def test_good_facts_pass_every_rule(asset: str) -> None:
    verdicts = judge(tiny.spec(), asset, f.GOOD[asset])
    assert verdicts
    assert [v.message for v in verdicts if not v.passed] == []
    assert all(v.fix == "" for v in verdicts)


@pytest.mark.parametrize(
    ("asset", "facts", "check", "words"),
    SPOILED,
    ids=[f"{c}-{i}" for i, (_, _, c, _) in enumerate(SPOILED)],
)
def test_a_spoiled_fact_turns_exactly_its_check_red(
    asset: str, facts: Any, check: str, words: list[str]
) -> None:
    failed = [v for v in judge(tiny.spec(), asset, facts) if not v.passed]
    assert [v.check for v in failed] == [check]
    assert failed[0].fix
    text = f"{failed[0].message} {failed[0].fix}"
    assert [w for w in words if w not in text] == []


def test_a_lookup_without_evidence_is_red_in_both_rules_that_need_it() -> None:
    facts = replace(f.TRAINING, lookups=f.TRAINING.lookups[1:])
    failed = [v for v in judge(tiny.spec(), "training_set", facts) if not v.passed]
    assert [v.check for v in failed] == ["ml03_lookup_coverage", "ml06_future_feature"]
    assert all("not measured: activity" in v.message for v in failed)


def test_every_rule_is_spoiled_at_least_once() -> None:
    everywhere = [(asset, check) for asset, _, check, _ in SPOILED]
    everywhere += [(asset, check) for asset, _, check, _, _ in test_ml06.SPOILED]
    spoiled = {(asset.split("/")[0], check) for asset, check in everywhere}
    assert {(r.asset, r.check) for r in RULES} == spoiled


def test_missing_column_comments_warn_and_missing_descriptions_block() -> None:
    bare = tuple(replace(c, comment="") for c in f.ACTIVITY.columns)
    facts = replace(f.FEATURES, table=replace(f.ACTIVITY, columns=bare))
    (verdict,) = (v for v in judge(tiny.spec(), "features/activity", facts) if not v.passed)
    assert (verdict.severity, verdict.blocking, verdict.stops) == ("warn", False, False)
    assert "columns.amount.comment" in verdict.fix
    facts = replace(facts, table=TableInfo(**{**vars(facts.table), "tags": {}}))
    (verdict,) = (v for v in judge(tiny.spec(), "features/activity", facts) if not v.passed)
    assert (verdict.severity, verdict.stops) == ("error", True)


@pytest.mark.parametrize(("choice", "stops"), [("skip", False), ("fail", True)])
def test_a_single_class_skips_or_fails_as_declared(choice: str, *, stops: bool) -> None:
    facts = replace(f.LABELS, values={"1": 100}, train_values={"1": 70}, holdout_values={"1": 30})
    (verdict,) = (
        v for v in judge(tiny.spec(on_single_class=choice), "labels", facts) if not v.passed
    )
    assert (verdict.check, verdict.severity, verdict.stops) == (
        "ml05_not_single_class",
        "error",
        stops,
    )


@pytest.mark.parametrize(
    ("gate", "value", "baseline", "passed"),
    [
        ({"max": 0.5}, 0.5, 0.6, True),
        ({"max": 0.5}, 0.51, 0.6, False),
        ({"beat_baseline": True}, 0.59, 0.6, True),
        ({"beat_baseline": True}, 0.6, 0.6, False),
    ],
)
def test_gates_know_which_way_is_better(
    gate: dict[str, Any], value: float, baseline: float, *, passed: bool
) -> None:
    facts = replace(f.VERSION, metrics={"log_loss": value}, baseline={"log_loss": baseline})
    verdicts = judge(tiny.spec(gates={"log_loss": gate}), "model_version", facts)
    assert {v.check: v.passed for v in verdicts}["promotion_absolute"] is passed
