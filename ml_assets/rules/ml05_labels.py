"""ML-05: labels are what the model type needs, and vary where it learns and where it is judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_assets.rules.ml05_distribution import (
    base_rate_shift,
    horizon_closed,
    minority_share,
    named,
)
from ml_assets.rules.rule import Finding, Rule, listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ml_assets.rules.facts import LabelFacts, Spread
    from ml_assets.spec.model import ModelSpec

INTEGERS = frozenset({"tinyint", "smallint", "int", "bigint"})
_FEW = 4


def binary_labels(spec: ModelSpec, _: str, facts: LabelFacts) -> Finding:
    """Look at the label's type, its nulls and its values."""
    classes = spec.label_classes
    return _numbers(spec, facts) if classes is None else _classes(spec, facts, classes)


def not_single_class(spec: ModelSpec, _: str, facts: LabelFacts) -> Finding:
    """Look whether the label varies in all rows, in train and in holdout."""
    return _varying(spec, facts) if spec.label_classes is None else _two_classes(spec, facts)


def _classes(spec: ModelSpec, facts: LabelFacts, classes: Sequence[int]) -> Finding:
    allowed = {str(c) for c in classes}
    unexpected = [v for v in facts.values if v not in allowed]
    may_be_null = not spec.kind.learns_label
    passed = (
        facts.type in INTEGERS
        and (not facts.nulls or may_be_null)
        and not unexpected
        and not facts.unlisted_rows
        and facts.rows > 0
    )
    more = f" and others in {facts.unlisted_rows} more rows" if facts.unlisted_rows else ""
    wanted = (
        f"integers {listed(classes, 3)}" if len(classes) < _FEW else f"integers 0 to {classes[-1]}"
    )
    null = "null only where nobody knows" if may_be_null else "never null"
    return Finding(
        passed=passed,
        message=f"label {spec.label.name} is {facts.type} with {facts.nulls} nulls in {facts.rows} rows, values seen: {listed(facts.values)}{more}; expected {wanted}, {null}.",
        fix=_class_fix(spec),
        numbers={
            "rows": facts.rows,
            "nulls": facts.nulls,
            "type": facts.type,
            "unexpected_values": len(unexpected),
        },
        table=tuple({"value": v, "rows": n} for v, n in facts.values.items()),
    )


def _class_fix(spec: ModelSpec) -> str:
    label = spec.label
    if spec.kind.declared_classes:
        return f"materialize labels: it stores the place of {label.column} among label.classes; let {label.transform} drop rows whose outcome is not known"
    above, null = (
        ("-1", "")
        if not spec.kind.learns_label
        else ("1", ", and drop rows whose outcome is not known")
    )
    return f"declare label.threshold, so that {label.name} is {above} where {label.column} is above it{null}"


def _numbers(spec: ModelSpec, facts: LabelFacts) -> Finding:
    found = facts.spreads.get("all")
    unusable = facts.nulls + (found.nans + found.infs if found else 0)
    nans, infs = (found.nans, found.infs) if found else (0, 0)
    return Finding(
        passed=found is not None and not unusable and facts.rows > 0,
        message=f"label {spec.label.name} is {facts.type} with {facts.nulls} nulls, {nans} NaN and {infs} infinite values in {facts.rows} rows{_between(found)}; expected finite numbers, never null.",
        fix=f"let {spec.label.transform} return {spec.label.column} as a number, and drop rows whose outcome is not known or not finite",
        numbers={
            "rows": facts.rows,
            "nulls": facts.nulls,
            "nans": nans,
            "infs": infs,
            "type": facts.type,
        },
        table=_spread_table(facts),
    )


def _two_classes(spec: ModelSpec, facts: LabelFacts) -> Finding:
    parts = {"all": facts.values, "train": facts.train_values, "holdout": facts.holdout_values}
    single = [name for name, values in parts.items() if len([n for n in values.values() if n]) < 2]  # noqa: PLR2004
    shown = "; ".join(f"{name}: {_counted(spec, values)}" for name, values in parts.items())
    missing = _missing(spec, facts)
    absent = f"; declared classes missing from train: {listed(missing)}" if missing else ""
    return Finding(
        passed=not single and not missing,
        message=f"{shown}; expected two classes in each; single class in: {listed(single)}{absent}.",
        fix=_single_fix(spec, single, missing),
        numbers={f"{name}_classes": len(values) for name, values in parts.items()},
        table=tuple(
            {"part": name, "class": named(spec, v), "rows": n}
            for name, values in parts.items()
            for v, n in values.items()
        ),
    )


