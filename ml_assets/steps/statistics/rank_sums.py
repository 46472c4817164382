"""Metrics of the order of the scores, and of the middle of the errors, as functions of counts by bins.

A bin is one score, or with more than ``BINS`` different ones a range of them, such that as many rows
of one class fall into each as of the other class into another: what a range hides is small against
what resampling moves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_assets.steps.statistics.sums import MetricSums

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

BINS = 1000
#: Standard errors of the median's rank, on each side of it, that are divided into bins.
_MEDIAN_WINDOW = 8.0


def median_ae(labels: np.ndarray, scores: np.ndarray) -> MetricSums:
    """The middle of the absolute errors: of an even number of rows, the mean of the two middle ones.

    Bins are fine where medians of resampled rows can be: within ``_MEDIAN_WINDOW`` standard errors
    (1 / (2 sqrt(rows)) of the rows) around the middle.
    """
    import numpy as np

    errors = np.abs(labels - scores)
    reach = _MEDIAN_WINDOW / (2 * np.sqrt(len(errors)))
    bins = _Bins.of(errors, [(errors, max(0.0, 0.5 - reach), min(1.0, 0.5 + reach))])
    places, rows = bins.find(errors), np.ones(len(errors))
    middles = np.bincount(places, errors, bins.count) / np.bincount(places, rows, bins.count)

    def value(counts: np.ndarray) -> np.ndarray:
        upto = np.cumsum(counts, axis=1)
        last = upto[:, -1:] - 1
        low, high = ((upto <= np.floor((last + up) / 2)).sum(axis=1) for up in (0, 1))
        found: np.ndarray = (middles[low] + middles[high]) / 2
        return found

    return MetricSums(bins.count, ((places, rows),), value)


def ranking(
    value: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> Callable[[np.ndarray, np.ndarray], MetricSums]:
    """A metric of counts of rows of class 1 and of the others by bins of the scores, ascending."""

    def sums(labels: np.ndarray, scores: np.ndarray) -> MetricSums:
        return _ranked(labels == 1, ~(labels == 1), scores, value)

    return sums


def _ranked(
    positive: np.ndarray,
    negative: np.ndarray,
    scores: np.ndarray,
    value: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> MetricSums:
    parts = [(scores[rows], 0.0, 1.0) for rows in (positive, negative) if rows.any()]
    bins = _Bins.of(scores[positive | negative], parts)
    places, n = bins.find(scores), bins.count
    pieces = ((places, positive.astype("float64")), (n + places, negative.astype("float64")))
    return MetricSums(2 * n, pieces, lambda s: value(s[:, :n], s[:, n:]))


def roc_auc(positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    """Share of the pairs of a positive and a negative row in the right order, ties counting half.

    The Mann-Whitney form of the area: Hanley and McNeil, The meaning and use of the area under a
    receiver operating characteristic (ROC) curve, Radiology 143 (1982).
    """
    import numpy as np

    below = np.cumsum(negative, axis=1) - negative / 2
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    right = (positive * below).sum(axis=1)
    return np.where(pairs > 0, right / np.where(pairs > 0, pairs, 1), np.nan)


def pr_auc(positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    """Average precision: the sum over thresholds of the gain in recall times the precision there.

    As ``sklearn.metrics.average_precision_score``; Manning, Raghavan, Schütze: Introduction to
    Information Retrieval (2008), chapter 8.
    """
    import numpy as np

    found = positive[:, ::-1].cumsum(axis=1)
    shown = found + negative[:, ::-1].cumsum(axis=1)
    precision = found / np.where(shown > 0, shown, 1)
    total = positive.sum(axis=1)
    gained = (positive[:, ::-1] * precision).sum(axis=1)
    defined = (total > 0) & (negative.sum(axis=1) > 0)
    return np.where(defined, gained / np.where(defined, total, 1), np.nan)


def of_known(
    value: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> Callable[[np.ndarray, np.ndarray], MetricSums]:
    """As ``ranking``, of anomalies (-1) before normal rows (1); unknown ones count for neither."""

    def sums(labels: np.ndarray, scores: np.ndarray) -> MetricSums:
        return _ranked(labels == -1, labels == 1, scores, value)

    return sums


def roc_auc_ovr(labels: np.ndarray, scores: np.ndarray) -> MetricSums:
    """The mean over the classes of the area of each against the rest; NaN when one is missing."""
    import numpy as np

    parts = [
        _ranked(labels == c, labels != c, scores[:, c], roc_auc) for c in range(scores.shape[1])
    ]
    starts = np.cumsum([0, *(p.width for p in parts)])
    pieces = tuple(
        (place + start, weights)
        for part, start in zip(parts, starts, strict=False)
        for place, weights in part.pieces
    )

    def value(sums: np.ndarray) -> np.ndarray:
        areas = [
            part.value(sums[:, start : start + part.width])
            for part, start in zip(parts, starts, strict=False)
        ]
        found: np.ndarray = np.mean(areas, axis=0)
        return found

    return MetricSums(int(starts[-1]), pieces, value)


@dataclass(frozen=True)
class _Bins:
    """Bins of numbers: each holds the numbers above the edge before it, up to its own."""

    edges: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, parts: list[tuple[np.ndarray, float, float]]) -> _Bins:
        """Make a bin of every different value, or, when they are many, of ranges with equal shares.

        ``parts`` are ``(numbers, from, to)``: between these shares of the numbers there are bins with
        the same number of them.
        """
        import numpy as np

        edges = np.unique(values)
        if len(edges) > BINS:
            each = BINS // len(parts)
            cut = [
                np.quantile(numbers, np.linspace(low, high, each), method="inverted_cdf")
                for numbers, low, high in parts
            ]
            edges = np.unique(np.concatenate([*cut, edges[-1:]]))
        return cls(edges)

    @property
    def count(self) -> int:
        return len(self.edges)

    def find(self, values: np.ndarray) -> np.ndarray:
        """The bin of each value; one that is above all goes into the last."""
        import numpy as np

        found: np.ndarray = np.minimum(np.searchsorted(self.edges, values), self.count - 1)
        return found
