"""Which column is to be predicted, and what kind of model that asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml_assets.drafting.times import looks_like_an_id
from ml_assets.spec.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Collection

    from ml_assets.drafting.sample import Column, Sample
    from ml_assets.spec.model_types import ModelType

_SURE = re.compile(r"^(label|target|outcome|y|class)$|_(label|target)$", re.IGNORECASE)
_FLAG = re.compile(
    r"^(is|has|was|will|did|had)_|churn|fraud|default|late|cancel|convert|surviv|fail|clicked|"
    r"anomal|outlier|defect|died|lapse",
    re.IGNORECASE,
)
_AMOUNT = re.compile(
    r"price|cost|amount|revenue|sales|demand|total|count|^cnt$|spend|spent|quantity|rating|score|"
    r"volume|load|duration",
    re.IGNORECASE,
)
_CLASS = re.compile(
    r"class|categor|species|grade|quality|segment|type|weather|status|kind", re.IGNORECASE
)
_AFTERWARDS = re.compile(r"reason|comment|note|explanation", re.IGNORECASE)
_YES = frozenset(["yes", "y", "true", "t", "1", "positive", "late", "fraud", "churned", "bad"])
_MOST_CLASSES = 20
_FEW_WHOLE = 10
#: What is missing in more of the rows than this is told of some of them only.
_MOSTLY = 0.5


@dataclass(frozen=True)
class LabelGuess:
    """A column to predict.

    ``positive`` is the text that becomes 1; ``threshold`` and ``classes`` are as in a declaration.
    ``others`` are further candidates, the likelier ones first.
    """

    column: Column
    model_type: ModelType
    why: str
    threshold: float | None = None
    positive: str | None = None
    classes: tuple[Any, ...] = ()
    others: tuple[str, ...] = ()


def find_label(sample: Sample, not_these: Collection[str], wanted: str | None = None) -> LabelGuess:
    """Find the column to predict: by its name, by two values, by few values, then any number.

    Raises
    ------
    SpecError
        When no column can be a label, or the wanted one cannot.
    """
    if wanted is not None:
        column = sample.column(wanted, "--label")
        if _score(sample, column) <= 0 or wanted in not_these:
            raise _no_label(sample, "--label", f"{wanted!r} of type {column.type}", not_these)
        return _guess(sample, column, ())
    scores = {c: _score(sample, c) for c in sample.columns if c.name not in not_these}
    # Stable: of equals the last column comes first, where tables mostly have what came out.
    ranked = sorted((c for c in reversed(scores) if scores[c] > 0), key=lambda c: -scores[c])
    if not ranked:
        raise _no_label(sample, f"--from {sample.table}", "no column that could be", not_these)
    others = [c.name for c in ranked[1:] if scores[c] >= 20]  # noqa: PLR2004 - more than "a number"
    return _guess(sample, ranked[0], tuple(others[:5]))


def _score(sample: Sample, column: Column) -> int:
    """How much a column looks like a label; 0 when it cannot be one."""
    name, count = column.name, sample.distinct(column.name)
    many = column.kind == "text" and (count > _MOST_CLASSES or count > len(sample.rows) / 5)
    if count < 2 or column.kind in {"time", "date", "other"} or many:  # noqa: PLR2004 - nothing to tell apart
        return 0
    if sample.nulls(name) > _MOSTLY or _AFTERWARDS.search(name):
        return 2 if not looks_like_an_id(name) else 1  # told of some rows only, and afterwards
    last = 5 if column == sample.columns[-1] else 0
    two, is_text = count == 2, column.kind == "text"  # noqa: PLR2004
    by_likelihood = (
        (_SURE.search(name), 100),
        (_FLAG.search(name) and two, 80),
        (two and is_text and _yes_or_no(sample, name), 70),
        (looks_like_an_id(name), 1),
        (is_text and _CLASS.search(name), 45),
        (not is_text and _AMOUNT.fullmatch(name), 50),
        (not is_text and _AMOUNT.search(name), 40),
        (two and not is_text, 30),
        (is_text, 20),
        (True, 10),
    )
    return last + next(score for applies, score in by_likelihood if applies)


def _yes_or_no(sample: Sample, name: str) -> bool:
    return any(str(v).strip().lower() in _YES for v in sample.values(name).unique())


def _guess(sample: Sample, column: Column, others: tuple[str, ...]) -> LabelGuess:
    values = sorted(sample.values(column.name).unique(), key=str)
    count = sample.distinct(column.name)
    if column.kind == "boolean":
        return LabelGuess(column, "binary_classification", "true or false", others=others)
    if column.kind == "text":
        return _of_text(sample, column, [str(v) for v in values], others)
    if count == 2:  # noqa: PLR2004
        return _of_two_numbers(column, [float(v) for v in values], others)
    if column.kind == "whole" and count <= _FEW_WHOLE and _is_class(column):
        classes = tuple(sorted(int(v) for v in values))
        why = f"{count} whole numbers"
        return LabelGuess(column, "multiclass_classification", why, classes=classes, others=others)
    return LabelGuess(column, "regression", f"{count:,} different numbers", others=others)


def _is_class(column: Column) -> bool:
    return bool(_SURE.search(column.name) or _CLASS.search(column.name))


def _of_text(
    sample: Sample, column: Column, values: list[str], others: tuple[str, ...]
) -> LabelGuess:
    if len(values) == 2:  # noqa: PLR2004
        yes = [v for v in values if v.strip().lower() in _YES]
        rarer = str(sample.values(column.name).value_counts().index[-1])
        positive = yes[0] if len(yes) == 1 else rarer
        why = f"two values: {values[0]!r}, {values[1]!r}"
        return LabelGuess(column, "binary_classification", why, positive=positive, others=others)
    why = f"{len(values)} values"
    return LabelGuess(
        column, "multiclass_classification", why, classes=tuple(values), others=others
    )


def _of_two_numbers(column: Column, values: list[float], others: tuple[str, ...]) -> LabelGuess:
    low, high = sorted(values)
    why = f"two values: {low:g}, {high:g}"
    if (low, high) == (-1, 1) and re.search(r"anomal|outlier", column.name, re.IGNORECASE):
        return LabelGuess(column, "anomaly_detection", why, others=others)
    threshold = None if column.kind == "whole" and (low, high) == (0, 1) else low
    return LabelGuess(column, "binary_classification", why, threshold=threshold, others=others)


def _no_label(sample: Sample, where: str, found: str, not_these: Collection[str]) -> SpecError:
    possible = [c.name for c in sample.columns if c.name not in not_these and _score(sample, c) > 0]
    return SpecError(
        where,
        found=found,
        expected=f"a column with two values or more to predict: numbers, or text with at most "
        f"{_MOST_CLASSES} values",
        fix=f"choose among {', '.join(possible)}" if possible else "add the outcome to the table",
        rule="ml05_binary_labels",
    )