def _counted(spec: ModelSpec, values: Mapping[str, int]) -> str:
    counts = [f"{n} of class {named(spec, v)}" for v, n in values.items()]
    return listed(counts) if counts else "no rows"


def _missing(spec: ModelSpec, facts: LabelFacts) -> list[str]:
    """Declared classes that a model has no training row of: it can never predict them."""
    if not spec.kind.declared_classes:
        return []
    seen = facts.train_values
    return [named(spec, str(c)) for c in spec.label_classes or () if not seen.get(str(c))]


def _single_fix(spec: ModelSpec, single: Sequence[str], missing: Sequence[str]) -> str:
    if single:
        other = "" if spec.kind.declared_classes else "another label.threshold, "
        return f"look at the data of {listed(single)}: choose {other}more history or another split.holdout; until then {_consequence(spec)}"
    return f"a model cannot learn {listed(missing)}: take more history, or leave these out of label.classes; until then {_consequence(spec)}"


def _varying(spec: ModelSpec, facts: LabelFacts) -> Finding:
    parts = {name: facts.spreads.get(name) for name in ("all", "train", "holdout")}
    constant = [name for name, found in parts.items() if found is None or found.constant]
    shown = "; ".join(
        f"{name}: {found.finite if found else 0} numbers{_between(found)}"
        for name, found in parts.items()
    )
    return Finding(
        passed=not constant,
        message=f"{shown}; expected more than one value in each; constant in: {listed(constant)}.",
        fix=f"look at the data of {listed(constant)}: take another label.column, more history or another split.holdout; until then {_consequence(spec)}",
        numbers={f"{name}_numbers": found.finite if found else 0 for name, found in parts.items()},
        table=_spread_table(facts),
    )


def _between(found: Spread | None) -> str:
    if found is None or found.lowest is None:
        return ""
    return f" from {found.lowest:g} to {found.highest:g}"


def _spread_table(facts: LabelFacts) -> tuple[dict[str, str | float | None], ...]:
    return tuple(
        {
            "part": name,
            "numbers": found.finite,
            "lowest": found.lowest,
            "mean": found.mean,
            "highest": found.highest,
        }
        for name, found in facts.spreads.items()
    )


def _consequence(spec: ModelSpec) -> str:
    return "training is skipped" if spec.on_single_class == "skip" else "the run fails"


def _learns(spec: ModelSpec) -> bool:
    return spec.kind.learns_label


def _learns_classes(spec: ModelSpec) -> bool:
    """Anomalies are rare by their nature, and numbers have no classes."""
    return spec.kind.learns_label and spec.label_classes is not None


RULES = (
    Rule(
        "ml05_binary_labels",
        "ML-05",
        "labels",
        "error",
        "A class is one of the model type's integers, a regressor's label a finite number; never null",
        binary_labels,
    ),
    Rule(
        "ml05_not_single_class",
        "ML-05",
        "labels",
        "error",
        "The label varies in all rows, in train and in holdout: both classes, or several numbers",
        not_single_class,
        skips=True,
        applies=_learns,
    ),
    Rule(
        "ml05_minority_share",
        "ML-05",
        "labels",
        "warn",
        "No class is rarer than is usual",
        minority_share,
        applies=_learns_classes,
    ),
    Rule(
        "ml05_base_rate_shift",
        "ML-05",
        "labels",
        "warn",
        "The training labels are distributed like those of the champion",
        base_rate_shift,
        applies=_learns,
    ),
    Rule(
        "ml05_label_horizon_closed",
        "ML-05",
        "labels",
        "error",
        "No row has an outcome that lies after the end of the data",
        horizon_closed,
    ),
)
