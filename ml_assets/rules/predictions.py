"""Predictions: complete, of the declared type, and made by the champion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_assets.rules.predicted import predicted_values
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
    """Look at the type and the values of the predictions, and at the names beside classes."""
    expected = {"long": "bigint", "double": "double"}[spec.output_type]
    values = predicted_values(spec, facts.values, facts.spread)
    misnamed = _misnamed(spec, facts)
    named = f" Misnamed classes: {listed(misnamed)}." if misnamed else ""
    measured = spec.predicted_classes is not None or facts.spread is not None
    return Finding(
        passed=facts.type == expected and measured and not values.bad and not misnamed,
        message=f"predictions are {facts.type}{values.found}; expected {expected}{values.expected}.{named}",
        fix=f"train again, and look at estimator.params and at the features (ml03 checks): the model returns something else than a model of type {spec.model_type} may",
        numbers={"type": facts.type, "unexpected_values": values.bad, **_range(facts)},
        table=tuple({"prediction": v, "rows": n} for v, n in facts.values.items()),
    )


def _range(facts: PredictionFacts) -> dict[str, float | None]:
    found = facts.spread
    if found is None:
        return {}
    return {"lowest": found.lowest, "mean": found.mean, "highest": found.highest}


def _misnamed(spec: ModelSpec, facts: PredictionFacts) -> list[str]:
    """Codes that are stored beside another name than the declared one."""
    declared = {str(i): (name,) for i, name in enumerate(spec.class_names)}
    return [
        f"{code} as {listed(repr(n) for n in facts.names.get(code, ()))}, declared {names[0]!r}"
        for code, names in declared.items()
        if code in facts.values and facts.names.get(code, ()) != names
    ]


def from_champion(_: ModelSpec, __: str, facts: PredictionFacts) -> Finding:
    """Compare the version on each row with the champion alias."""
    expected = str(facts.champion)
    versions = dict(facts.versions)
    if (unnamed := facts.rows - sum(versions.values())) > 0:
        versions["none"] = unnamed
    others = {v: n for v, n in versions.items() if v != expected}
    return Finding(
        passed=facts.champion is not None and not others and bool(versions),
        message=f"rows by model version: {listed(f'{v}: {n}' for v, n in versions.items())}; the champion is version {facts.champion}; expected only it.",
        fix="materialize predictions again: they were made by another version than today's champion",
        numbers={"champion": facts.champion, "rows_of_other_versions": sum(others.values())},
    )


def drift(spec: ModelSpec, _: str, facts: PredictionFacts) -> Finding:
    """Hold the PSI of each feature and of the scores against what is allowed, usual, or chance."""
    found, limit = facts.drift, spec.thresholds.drift
    why = found.unmeasured if found else "the predictions were not compared"
    limits = {n: c.max_drift or limit for t in spec.feature_tables for n, c in t.columns.items()}
    columns = sorted(found.columns if found else (), key=lambda c: -c.psi)
    moved = [c for c in columns if c.psi > max(limits.get(c.name, limit), c.by_chance, c.usual)]
    largest = f"{columns[0].name} {columns[0].psi:.3f}" if columns else "none"
    rows, reference = (found.rows, found.reference_rows) if found else (0, 0)
    return Finding(
        passed=not moved and not why,
        message=f"{len(moved)} of {len(columns)} columns drifted: {listed(f'{c.name} {c.psi:.3f} ({c.moved})' for c in moved)}; largest PSI: {largest}; expected at most {limit} (or the column's max_drift), or what chance or the training set's own windows of that length give; not measured: {why or 'none'}; {rows} scored keys beside {reference} training rows.",
        fix=_drift_fix([c.name for c in moved], found.fix if found else ""),
        numbers={
            "largest_psi": columns[0].psi if columns else None,
            "drifted": len(moved),
            "columns": len(columns),
            "scored_rows": rows,
            "training_rows": reference,
        },
        table=tuple(
            {
                "column": c.name,
                "psi": round(c.psi, 4),
                "allowed": limits.get(c.name, limit),
                "by chance": round(c.by_chance, 4),
                "usual": round(c.usual, 4),
                "moved most": c.moved,
                "drifted": c in moved,
            }
            for c in columns
        ),
    )


def _drift_fix(moved: list[str], known: str) -> str:
    if moved:
        return f"look at the sources of {listed(moved)}: a change of unit, a default that fills more than before, keys that are not found; when the world has changed, train again on newer rows; where a column follows the calendar, declare its max_drift"
    reference = "the reference is stored with the model's run"
    return known or f"materialize trained_model and model_version: {reference}"


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
        "Predictions have the output type, and only declared classes or finite numbers in their range",
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
    Rule(
        "predictions_drift",
        "predictions",
        "predictions",
        "warn",
        "Features and scores are spread as in the training set (PSI)",
        drift,
    ),
)
