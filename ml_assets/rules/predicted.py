"""Which values a prediction may have, by model type, and which ones it had."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ml_assets.rules.rule import listed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ml_assets.rules.facts import Spread
    from ml_assets.spec.model import ModelSpec


class Values(NamedTuple):
    """How many predictions are not what they may be, and both in words, to continue a sentence."""

    bad: int
    found: str
    expected: str


def predicted_values(spec: ModelSpec, values: Mapping[str, int], spread: Spread | None) -> Values:
    """Hold predictions against the classes or the range of the model type.

    ``values`` counts classes by their text, ``spread`` describes numbers. Numbers outside the range
    count as at least one: how many there are is not known.
    """
    if spec.predicted_classes is not None:
        allowed = {str(c) for c in spec.predicted_classes}
        bad = sum(n for value, n in values.items() if value not in allowed)
        found = f" with values {listed(values)}" if values else ""
        return Values(bad, found, f" with values {listed(spec.predicted_classes)}")
    if spread is None:
        return Values(0, "", ", all finite")
    bad = spread.nans + spread.infs
    found = f" from {spread.lowest:.6g} to {spread.highest:.6g}" if spread.finite else ""
    found += f" with {bad} NaN or infinite values"
    if spec.kind.predicted_range is None:
        return Values(bad, found, ", all finite")
    lowest, highest = spec.kind.predicted_range
    inside = not spread.finite or (
        lowest <= _number(spread.lowest) and _number(spread.highest) <= highest
    )
    return Values(bad + (not inside), found, f", all from {lowest:g} to {highest:g}")


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
