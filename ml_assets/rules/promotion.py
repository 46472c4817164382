"""Promotion: what a version must show before the champion alias may point to it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ml_assets.rules.against_champion import beats_champion, unless_forced
from ml_assets.rules.rule import Finding, Rule, listed
from ml_assets.spec.model_types import METRICS

if TYPE_CHECKING:
    from ml_assets.rules.facts import VersionFacts
    from ml_assets.rules.verdict import Scalar
    from ml_assets.spec.model import ModelSpec
    from ml_assets.spec.model_types import Metric
    from ml_assets.spec.promotion import Gate


def absolute(spec: ModelSpec, _: str, facts: VersionFacts) -> Finding:
    """Hold every gate of the spec against the holdout metrics."""
    failures = {
        metric: why for metric, gate in spec.gates.items() if (why := _failure(metric, gate, facts))
    }
    finding = Finding(
        passed=not failures,
        message=f"{len(spec.gates) - len(failures)} of {len(spec.gates)} gates hold on the holdout: {listed(_shown(m, g, facts) for m, g in spec.gates.items())}. {' '.join(failures.values())}".strip(),
        fix=f"the champion alias was not moved; improve the model or, with a reason, change gates.{listed(failures)}",
        numbers={
            **{f"holdout_{k}": v for k, v in facts.metrics.items()},
            **{f"baseline_{k}": v for k, v in facts.baseline.items()},
        },
        table=tuple(
            {
                "metric": m,
                "holdout": facts.metrics.get(m),
                "baseline": facts.baseline.get(m),
                "gate": _condition(g),
                "holds": m not in failures,
            }
            for m, g in spec.gates.items()
        ),
    )
    return unless_forced(finding, facts)


def _failure(metric: Metric, gate: Gate, facts: VersionFacts) -> str:
    value = facts.metrics.get(metric, math.nan)
    base = facts.baseline.get(metric, math.nan)
    if not math.isfinite(value):
        return f"{metric} was not measured."
    if gate.min is not None and value < gate.min:
        return f"{metric} {value:.4f} is below {gate.min}."
    if gate.max is not None and value > gate.max:
        return f"{metric} {value:.4f} is above {gate.max}."
    better = value < base if METRICS[metric].smaller_is_better else value > base
    if gate.beat_baseline and not better:
        return f"{metric} {value:.4f} is not better than the baseline's {base:.4f}."
    return ""


def _condition(gate: Gate) -> str:
    parts = [f">= {gate.min}"] if gate.min is not None else []
    parts += [f"<= {gate.max}"] if gate.max is not None else []
    parts += ["better than baseline"] if gate.beat_baseline else []
    return ", ".join(parts)


def _shown(metric: str, gate: Gate, facts: VersionFacts) -> str:
    return f"{metric} {facts.metrics.get(metric, math.nan):.4f} ({_condition(gate)})"


def compare_and_set(_: ModelSpec, __: str, facts: VersionFacts) -> Finding:
    """Look whether the champion is still the one that was compared with."""
    now = "no version" if facts.champion is None else f"version {facts.champion}"
    if facts.overtaken:
        return Finding(
            passed=False,
            message=f"the champion changed after the comparison: it is {now} now, and stays.",
            fix="materialize model_version again: it compares with that version",
            numbers={"champion": facts.champion},
        )
    return Finding(
        passed=True,
        message=f"the champion is {now}; nobody else moved the alias.",
        numbers={"champion": facts.champion},
    )


def rollback_target(spec: ModelSpec, _: str, facts: VersionFacts) -> Finding:
    """Look for the version that a rollback would restore."""
    target, champion = facts.rollback_to, facts.champion
    numbers: dict[str, Scalar] = {"champion": champion, "rollback_to": target or None}
    if champion is None or target == 0:
        said = (
            "there is no champion yet"
            if champion is None
            else f"version {champion} is the first champion"
        )
        return Finding(passed=True, message=f"{said}: nothing to roll back to.", numbers=numbers)
    if target is not None and not facts.rollback_trouble:
        return Finding(
            passed=True,
            message=f"ml-assets rollback {spec.name} restores version {target}.",
            numbers=numbers,
        )
    missing = (
        f"version {champion} does not say which champion was before it: its alias was set by hand"
        if target is None
        else f"version {target}, the champion before version {champion}, {facts.rollback_trouble}"
    )
    return Finding(
        passed=False,
        message=f"{missing}.",
        fix=f"move the alias with ml-assets promote {spec.name} --version … --reason …, which records it",
        numbers=numbers,
    )


RULES = (
    Rule(
        "promotion_absolute",
        "promotion",
        "model_version",
        "error",
        "Every gate of the spec holds on the holdout",
        absolute,
    ),
    Rule(
        "promotion_beats_champion",
        "promotion",
        "model_version",
        "error",
        "Not worse than the champion by more than the margin, on the same holdout rows",
        beats_champion,
    ),
    Rule(
        "promotion_compare_and_set",
        "promotion",
        "model_version",
        "error",
        "The champion has not changed since it was compared with",
        compare_and_set,
    ),
    Rule(
        "promotion_rollback_target",
        "promotion",
        "model_version",
        "warn",
        "The previous champion is recorded, so that a rollback can restore it",
        rollback_target,
    ),
)
