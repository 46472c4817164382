"""The holdout metrics of each model type: labels and scores in, numbers out, by scikit-learn.

A metric that the rows do not define (an area under a curve when one class is missing) is left out;
``UNDEFINED`` says of each such metric what it needs. No NaN in ``scores``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from ml_assets.spec.model_types import Metric

#: Equal-width bins of the calibration error.
CALIBRATION_BINS = 10
_HALF = 0.5
#: What the holdout lacks when one of these could not be measured.
UNDEFINED: Mapping[Metric, str] = {
    "roc_auc": "needs known rows of both classes",
    "pr_auc": "needs known rows of both classes",
    "roc_auc_ovr": "needs rows of every class",
    "precision": "needs a known row that is predicted to be an anomaly",
    "recall": "needs a known anomaly",
    "r2": "needs two different labels",
}


def binary_metrics(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Measure probabilities of class 1 against 0/1 labels.

    Computed by scikit-learn: ``roc_auc_score`` (area under the ROC curve by rank),
    ``average_precision_score`` (PR AUC as the step-wise sum over recall), ``log_loss`` (natural
    logarithm), ``brier_score_loss`` (mean squared error of the probability), and ``accuracy_score``
    at a threshold of 0.5. The two areas are left out unless both classes are present.

    >>> import numpy as np
    >>> metrics = binary_metrics(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8]))
    >>> {k: round(v, 4) for k, v in metrics.items()}
    {'roc_auc': 0.75, 'pr_auc': 0.8333, 'log_loss': 0.4723, 'brier': 0.1581, 'accuracy': 0.75}
    """
    from sklearn.metrics import accuracy_score

    return {
        **_of_probabilities(labels, probabilities),
        "accuracy": float(accuracy_score(labels, probabilities > _HALF)),
    }


