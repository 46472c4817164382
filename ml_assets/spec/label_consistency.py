"""What must hold between a label's declaration and the model type."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ml_assets.spec.findings import Place
from ml_assets.spec.model_types import KINDS
from ml_assets.spec.wording import refusal

if TYPE_CHECKING:
    from pydantic_core import PydanticCustomError

    from ml_assets.spec.model import ModelSpec
    from ml_assets.spec.tables import Scalar

    Problems = Iterator[tuple[Place, PydanticCustomError]]

RULE = "ml05_binary_labels"
_FEWEST = 2
_MULTICLASS = next(name for name, kind in KINDS.items() if kind.declared_classes)
_BINARY = "binary_classification"


def label_problems(spec: ModelSpec) -> Problems:
    """Find what is wrong with the label of a model of this type, with its place."""
    yield from _threshold(spec)
    yield from _classes_of_another_type(spec)
    if spec.kind.declared_classes:
        yield from _too_few_classes(spec)
        yield from _mixed_classes(spec)
        yield from _repeated_classes(spec)


def _threshold(spec: ModelSpec) -> Problems:
    """A threshold makes two classes: of a number, and of more classes, it makes nonsense."""
    if spec.label.threshold is None:
        return
    found = f"{spec.label.threshold:g} with model_type: {spec.model_type}"
    if spec.kind.declared_classes:
        expected = "no threshold: it makes two classes, and the classes are declared"
        yield (
            ("label", "threshold"),
            refusal(
                found,
                expected=expected,
                fix=f"remove it and declare label.classes, or declare model_type: {_BINARY}",
                rule=RULE,
            ),
        )
    elif spec.label_classes is None:
        yield (
            ("label", "threshold"),
            refusal(
                found,
                expected=f"no threshold: the label is the number in {spec.label.column} itself",
                fix=f"remove it, or declare model_type: {_BINARY}",
                rule=RULE,
            ),
        )


def _classes_of_another_type(spec: ModelSpec) -> Problems:
    if spec.kind.declared_classes or not spec.label.classes:
        return
    stored = spec.label_classes
    what = "a number" if stored is None else f"{stored[0]} or {stored[1]}"
    yield (
        ("label", "classes"),
        refusal(
            f"{len(spec.label.classes)} classes with model_type: {spec.model_type}",
            expected=f"no classes: the label of this type is {what}",
            fix=f"remove them, or declare model_type: {_MULTICLASS} (did you mean that?)",
            rule=RULE,
        ),
    )


def _too_few_classes(spec: ModelSpec) -> Problems:
    classes = spec.label.classes
    if len(classes) >= _FEWEST:
        return
    yield (
        ("label", "classes"),
        refusal(
            f"only {classes[0]!r}" if classes else "none",
            expected=f"at least {_FEWEST}: the values of {spec.label.column} that are to be told apart",
            fix="list them in a fixed order, for example [bronze, silver, gold]: models predict places in this list",
            rule=RULE,
        ),
    )


def _mixed_classes(spec: ModelSpec) -> Problems:
    """The classes are compared with one column, which has one type."""
    classes = spec.label.classes
    kinds = [_kind(value) for value in classes]
    for i, (value, kind) in enumerate(zip(classes, kinds, strict=True)):
        if kind != kinds[0] or (isinstance(value, float) and not math.isfinite(value)):
            expected = f"{kinds[0]} like {classes[0]!r}" if kind != kinds[0] else "a finite number"
            yield (
                ("label", "classes", i),
                refusal(
                    f"{value!r}, which is {kind}",
                    expected=f"{expected}: all classes are values of one column",
                    fix="put text into quotes (YAML reads yes, no, on and off as true and false), or write all as numbers",
                    rule=RULE,
                ),
            )


def _repeated_classes(spec: ModelSpec) -> Problems:
    first: dict[tuple[str, Scalar], int] = {}
    for i, value in enumerate(spec.label.classes):
        before = first.setdefault((_kind(value), value), i)
        if before != i:
            yield (
                ("label", "classes", i),
                refusal(
                    f"{value!r}, which is already the class {before}",
                    expected="each class once: its place is what the label stores",
                    fix="remove one of them",
                    rule=RULE,
                ),
            )


def _kind(value: Scalar) -> str:
    """Name a value's kind as a person would; true is no number.

    >>> _kind(True), _kind(1), _kind(1.0), _kind("1")
    ('true or false', 'a number', 'a number', 'text')
    """
    if isinstance(value, bool):
        return "true or false"
    return "text" if isinstance(value, str) else "a number"
