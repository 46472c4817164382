"""ML-05: labels are 0/1 integers, and both classes are there to learn from and to judge by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_assets.rules.rule import Finding, Rule, listed

if TYPE_CHECKING:
    from ml_assets.rules.facts import LabelFacts
    from ml_assets.spec.model import ModelSpec

INTEGERS = frozenset({"tinyint", "smallint", "int", "bigint"})
CLASSES = frozenset({"0", "1"})


def binary_labels(spec: ModelSpec, _: str, facts: LabelFacts) -> Finding:
    """Look at the label's type, its nulls and its values."""
    unexpected = [v for v in facts.values if v not in CLASSES]
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


def not_single_class(spec: ModelSpec, _: str, facts: LabelFacts) -> Finding:
    """Count the classes in all labels, in train and in holdout."""
    parts = {"all": facts.values, "train": facts.train_values, "holdout": facts.holdout_values}
    single = [name for name, values in parts.items() if len([n for n in values.values() if n]) < 2]  # noqa: PLR2004
    shown = "; ".join(
        f"{name}: {', '.join(f'{n} of class {v}' for v, n in values.items()) or 'no rows'}"
        for name, values in parts.items()
    )
    skip = "training is skipped" if spec.on_single_class == "skip" else "the run fails"
    return Finding(
        passed=not single,
        message=f"{shown}; expected two classes in each; single class in: {listed(single)}.",
        fix=f"look at the data of {listed(single)}: choose another label.threshold, more history or another split.holdout; until then {skip}",
        numbers={f"{name}_classes": len(values) for name, values in parts.items()},
        table=tuple(
            {"part": name, "class": v, "rows": n}
            for name, values in parts.items()
            for v, n in values.items()
        ),
    )


RULES = (
    Rule(
        "ml05_binary_labels",
        "ML-05",
        "labels",
        "error",
        "A classifier's label is an integer 0 or 1, never null",
        binary_labels,
    ),
    Rule(
        "ml05_not_single_class",
        "ML-05",
        "labels",
        "error",
        "Both classes are in the labels, in train and in holdout",
        not_single_class,
        skips=True,
    ),
)
