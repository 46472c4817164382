"""ML-06: the outcome does not leak into the features by value, nor past the labels into the model."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ml_assets.rules.rule import Finding, Rule, listed

if TYPE_CHECKING:
    from ml_assets.rules.facts import FeatureAlone, LeakageFacts, ModelFacts, TrainingSetFacts
    from ml_assets.rules.verdict import Rows
    from ml_assets.spec.model import ModelSpec

#: Rows of a verdict's table: the strongest features.
SHOWN = 20
#: How many standard errors a measurement may be off by chance.
ERRORS = 3.0
_MEANING = {
    "roc_auc": "ROC AUC",
    "roc_auc_ovr": "ROC AUC, mean over the classes",
    "r2": "R²",
}


def learns_label(spec: ModelSpec) -> bool:
    """Whether there is a label that could leak into the model."""
    return spec.kind.learns_label


def label_copy(spec: ModelSpec, _: str, facts: TrainingSetFacts) -> Finding:
    """Look for features whose values repeat the label's."""
    found = facts.leakage
    if found is None or found.unmeasured:
        return _not_measured(found)
    copies = [f for f in found.features if f.copies]
    shown = [f"{f.name} ({f.copies})" for f in copies]
    return Finding(
        passed=not copies,
        message=f"{len(copies)} of {len(found.features)} features repeat {spec.label.name}: {listed(shown)}; expected none; {_looked_at(found)}.",
        fix=f"remove {listed(f.name for f in copies)} from the feature tables, and declare the columns it comes from under label.label_sources",
        numbers={**_sizes(found), "copies": len(copies)},
        table=tuple({"feature": f.name, "repeats the label by": f.copies} for f in copies),
    )


def single_feature_power(spec: ModelSpec, _: str, facts: TrainingSetFacts) -> Finding:
    """Hold the power of each feature alone against both thresholds; copies are ml06_label_copy's."""
    found, limits = facts.leakage, spec.thresholds
    if found is None or found.unmeasured:
        return _not_measured(found)
    copies = [f.name for f in found.features if f.copies]
    known = (f for f in found.features if _measured(f) and not f.copies)
    measured = sorted(known, key=lambda f: -(f.power or 0.0))
    left = f"; left to ml06_label_copy: {listed(copies)}" if copies else ""
    unmeasured = [f.name for f in found.features if not _measured(f)]
    strong = [f for f in measured if (f.power or 0.0) >= limits.feature_power_warn]
    blocking = [f for f in strong if (f.power or 0.0) >= limits.feature_power]
    graded = bool(strong) and not blocking and not unmeasured
    metric = _MEANING.get(found.metric, found.metric)
    strongest = f"{measured[0].name} {measured[0].power:.4f}" if measured else "none"
    return Finding(
        passed=not strong and not unmeasured,
        message=f"strongest feature alone: {strongest} ({metric}); expected below {limits.feature_power} (blocks) and {limits.feature_power_warn} (warns); at or above: {listed(_shown(f) for f in strong)}; not measured: {listed(unmeasured)}{left}; {_looked_at(found)}.",
        fix=_power_fix(strong, unmeasured),
        numbers={
            **_sizes(found),
            "strongest": measured[0].power if measured else None,
            "at_or_above_block": len(blocking),
            "at_or_above_warn": len(strong),
        },
        table=_power_table(measured, found.metric),
        severity="warn" if graded else None,
        blocking=False if graded else None,
    )


def _measured(feature: FeatureAlone) -> bool:
    """Whether there is a power; NaN is below every threshold and would pass."""
    return feature.power is not None and math.isfinite(feature.power)


def _power_fix(strong: list[FeatureAlone], unmeasured: list[str]) -> str:
    if not strong:
        return f"give {listed(unmeasured)} a type that models take: a number, a boolean or a string"
    names = listed(f.name for f in strong)
    return f"ask how {names} can be known at the as-of time; remove what is written with or after the outcome; where it is known in time, raise thresholds.feature_power (or feature_power_warn) and say why"


def _power_table(measured: list[FeatureAlone], metric: str) -> Rows:
    return tuple(
        {"feature": f.name, metric: round(f.power or 0.0, 6), "found by": f.by, "type": f.type}
        for f in measured[:SHOWN]
    )


