"""Predictions: complete, of the declared type, and made by the champion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_assets.rules.rule import Finding, Rule, listed

if TYPE_CHECKING:
    from ml_assets.rules.facts import PredictionFacts
    from ml_assets.spec.model import ModelSpec


def complete(_: ModelSpec, __: str, facts: PredictionFacts) -> Finding:
    """Compare the predictions with the keys to score: their number, which keys, and nulls."""
    complete = facts.rows == facts.expected_rows and facts.same_keys and not facts.repeated_keys
    return Finding(
        passed=complete and not facts.null_predictions and facts.rows > 0,
        message=f"{facts.rows} predictions for {facts.expected_rows} keys to score, {'the same' if facts.same_keys else 'other'} keys, {facts.repeated_keys} of them repeated, {facts.null_predictions} null; expected one for each key, none repeated, none null.",
        fix="return each key and as-of time once from scoring.keys, and materialize predictions again",
        numbers={
            "rows": facts.rows,
            "expected_rows": facts.expected_rows,
            "same_keys": facts.same_keys,
            "repeated_keys": facts.repeated_keys,
            "null_predictions": facts.null_predictions,
        },
    )


def schema(spec: ModelSpec, _: str, facts: PredictionFacts) -> Finding:
    """Look at the type and the values of the predictions."""
    expected = {"long": "bigint", "double": "double"}[spec.output_type]
    if spec.kind.predicted_classes is None:
        return _finite(facts, expected)
    allowed = {str(c) for c in spec.kind.predicted_classes}
    unexpected = [v for v in facts.values if v not in allowed]
    return Finding(
        passed=facts.type == expected and not unexpected,
        message=f"predictions are {facts.type} with values {listed(facts.values)}; expected {expected} with values 0, 1.",
        fix="train again with 0/1 integer labels; the model returns something else than its declared classes",
        numbers={"type": facts.type, "unexpected_values": len(unexpected)},
        table=tuple({"prediction": v, "rows": n} for v, n in facts.values.items()),
    )


def _finite(facts: PredictionFacts, expected: str) -> Finding:
    found = facts.spread
    bad = found.nans + found.infs if found else 0
    between = f" from {found.lowest:g} to {found.highest:g}" if found and found.finite else ""
    return Finding(
        passed=facts.type == expected and found is not None and not bad,
        message=f"predictions are {facts.type}{between} with {bad} NaN or infinite values; expected {expected}, all finite.",
        fix="look at the features of the rows without a finite prediction (ml03 checks) and at estimator.params, and train again",
        numbers={
            "type": facts.type,
            "not_finite": bad,
            "lowest": found.lowest if found else None,
            "mean": found.mean if found else None,
            "highest": found.highest if found else None,
        },
    )


def from_champion(_: ModelSpec, __: str, facts: PredictionFacts) -> Finding:
    """Compare the version on each row with the champion alias."""
    expected = str(facts.champion)
    others = {v: n for v, n in facts.versions.items() if v != expected}
    return Finding(
        passed=facts.champion is not None and not others and bool(facts.versions),
        message=f"rows by model version: {listed(f'{v}: {n}' for v, n in facts.versions.items())}; the champion is version {facts.champion}; expected only it.",
        fix="materialize predictions again: they were made by another version than today's champion",
        numbers={"champion": facts.champion, "rows_of_other_versions": sum(others.values())},
    )


RULES = (
    Rule(
        "predictions_complete",
        "predictions",
        "predictions",
        "error",
        "One prediction for each key to score, none null",
        complete,
    ),
    Rule(
        "predictions_schema",
        "predictions",
        "predictions",
        "error",
        "Predictions have the output type and only declared classes, or are finite numbers",
        schema,
    ),
    Rule(
        "predictions_from_champion",
        "predictions",
        "predictions",
        "error",
        "Every row carries the champion's version",
        from_champion,
    ),
)