def probability_metrics(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Measure probabilities of class 1 as probabilities: as ``binary_metrics``, without a threshold.

    ``calibration_error`` takes the place of accuracy.
    """
    return {
        **_of_probabilities(labels, probabilities),
        "calibration_error": calibration_error(labels, probabilities),
    }


def calibration_error(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Weigh how far predicted probabilities are from observed shares: 0 is perfect, 1 the worst.

    The expected calibration error (Naeini, Cooper, Hauskrecht: Obtaining Well Calibrated
    Probabilities Using Bayesian Binning, AAAI 2015) of the probability of class 1, in 10 bins of
    equal width as ``sklearn.calibration.calibration_curve`` draws them: the mean over the rows of
    ``|share of class 1 - mean probability|`` of the row's bin.

    >>> import numpy as np
    >>> round(calibration_error(np.array([0, 0, 1, 1]), np.array([0.2, 0.2, 0.6, 0.9])), 4)
    0.225
    """
    import numpy as np

    edges = np.linspace(0.0, 1.0, CALIBRATION_BINS + 1)[1:-1]
    bins = np.searchsorted(edges, probabilities)
    gaps = np.bincount(bins, weights=labels - probabilities, minlength=CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / len(labels))


def multiclass_metrics(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Measure the probabilities of the classes 0..k-1 (one column each) against such labels.

    Computed by scikit-learn: ``log_loss`` (natural logarithm), and of the most probable class
    ``accuracy_score``, the balanced accuracy (``recall_score``, mean over the classes that the labels
    have, as ``balanced_accuracy_score`` defines it) and ``f1_score`` (mean over the classes that
    occur in labels or predictions; 0 for one that is never predicted right). ``roc_auc_ovr`` is the
    plain mean over the classes of ``roc_auc_score`` of one class against the rest (macro average; of
    two classes the area itself), and is left out when a class is missing among the labels.

    >>> import numpy as np
    >>> p = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7]])
    >>> metrics = multiclass_metrics(np.array([0, 1, 2, 2]), p)
    >>> [round(v, 4) for v in metrics.values()]
    [0.607, 0.75, 0.8333, 0.7778, 0.9583]
    """
    import numpy as np
    from sklearn import metrics

    classes = range(probabilities.shape[1])
    predicted, present = probabilities.argmax(axis=1), np.unique(labels)
    macro = {"average": "macro", "zero_division": 0.0}
    measured = {
        "log_loss": float(metrics.log_loss(labels, probabilities, labels=list(classes))),
        "accuracy": float(metrics.accuracy_score(labels, predicted)),
        "balanced_accuracy": float(
            metrics.recall_score(labels, predicted, labels=present, **macro)
        ),
        "f1_macro": float(metrics.f1_score(labels, predicted, **macro)),
    }
    if 1 < len(present) == len(classes):
        areas = [metrics.roc_auc_score(labels == c, probabilities[:, c]) for c in classes]
        measured["roc_auc_ovr"] = float(np.mean(areas))
    return measured


def regression_metrics(labels: np.ndarray, predictions: np.ndarray) -> dict[str, float]:
    """Measure predicted numbers against numbers, in the label's unit (``r2`` has none).

    Computed by scikit-learn: ``root_mean_squared_error``, ``mean_absolute_error``,
    ``median_absolute_error`` and ``r2_score`` (1 is perfect, 0 is the holdout's own mean, and there
    is no lower end). ``r2`` is left out when all labels are equal.

    >>> import numpy as np
    >>> metrics = regression_metrics(np.array([1.0, 2.0, 4.0]), np.array([1.0, 3.0, 2.0]))
    >>> {k: round(v, 4) for k, v in metrics.items()}
    {'rmse': 1.291, 'mae': 1.0, 'median_ae': 1.0, 'r2': -0.0714}
    """
    from sklearn import metrics

    measured = {
        "rmse": float(metrics.root_mean_squared_error(labels, predictions)),
        "mae": float(metrics.mean_absolute_error(labels, predictions)),
        "median_ae": float(metrics.median_absolute_error(labels, predictions)),
    }
    if labels.min() < labels.max():
        measured["r2"] = float(metrics.r2_score(labels, predictions))
    return measured


def anomaly_metrics(labels: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    """Measure anomaly scores (above 0: predicted to be an anomaly) against -1 (anomaly) and 1.

    ``labels`` may be NaN, where nobody knows: such rows count for ``anomaly_share`` alone, the share
    of the rows that are predicted to be anomalies. Of the known rows, computed by scikit-learn with
    the anomaly as the class that is looked for: ``roc_auc_score``, ``average_precision_score``,
    ``precision_score``, ``recall_score``; each is left out when the known rows do not define it.

    >>> import numpy as np
    >>> labels = np.array([-1, -1, 1, 1, np.nan])
    >>> metrics = anomaly_metrics(labels, np.array([0.2, -0.1, 0.1, -0.3, 0.4]))
    >>> {k: round(v, 4) for k, v in metrics.items()}
    {'roc_auc': 0.75, 'pr_auc': 0.8333, 'precision': 0.5, 'recall': 0.5, 'anomaly_share': 0.6}
    """
    import numpy as np
    from sklearn import metrics

    known = ~np.isnan(labels)
    anomalous, flagged = labels[known] == -1, scores > 0
    measured = ranking_metrics(anomalous, scores[known])
    if flagged[known].any():
        measured["precision"] = float(metrics.precision_score(anomalous, flagged[known]))
    if anomalous.any():
        measured["recall"] = float(metrics.recall_score(anomalous, flagged[known]))
    return {**measured, "anomaly_share": float(flagged.mean())}


def ranking_metrics(positive: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    """Measure how scores rank true before false; nothing unless there are both."""
    from sklearn import metrics

    if not positive.any() or positive.all():
        return {}
    return {
        "roc_auc": float(metrics.roc_auc_score(positive, scores)),
        "pr_auc": float(metrics.average_precision_score(positive, scores)),
    }


def _of_probabilities(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    from sklearn import metrics

    return {
        **ranking_metrics(labels == 1, probabilities),
        "log_loss": float(metrics.log_loss(labels, probabilities, labels=[0, 1])),
        "brier": float(metrics.brier_score_loss(labels, probabilities, labels=[0, 1])),
    }