def _shown(feature: FeatureAlone) -> str:
    return f"{feature.name} {feature.power:.4f} by {feature.by}"


def _not_measured(found: LeakageFacts | None) -> Finding:
    why = found.unmeasured if found else "the training set was not sampled"
    return Finding(
        passed=False,
        message=f"Could not be measured: {why}; expected training rows with labels that vary.",
        fix="look at the checks of labels (ml05), then materialize training_set again",
        numbers=_sizes(found) if found else {},
    )


def _looked_at(found: LeakageFacts) -> str:
    how = "" if found.rows == found.of_rows else ", chosen by the hash of their keys"
    return f"looked at {found.rows} of {found.of_rows} training rows{how}"


def _sizes(found: LeakageFacts) -> dict[str, int]:
    return {"rows": found.rows, "of_rows": found.of_rows, "features": len(found.features)}


def too_good(spec: ModelSpec, _: str, facts: ModelFacts) -> Finding:
    """Compare the holdout metric with what is plausible."""
    metric, limit = spec.kind.leak_metric, spec.thresholds.too_good
    value = facts.metrics.get(f"holdout_{metric}")
    shown = "not measured" if value is None else f"{value:.4f}"
    return Finding(
        passed=value is not None and value <= limit,
        message=f"holdout {metric} is {shown}; expected at most {limit}: better is implausible.",
        fix=_too_good_fix(metric)
        if value is None
        else "look for the outcome among the features (the table of ml06_single_feature_power, the split, and when each feature is known) before you believe it; where the task is that easy, raise thresholds.too_good",
        numbers={f"holdout_{metric}": value, "limit": limit},
    )


def _too_good_fix(metric: str) -> str:
    return f"the holdout does not define {metric} (the run's tag ml_assets.not_measured_{metric} says what it lacks): take more history, or a larger split.holdout"


def shuffled_label_control(spec: ModelSpec, _: str, facts: ModelFacts) -> Finding:
    """Compare models that were trained on shuffled labels with chance.

    ROC AUC may be off in either direction; R² only above 0: below it is what noise gives.
    """
    metric, tolerance = spec.kind.leak_metric, spec.thresholds.shuffled_label_tolerance
    chance = 0.0 if metric == "r2" else 0.5
    value, error = (facts.metrics.get(f"control_{name}") for name in (metric, "standard_error"))
    if value is None or error is None:
        return Finding(
            passed=False,
            message="The control was not measured: the run has no control_ metrics; its tag ml_assets.control_error says why when it failed.",
            fix="train again; where the estimator cannot be fitted on shuffled labels, look at the run's tags",
        )
    allowed = tolerance + ERRORS * error
    away = value - chance if metric == "r2" else abs(value - chance)
    return Finding(
        passed=away <= allowed,
        message=f"{spec.estimator_class} trained on shuffled labels has a holdout {metric} of {value:.4f}; expected {chance} within {allowed:.4f} ({tolerance} and {ERRORS:g} standard errors of {error:.4f}).",
        fix="find out how the estimator knows the labels of the holdout other than by the labels it is given: a look at the label's tables, a feature store call, state kept from an earlier fit, or rules that are written into it",
        numbers={
            f"control_{metric}": value,
            "chance": chance,
            "allowed_distance": allowed,
            "train_rows": facts.metrics.get("control_train_rows"),
            "holdout_rows": facts.metrics.get("control_holdout_rows"),
            "fits": facts.metrics.get("control_fits"),
        },
    )


RULES = (
    Rule(
        "ml06_label_copy",
        "ML-06",
        "training_set",
        "error",
        "No feature repeats the label's values under another name",
        label_copy,
        applies=learns_label,
    ),
    Rule(
        "ml06_single_feature_power",
        "ML-06",
        "training_set",
        "error",
        "No feature tells the label almost perfectly by itself",
        single_feature_power,
        applies=learns_label,
    ),
    Rule(
        "ml06_too_good",
        "ML-06",
        "trained_model",
        "warn",
        "The holdout metric is not implausibly high",
        too_good,
        applies=learns_label,
    ),
    Rule(
        "ml06_shuffled_label_control",
        "ML-06",
        "trained_model",
        "warn",
        "The estimator is near chance when it is trained on shuffled labels",
        shuffled_label_control,
        applies=learns_label,
    ),
)
