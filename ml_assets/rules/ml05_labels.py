"""ML-05: labels are what the model type needs, and vary where it learns and where it is judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_assets.rules.rule import Finding, Rule, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml_assets.rules.facts import LabelFacts, Spread
    from ml_assets.spec.model import ModelSpec

INTEGERS = frozenset({"tinyint", "smallint", "int", "bigint"})


def binary_labels(spec: ModelSpec, _: str, facts: LabelFacts) -> Finding:
    """Look at the label's type, its nulls and its values."""
    classes = spec.kind.label_classes
    return _numbers(spec, facts) if classes is None else _classes(spec, facts, classes)


def not_single_class(spec: ModelSpec, _: str, facts: LabelFacts) -> Finding:
    """Look whether the label varies in all rows, in train and in holdout."""
    return _varying(spec, facts) if spec.kind.label_classes is None else _two_classes(spec, facts)


def _classes(spec: ModelSpec, facts: LabelFacts, classes: Sequence[int]) -> Finding:
    allowed = {str(c) for c in classes}
    unexpected = [v for v in facts.values if v not in allowed]
    passed = facts.type in INTEGERS and not facts.nulls and not unexpected and facts.rows > 0
    return Finding(
        passed=passed,
        message=f"label {spec.label.name} is {facts.type} with {facts.nulls} nulls in {facts.rows} rows, values seen: {listed(facts.values)}; expected integers 0 and 1, never null.",
        fix=f"declare label.threshold, so that {spec.label.name} is 1 where {spec.label.column} is above it, and drop rows whose outcome is not known",
        numbers={
            "rows": facts.rows,
            "nulls": facts.nulls,
            "type": facts.type,
            "unexpected_values": len(unexpected),
        },
        table=tuple({"value": v, "rows": n} for v, n in facts.values.items()),
    )


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
    shown = "; ".join(
        f"{name}: {', '.join(f'{n} of class {v}' for v, n in values.items()) or 'no rows'}"
        for name, values in parts.items()
    )
    return Finding(
        passed=not single,
        message=f"{shown}; expected two classes in each; single class in: {listed(single)}.",
        fix=f"look at the data of {listed(single)}: choose another label.threshold, more history or another split.holdout; until then {_consequence(spec)}",
        numbers={f"{name}_classes": len(values) for name, values in parts.items()},
        table=tuple(
            {"part": name, "class": v, "rows": n}
            for name, values in parts.items()
            for v, n in values.items()
        ),
    )


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


RULES = (
    Rule(
        "ml05_binary_labels",
        "ML-05",
        "labels",
        "error",
        "A classifier's label is an integer 0 or 1, a regressor's a finite number; never null",
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
    ),
)
