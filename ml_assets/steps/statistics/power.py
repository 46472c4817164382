"""How well one feature alone tells the label: ROC AUC for classes, R² for numbers.

Rows must come in random order (``collect_sample`` gives them so): the folds are every fifth row.
A statistic that fits something (rates of levels, a monotone curve) is measured on rows that it was
not fitted on; so a column that is different in every row, such as an id, tells nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml_assets.steps.statistics.levels import binned, midranks

if TYPE_CHECKING:
    import numpy as np

    from ml_assets.steps.statistics.levels import Levels

    Array = np.ndarray[Any, Any]

FOLDS = 5
BINS = 50
#: Bins of the monotone fit: as good as the values themselves, and a hundred times faster.
FINE_BINS = 2000
#: A level's rate is drawn to the mean of all rows with the weight of so many rows.
SMOOTHING = 1.0


@dataclass(frozen=True)
class Power:
    """The best of the ways in which a feature was tried, and which one that was."""

    value: float
    by: str


def power_for_classes(levels: Levels, classes: Array) -> Power:
    """ROC AUC of one feature for classes: the mean over the classes, each against all others.

    ``classes`` is a matrix of 0 and 1, a column for each class (for two classes one column says
    all). The mean and not the best class: many an honest feature tells one class of several apart
    perfectly, a leak tells all; the mean is also the model's own metric (``roc_auc_ovr``).
    Numbers are ranked as they are (either direction counts) and in bins; strings by their levels'
    out-of-fold rates.
    """
    import numpy as np

    tried = []
    if levels.ordered:
        above, below = rank_aucs(levels, classes)
        tried += [Power(float(np.maximum(a, 1 - a).mean()), "rank") for a in (above, below)]
    found = rate_aucs(binned(levels, BINS), classes)
    tried.append(Power(float(np.maximum(found, 0.5).mean()), _fitted_by(levels)))
    return max(tried, key=lambda p: p.value)


def power_for_numbers(levels: Levels, numbers: Array, ranks: Array | None = None) -> Power:
    """R² of one feature for numbers, on rows that were not fitted; 0 when it is negative.

    Numbers are tried with a monotone curve, with the means of bins (which follow any shape), and
    rank against rank: the squared rank correlation is the R² of the label's ranks, in which no long
    tail outweighs all else. Strings are tried with the means of their levels. ``ranks`` are those of
    ``numbers``, when they are known.
    """
    ranks = ranks_of(numbers) if ranks is None else ranks
    found = mean_r2(binned(levels, BINS), numbers)
    tried = [Power(max(found, 0.0), _fitted_by(levels))]
    if levels.ordered:
        fine = binned(levels, FINE_BINS)
        tried.append(Power(max(monotone_r2(fine, numbers, ranks), 0.0), "monotone fit"))
        tried.append(Power(_rank_r2(levels, ranks), "rank"))
    return max(tried, key=lambda p: p.value)


def _rank_r2(levels: Levels, ranks: Array) -> float:
    """The squared rank correlation, less what chance adds: 1 - (1 - rho²)(n - 1)/(n - 2).

    (Adjusted R², Ezekiel 1930.) 0 when it is negative; null ranks lowest or highest.
    """
    rows = len(ranks)
    if rows <= 2:  # noqa: PLR2004
        return 0.0
    found = strongest_order(levels, ranks) ** 2
    return max(1 - (1 - found) * (rows - 1) / (rows - 2), 0.0)


def rank_aucs(levels: Levels, classes: Array) -> tuple[Array, Array]:
    """ROC AUC of numbers as scores for each class: null above every number, and below.

    AUC = (R1 - n1 (n1 + 1) / 2) / (n1 n0), with R1 the sum of the ranks of the n1 rows of the class,
    ties averaged: the Mann-Whitney U statistic as a share of all pairs (Mann and Whitney 1947;
    Hanley and McNeil 1982). NaN for a class without rows, or without others.
    """
    import numpy as np

    sizes, hits = levels.sizes(), levels.sums(classes)
    above = auc_of_groups(sizes, hits)
    if not levels.null:
        return above, above
    return above, auc_of_groups(np.roll(sizes, 1), np.roll(hits, 1, axis=0))


def auc_of_groups(sizes: Array, hits: Array) -> Array:
    """ROC AUC of groups of equal scores in ascending order: their rows, and rows of each class."""
    import numpy as np

    n1 = hits.sum(axis=0)
    n0 = sizes.sum() - n1
    pairs = np.where((n1 > 0) & (n0 > 0), n1 * n0, np.nan)
    aucs: Array = (midranks(sizes) @ hits - n1 * (n1 + 1) / 2) / pairs
    return aucs


def rate_aucs(levels: Levels, classes: Array) -> Array:
    """ROC AUC of the out-of-fold rate of each row's level, for each class."""
    import numpy as np

    groups = _Groups.of(levels, classes)
    rates, aucs = groups.fitted(), []
    for rate, hits in zip(rates.T, groups.sums.T, strict=True):
        _, tied = np.unique(rate, return_inverse=True)
        sizes = np.bincount(tied, groups.sizes)
        aucs.append(auc_of_groups(sizes, np.bincount(tied, hits)[:, None])[0])
    return np.array(aucs)


def mean_r2(levels: Levels, numbers: Array) -> float:
    """R² of the out-of-fold mean of each row's level: 1 - squared errors / squares around the mean.

    NaN when ``numbers`` is constant.
    """
    import numpy as np

    centred = (numbers - numbers.mean())[:, None]
    groups = _Groups.of(levels, np.hstack([centred, centred**2]))
    mean, total, squares = groups.fitted()[:, 0], groups.sums[:, 0], groups.sums[:, 1]
    errors = (squares - 2 * mean * total + groups.sizes * mean**2).sum()
    return float(1 - errors / squares.sum()) if squares.sum() > 0 else float("nan")


