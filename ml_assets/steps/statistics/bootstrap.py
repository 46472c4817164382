"""The difference of two models on the same rows, with a paired bootstrap interval.

Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapters 6 and 13: units are drawn with
replacement, the same ones for both models, and the interval is between percentiles of the differences.
A unit is an entity with all its rows, or a row where nobody says which rows belong together
(``ml_assets.steps.statistics.drawn_units``). Up to ``GROUPS`` units that is what is done. More are first
put into ``GROUPS`` random groups, as many into each (one more or less), and groups are drawn instead:
random groups are exchangeable, so the variance of a mean of groups is that of a mean of units; that it
is estimated from 1,000 groups adds about 2 % of noise to the interval's width (a relative standard error of
sqrt(2 / GROUPS) on the variance). It is the bag-of-rows shortcut of Kleiner, Talwalkar, Sarkar and
Jordan, A scalable bootstrap for massive data (2014), taken one step further: because all metrics are
functions of sums over rows (``ml_assets.steps.statistics.metric_sums``), a thousand draws are one matrix
product. That holds for areas under curves too: they are functions of the counts of each class by score,
so that a draw compares every row of it with every other one, those of other entities too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_assets.rules.facts import MetricDifference
from ml_assets.spec.errors import DataError
from ml_assets.spec.model_types import METRICS
from ml_assets.steps.statistics.drawn_units import FEW, DrawnUnits
from ml_assets.steps.statistics.metric_sums import metric_sums

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np

    from ml_assets.spec.model_types import Metric, ModelType
    from ml_assets.steps.statistics.sums import MetricSums

GROUPS = 1000
#: The share of draws that must be measurable (a draw of one class has no AUC), and that of few units.
LEAST, LEAST_OF_FEW = 0.5, 0.9
SEED = 20130101
#: Draws that are multiplied at once; bounds the memory.
_BLOCK = 500


@dataclass(frozen=True)
class Drawing:
    """How many draws, at which level of confidence, from which seed."""

    draws: int = 1000
    confidence: float = 0.95
    seed: int = SEED


@dataclass(frozen=True)
class Measured:
    """One model on the rows: its scores, and its metrics as measured on all of them."""

    scores: np.ndarray
    metrics: Mapping[str, float]


def paired_bootstrap(
    model_type: ModelType,
    labels: np.ndarray,
    candidate: Measured,
    champion: Measured,
    drawing: Drawing | None = None,
    *,
    units: DrawnUnits | None = None,
) -> dict[Metric, MetricDifference]:
    """Compare two models in every metric that is measured of both.

    Values are the measured ones; intervals of grouped and binned draws are moved by what grouping and
    binning changed in the difference itself, and stretched where ``units`` (None: every row is one) are
    few. One unit has no interval: its ends are NaN. The same rows give the same numbers.

    Raises
    ------
    DataError
        When there are no rows, or the models do not have one score for each of them.
    """
    _refuse_misfit(labels, candidate.scores, champion.scores)
    drawing = drawing or Drawing()
    metrics: list[Metric] = [m for m in METRICS if m in candidate.metrics and m in champion.metrics]
    units = units or DrawnUnits.rows(len(labels))
    draw = _draw(units, drawing)
    stretch = units.widening(drawing.confidence) if units.count > 1 else float("nan")
    # Of few units that hold one class each, the draws that can be measured are nearly all the same.
    least = drawing.draws * (LEAST_OF_FEW if units.effective < FEW else LEAST)
    found = {}
    for metric in metrics:
        now, before = (
            _drawn(
                model.metrics[metric], metric_sums(model_type, metric, labels, model.scores), draw
            )
            for model in (candidate, champion)
        )
        found[metric] = _difference(metric, now, before, drawing, stretch=stretch, least=least)
    return found


@dataclass(frozen=True)
class _Drawn:
    """A metric as measured on all rows, as the sums of all of them give it, and in each draw."""

    measured: float
    plain: float
    draws: np.ndarray


def _drawn(measured: float, sums: MetricSums, draw: _Draws) -> _Drawn:
    import numpy as np

    by_group = sums.by_group(draw.groups, draw.count)
    plain = float(sums.value(by_group.sum(axis=0, keepdims=True))[0])
    return _Drawn(measured, plain, np.concatenate([sums.value(w @ by_group) for w in draw.weights]))


def _difference(
    metric: Metric, now: _Drawn, before: _Drawn, drawing: Drawing, *, stretch: float, least: float
) -> MetricDifference:
    """Put the interval of the drawn differences around the measured one.

    Its ends are ``stretch`` times as far from the middle of the draws as drawn; a NaN makes them NaN,
    and so do fewer than ``least`` draws with a finite difference.
    """
    import numpy as np

    sign = -1.0 if METRICS[metric].smaller_is_better else 1.0
    gaps = sign * (now.draws - before.draws)
    gaps = gaps[np.isfinite(gaps)]
    difference = sign * (now.measured - before.measured)
    low = high = np.nan
    if len(gaps) >= least:
        tail = (1 - drawing.confidence) / 2
        ends = np.quantile(gaps, [tail, 1 - tail])
        ends += (stretch - 1) * (ends - np.median(gaps))
        low, high = ends + (difference - sign * (now.plain - before.plain))
    return MetricDifference(
        now.measured, before.measured, difference, float(low), float(high), len(gaps)
    )


@dataclass(frozen=True)
class _Draws:
    """The group of each row, how many there are, and how often each draw has each of them."""

    groups: np.ndarray
    count: int
    weights: list[np.ndarray]


def _draw(units: DrawnUnits, drawing: Drawing) -> _Draws:
    groups, count = _groups(units, drawing.seed)
    return _Draws(groups, count, list(_weights(count, drawing)))


def _groups(units: DrawnUnits, seed: int) -> tuple[np.ndarray, int]:
    """Put each unit into a group of its own or, when they are many, into a random one.

    Returns the group of each row, and how many groups there are.
    """
    import numpy as np

    if units.count <= GROUPS:
        return units.of_row, units.count
    return (np.random.default_rng(seed).permutation(units.count) % GROUPS)[units.of_row], GROUPS


def _weights(groups: int, drawing: Drawing) -> Iterator[np.ndarray]:
    """How often each group was drawn, ``(draws, groups)`` in blocks."""
    import numpy as np

    rng = np.random.default_rng(drawing.seed + 1)
    for start in range(0, drawing.draws, _BLOCK):
        draws = min(_BLOCK, drawing.draws - start)
        chosen = rng.integers(0, groups, (draws, groups))
        flat = np.arange(draws)[:, None] * groups + chosen
        counts = np.bincount(flat.ravel(), minlength=draws * groups)
        yield counts.reshape(draws, groups).astype("float64")


def _refuse_misfit(labels: np.ndarray, *scores: np.ndarray) -> None:
    import numpy as np

    rows = [len(labels), *(len(s) for s in scores)]
    missing = [int(np.isnan(s).any()) for s in scores]
    if len(set(rows)) == 1 and rows[0] and not any(missing):
        return
    found = f"{rows[0]} labels, scores for {rows[1]} and {rows[2]} rows"
    raise DataError(
        "the comparison of two models",
        found=f"{found}, NaN among them" if any(missing) else found,
        expected="at least one row, and a score of both models for each",
        fix="look at the checks of training_set: an unmatched key gives no score",
        rule="promotion_beats_champion",
    )
