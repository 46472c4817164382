"""Every holdout metric as a function of sums over rows, so that it can be resampled quickly.

A metric that weighs its rows is a function of a few sums: of losses, of counts by class, of counts by
place in the order of the scores. Resampling then is one matrix product, and rows are never looked at
again. The definitions are those of ``ml_assets.steps.statistics.metric_formulas``; a test holds them together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ml_assets.steps.statistics.metric_formulas import CALIBRATION_BINS
from ml_assets.steps.statistics.rank_sums import (
    median_ae,
    of_known,
    pr_auc,
    ranking,
    roc_auc,
    roc_auc_ovr,
)
from ml_assets.steps.statistics.sums import MetricSums, mean, of_sums, ratio

if TYPE_CHECKING:
    import numpy as np

    from ml_assets.spec.model_types import Metric, ModelType

_HALF = 0.5


def metric_sums(
    model_type: ModelType, metric: Metric, labels: np.ndarray, scores: np.ndarray
) -> MetricSums:
    """Write a metric of a model type as a function of sums over the rows of ``labels``.

    ``labels`` and ``scores`` are float64 as ``JUDGED[model_type]`` takes them: no NaN but for labels
    of anomalies that nobody knows, whose rows weigh nothing where labels are asked for.
    """
    if model_type == "multiclass_classification":
        return _OF_CLASSES[metric](labels, scores)
    if model_type == "anomaly_detection":
        return _OF_ANOMALIES[metric](labels, scores)
    return _OF_NUMBERS[metric](labels, scores)


def _log_loss(labels: np.ndarray, scores: np.ndarray) -> MetricSums:
    """Minus the logarithm of the probability of what happened, cut off as scikit-learn does."""
    import numpy as np

    chance = np.clip(scores, eps := np.finfo("float64").eps, 1 - eps)
    return mean(-np.log(np.where(labels == 1, chance, 1 - chance)))


def _brier(labels: np.ndarray, scores: np.ndarray) -> MetricSums:
    return mean((labels - scores) ** 2)


def _accuracy(labels: np.ndarray, scores: np.ndarray) -> MetricSums:
    return mean(((scores > _HALF) == (labels == 1)).astype("float64"))


def _calibration_error(labels: np.ndarray, scores: np.ndarray) -> MetricSums:
    import numpy as np

    edges = np.linspace(0.0, 1.0, CALIBRATION_BINS + 1)[1:-1]
    rows = np.ones(len(labels))

    def value(sums: np.ndarray) -> np.ndarray:
        found: np.ndarray = np.abs(sums[:, :-1]).sum(axis=1) / sums[:, -1]
        return found

    pieces = ((np.searchsorted(edges, scores), labels - scores), (CALIBRATION_BINS, rows))
    return MetricSums(CALIBRATION_BINS + 1, pieces, value)


def _rmse(labels: np.ndarray, scores: np.ndarray) -> MetricSums:
    import numpy as np

    return of_sums([(labels - scores) ** 2], lambda s: np.sqrt(s[:, 0] / s[:, 1]))


def _mae(labels: np.ndarray, scores: np.ndarray) -> MetricSums:
    import numpy as np

    return mean(np.abs(labels - scores))


def _r2(labels: np.ndarray, scores: np.ndarray) -> MetricSums:
    """1 - residual / total sum of squares; labels are taken from their mean: sums stay exact."""
    import numpy as np

    centred = labels - labels.mean()

    def value(sums: np.ndarray) -> np.ndarray:
        total = sums[:, 2] - sums[:, 1] ** 2 / sums[:, 3]
        varies = total > _smallest(sums[:, 2])
        return np.where(varies, 1 - sums[:, 0] / np.where(varies, total, 1.0), np.nan)

    return of_sums([(labels - scores) ** 2, centred, centred**2], value)


def _smallest(size: np.ndarray) -> np.ndarray:
    """What is left of a difference of equal numbers of this size."""
    return 1e-12 * size


def _precision(labels: np.ndarray, scores: np.ndarray) -> MetricSums:
    """Share of the flagged rows, among the known ones, that are anomalies."""
    known = (labels == -1) | (labels == 1)
    flagged = (scores > 0) & known
    return _share(flagged & (labels == -1), flagged)


def _recall(labels: np.ndarray, scores: np.ndarray) -> MetricSums:
    """Share of the known anomalies that are flagged."""
    anomalous = labels == -1
    return _share(anomalous & (scores > 0), anomalous)


def _share(some: np.ndarray, of: np.ndarray) -> MetricSums:
    columns = [some.astype("float64"), of.astype("float64")]
    return of_sums(columns, lambda s: ratio(s[:, 0], s[:, 1]))


def _anomaly_share(_: np.ndarray, scores: np.ndarray) -> MetricSums:
    return mean((scores > 0).astype("float64"))


def _class_log_loss(labels: np.ndarray, scores: np.ndarray) -> MetricSums:
    import numpy as np

    chance = scores[np.arange(len(labels)), labels.astype("int64")]
    eps = np.finfo("float64").eps
    return mean(-np.log(np.clip(chance, eps, 1 - eps)))


def _class_accuracy(labels: np.ndarray, scores: np.ndarray) -> MetricSums:
    return mean((scores.argmax(axis=1) == labels).astype("float64"))


def _by_class(
    value: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
) -> Callable[[np.ndarray, np.ndarray], MetricSums]:
    """A metric of the rows of each class that are right, that are of it, and that are put into it."""

    def sums(labels: np.ndarray, scores: np.ndarray) -> MetricSums:
        import numpy as np

        k, predicted, truth = scores.shape[1], scores.argmax(axis=1), labels.astype("int64")
        ones = np.ones(len(truth))
        right = (predicted == truth).astype("float64")
        pieces = ((truth, right), (k + truth, ones), (2 * k + predicted, ones))
        return MetricSums(3 * k, pieces, lambda s: value(s[:, :k], s[:, k : 2 * k], s[:, 2 * k :]))

    return sums


def _balanced_accuracy(right: np.ndarray, true: np.ndarray, _: np.ndarray) -> np.ndarray:
    import numpy as np

    shares = np.where(true > 0, right / np.where(true > 0, true, 1), 0.0)
    found: np.ndarray = shares.sum(axis=1) / (true > 0).sum(axis=1)
    return found


def _f1_macro(right: np.ndarray, true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    import numpy as np

    both = true + predicted
    shares = np.where(both > 0, 2 * right / np.where(both > 0, both, 1), 0.0)
    found: np.ndarray = shares.sum(axis=1) / (both > 0).sum(axis=1)
    return found


_Sums = Callable[["np.ndarray", "np.ndarray"], MetricSums]

_OF_NUMBERS: Mapping[Metric, _Sums] = {
    "roc_auc": ranking(roc_auc),
    "pr_auc": ranking(pr_auc),
    "log_loss": _log_loss,
    "brier": _brier,
    "accuracy": _accuracy,
    "calibration_error": _calibration_error,
    "rmse": _rmse,
    "mae": _mae,
    "median_ae": median_ae,
    "r2": _r2,
}
_OF_CLASSES: Mapping[Metric, _Sums] = {
    "log_loss": _class_log_loss,
    "accuracy": _class_accuracy,
    "balanced_accuracy": _by_class(_balanced_accuracy),
    "f1_macro": _by_class(_f1_macro),
    "roc_auc_ovr": roc_auc_ovr,
}
_OF_ANOMALIES: Mapping[Metric, _Sums] = {
    "roc_auc": of_known(roc_auc),
    "pr_auc": of_known(pr_auc),
    "precision": _precision,
    "recall": _recall,
    "anomaly_share": _anomaly_share,
}