def monotone_r2(levels: Levels, numbers: Array, ranks: Array) -> float:
    """R² of a monotone curve that is fitted on one half of the rows and measured on the other.

    Isotonic regression (pool adjacent violators, ``sklearn.isotonic``) over the ranks of the
    feature's values, so that ±Inf are values like others, linear between the values of the fit and
    constant beyond. The direction is the sign of the rank correlation. Null is predicted by the
    mean of the fit's null rows. NaN when ``numbers`` is constant.
    """
    import numpy as np

    squares = ((numbers - numbers.mean()) ** 2).sum()
    if squares == 0:
        return float("nan")
    rising = spearman(levels, ranks) >= 0
    half = np.arange(len(numbers)) % 2
    errors = sum(_curve_error(levels, numbers, half == h, rising=rising) for h in (0, 1))
    return float(1 - errors / squares)


def _curve_error(levels: Levels, numbers: Array, fit: Array, *, rising: bool) -> float:
    """Squared error of a curve through the rows ``fit``, on the others."""
    import numpy as np
    from sklearn.isotonic import isotonic_regression

    count = levels.count
    sizes = np.bincount(levels.codes[fit], minlength=count).astype("float64")
    totals = np.bincount(levels.codes[fit], numbers[fit], count)
    predicted = np.full(count, totals.sum() / max(sizes.sum(), 1))
    known = np.flatnonzero(sizes[: count - levels.null])
    if len(known):
        means = totals[known] / sizes[known]
        curve = isotonic_regression(means, sample_weight=sizes[known], increasing=rising)
        place = midranks(levels.sizes())
        numbered = slice(0, count - levels.null)
        predicted[numbered] = np.interp(place[numbered], place[known], curve)
    if levels.null and sizes[-1]:
        predicted[-1] = totals[-1] / sizes[-1]
    return float(((numbers[~fit] - predicted[levels.codes[~fit]]) ** 2).sum())


def spearman(levels: Levels, other_ranks: Array, *, null_low: bool = False) -> float:
    """Rank correlation of a feature with ranks: Pearson's correlation of the ranks, ties averaged.

    (Spearman 1904.) Null ranks above every number, or below with ``null_low``. 0 when either side
    is constant.
    """
    import numpy as np

    sizes = levels.sizes()
    if null_low and levels.null:
        place = np.roll(midranks(np.roll(sizes, 1)), -1)
    else:
        place = midranks(sizes)
    mine = place[levels.codes]
    mine, other = mine - mine.mean(), other_ranks - other_ranks.mean()
    scale = np.sqrt((mine @ mine) * (other @ other))
    return float(mine @ other / scale) if scale > 0 else 0.0


def strongest_order(levels: Levels, ranks: Array) -> float:
    """The rank correlation without its sign, with null where it agrees more."""
    found = abs(spearman(levels, ranks))
    return max(found, abs(spearman(levels, ranks, null_low=True))) if levels.null else found


def ranks_of(numbers: Array) -> Array:
    """Ranks from 1, ties averaged; no NaN.

    >>> import numpy as np
    >>> ranks_of(np.array([3.0, 1.0, 3.0])).tolist()
    [2.5, 1.0, 2.5]
    """
    import numpy as np

    _, codes, sizes = np.unique(numbers, return_inverse=True, return_counts=True)
    ranks: Array = midranks(sizes)[codes]
    return ranks


@dataclass(frozen=True)
class _Groups:
    """Rows of one level and one fold: how many, the sums of the targets, and both without them.

    Groups without rows are left out.
    """

    sizes: Array
    sums: Array
    others: Array
    other_sums: Array
    prior: Array

    @classmethod
    def of(cls, levels: Levels, targets: Array) -> _Groups:
        import numpy as np

        fold = np.arange(len(levels.codes)) % FOLDS
        key = levels.codes * FOLDS + fold
        counts = np.bincount(key, minlength=levels.count * FOLDS)
        kept = np.flatnonzero(counts)
        level, of_fold = kept // FOLDS, kept % FOLDS
        sizes = counts[kept].astype("float64")
        sums = np.stack(
            [np.bincount(key, t, levels.count * FOLDS)[kept] for t in targets.T], axis=1
        )
        in_fold = np.bincount(of_fold, sizes, FOLDS)
        fold_sums = np.stack([np.bincount(of_fold, s, FOLDS) for s in sums.T], axis=1)
        outside = np.maximum(sizes.sum() - in_fold, 1)
        prior = (sums.sum(axis=0) - fold_sums) / outside[:, None]
        return cls(
            sizes,
            sums,
            levels.sizes()[level] - sizes,
            levels.sums(targets)[level] - sums,
            prior[of_fold],
        )

    def fitted(self) -> Array:
        """Mean of each target over the rows of the same level in the other folds, smoothed.

        (sum + m * prior) / (rows + m), the prior being the mean of the other folds: target
        encoding after Micci-Barreca 2001, cross-fitted as in ``sklearn.preprocessing.TargetEncoder``.
        A level that the other folds do not have gets the prior.
        """
        weight = self.others[:, None] + SMOOTHING
        means: Array = (self.other_sums + SMOOTHING * self.prior) / weight
        return means


def _fitted_by(levels: Levels) -> str:
    return "bins" if levels.ordered else "levels"
