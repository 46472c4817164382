"""Holdout metrics of a binary classifier, and of always saying the base rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def binary_metrics(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Measure probabilities of class 1 against 0/1 labels.

    Computed by scikit-learn: ``roc_auc_score`` (area under the ROC curve by rank),
    ``average_precision_score`` (PR AUC as the step-wise sum over recall), ``log_loss`` (natural
    logarithm), ``brier_score_loss`` (mean squared error of the probability), and ``accuracy_score``
    at a threshold of 0.5. Both classes must be present in ``labels``; no NaN.

    >>> import numpy as np
    >>> metrics = binary_metrics(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8]))
    >>> {k: round(v, 4) for k, v in metrics.items()}
    {'roc_auc': 0.75, 'pr_auc': 0.8333, 'log_loss': 0.4723, 'brier': 0.1581, 'accuracy': 0.75}
    """
    from sklearn import metrics

    return {
        "roc_auc": float(metrics.roc_auc_score(labels, probabilities)),
        "pr_auc": float(metrics.average_precision_score(labels, probabilities)),
        "log_loss": float(metrics.log_loss(labels, probabilities, labels=[0, 1])),
        "brier": float(metrics.brier_score_loss(labels, probabilities)),
        "accuracy": float(metrics.accuracy_score(labels, probabilities > 0.5)),  # noqa: PLR2004
    }


def baseline_metrics(train_labels: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Measure a constant prediction: the share of class 1 among the training labels."""
    import numpy as np

    return binary_metrics(labels, np.full(len(labels), float(np.mean(train_labels))))
