"""Promotion: what a version must show before the champion alias may point to it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ml_assets.rules.rule import Finding, Rule, listed
from ml_assets.spec.model_types import METRICS

if TYPE_CHECKING:
    from ml_assets.rules.facts import VersionFacts
    from ml_assets.spec.model import Gate, ModelSpec
    from ml_assets.spec.model_types import Metric


def absolute(spec: ModelSpec, _: str, facts: VersionFacts) -> Finding:
    """Hold every gate of the spec against the holdout metrics."""
    failures = {
        metric: why for metric, gate in spec.gates.items() if (why := _failure(metric, gate, facts))
    }
    return Finding(
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


RULES = (
    Rule(
        "promotion_absolute",
        "promotion",
        "model_version",
        "error",
        "Every gate of the spec holds on the holdout",
        absolute,
    ),
)
