"""Predictions: complete, of the declared type, and made by the champion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_assets.rules.ml05_labels import CLASSES
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
    unexpected = [v for v in facts.values if v not in CLASSES]
    return Finding(
        passed=facts.type == expected and not unexpected,
        message=f"predictions are {facts.type} with values {listed(facts.values)}; expected {expected} with values 0, 1.",
        fix="train again with 0/1 integer labels; the model returns something else than its declared classes",
        numbers={"type": facts.type, "unexpected_values": len(unexpected)},
        table=tuple({"prediction": v, "rows": n} for v, n in facts.values.items()),
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
        "Predictions have the output type and only declared values",
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
