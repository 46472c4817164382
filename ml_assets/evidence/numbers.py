"""The numbers behind each figure, as plain values that ``json`` can write.

Every function takes arrays without NaN and returns one dictionary. What cannot be computed has
``undefined``, a sentence that says why, in the place of its numbers. Curves are thinned to about
``MOST_POINTS`` points, scatters to ``MOST_DOTS`` rows; histograms and matrices count every row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

MOST_POINTS = 200
MOST_DOTS = 2000
MOST_CLASSES = 20
CALIBRATION_BINS = 10
SCORE_BINS = 20
RESIDUAL_BINS = 40
SEED = 20130101

Numbers = dict[str, Any]


def roc(positive: np.ndarray, scores: np.ndarray) -> Numbers:
    """The ROC curve (scikit-learn's ``roc_curve`` and ``roc_auc_score``).

    ``positive`` is True for rows of the class that high ``scores`` speak for.

    >>> import numpy as np
    >>> curve = roc(np.array([False, False, True, True]), np.array([0.1, 0.4, 0.35, 0.8]))
    >>> curve["roc_auc"], curve["true_positive_rate"]
    (0.75, [0.0, 0.5, 0.5, 1.0, 1.0])
    """
    from sklearn import metrics

    if reason := _one_class(positive):
        return {"rows": len(positive), "undefined": reason}
    x, y, thresholds = metrics.roc_curve(positive, scores)
    kept = thinned(x, y)
    return {
        "rows": len(positive),
        "positives": int(positive.sum()),
        "roc_auc": float(metrics.roc_auc_score(positive, scores)),
        "false_positive_rate": _plain(x[kept]),
        "true_positive_rate": _plain(y[kept]),
        "threshold": _plain(thresholds[kept]),
    }


def precision_recall(positive: np.ndarray, scores: np.ndarray) -> Numbers:
    """The precision-recall curve (scikit-learn's ``precision_recall_curve``).

    ``average_precision`` is the step-wise sum over recall; ``base_rate``, the share of positives,
    is the precision of a random order. The last point (recall 0) has no threshold: null.
    """
    import numpy as np
    from sklearn import metrics

    if reason := _one_class(positive):
        return {"rows": len(positive), "undefined": reason}
    precision, recall, thresholds = metrics.precision_recall_curve(positive, scores)
    kept = thinned(recall, precision)
    return {
        "rows": len(positive),
        "base_rate": float(positive.mean()),
        "average_precision": float(metrics.average_precision_score(positive, scores)),
        "recall": _plain(recall[kept]),
        "precision": _plain(precision[kept]),
        "threshold": _plain(np.append(thresholds, np.nan)[kept]),
    }


def calibration(positive: np.ndarray, probabilities: np.ndarray) -> Numbers:
    """How often the outcome came true, by predicted probability, in ten bins of equal width.

    As scikit-learn's ``calibration_curve``: bins without rows are left out.
    """
    import numpy as np
    from sklearn.calibration import calibration_curve

    if not len(positive):
        return {"rows": 0, "undefined": NO_ROWS}
    observed, predicted = calibration_curve(
        positive.astype("int64"), probabilities, pos_label=1, n_bins=CALIBRATION_BINS
    )
    inner = np.linspace(0.0, 1.0, CALIBRATION_BINS + 1)[1:-1]
    counts = np.bincount(np.searchsorted(inner, probabilities), minlength=CALIBRATION_BINS)
    return {
        "rows": len(positive),
        "predicted": _plain(predicted),
        "observed": _plain(observed),
        "rows_in_bin": counts[counts > 0].tolist(),
    }


def confusion(labels: np.ndarray, predictions: np.ndarray, names: Sequence[str]) -> Numbers:
    """Count rows by class (rows of ``matrix``) and predicted class (columns).

    Labels and predictions are places in ``names``. Of more than ``MOST_CLASSES`` classes only the
    ones with most rows are shown, the others are added up as ``(others)``.
    """
    import numpy as np
    from sklearn.metrics import confusion_matrix

    if not len(labels):
        return {"rows": 0, "undefined": NO_ROWS}
    matrix = confusion_matrix(labels, predictions, labels=range(len(names)))
    shown = list(names)
    if len(names) > MOST_CLASSES:
        order = np.argsort(-matrix.sum(axis=1), kind="stable")
        first = np.sort(order[: MOST_CLASSES - 1])
        group = np.full(len(names), len(first))
        group[first] = np.arange(len(first))
        summed = np.zeros((len(first) + 1, len(first) + 1), dtype="int64")
        np.add.at(summed, (group[:, None], group[None, :]), matrix)
        matrix, shown = summed, [*(names[i] for i in first), "(others)"]
    return {"rows": len(labels), "classes": shown, "matrix": matrix.tolist()}


def per_class(labels: np.ndarray, predictions: np.ndarray, names: Sequence[str]) -> Numbers:
    """Precision, recall, F1 and rows of each class (``precision_recall_fscore_support``).

    A class that is never predicted has precision 0, one without rows recall 0.
    """
    from sklearn.metrics import precision_recall_fscore_support

    if not len(labels):
        return {"rows": 0, "undefined": NO_ROWS}
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, predictions, labels=range(len(names)), zero_division=0.0
    )
    return {
        "rows": len(labels),
        "classes": list(names),
        "precision": _plain(precision),
        "recall": _plain(recall),
        "f1": _plain(f1),
        "rows_of_class": support.tolist(),
    }


def predicted_actual(labels: np.ndarray, predictions: np.ndarray) -> Numbers:
    """Predicted beside actual numbers: every row, or ``MOST_DOTS`` drawn with a fixed seed."""
    import numpy as np

    if not len(labels):
        return {"rows": 0, "undefined": NO_ROWS}
    rows = np.arange(len(labels))
    if len(rows) > MOST_DOTS:
        rows = np.sort(np.random.default_rng(SEED).choice(rows, MOST_DOTS, replace=False))
    return {
        "rows": len(labels),
        "rows_shown": len(rows),
        "actual": _plain(labels[rows]),
        "predicted": _plain(predictions[rows]),
    }


def residuals(labels: np.ndarray, predictions: np.ndarray) -> Numbers:
    """How far predictions are off (predicted minus actual): mean, quantiles and histogram.

    The histogram spans the middle 98 %; what lies outside is counted in its first and last bin.
    """
    import numpy as np

    if not len(labels):
        return {"rows": 0, "undefined": NO_ROWS}
    off = predictions - labels
    shares = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
    quantiles = np.quantile(off, shares)
    low, high = float(quantiles[0]), float(quantiles[-1])
    return {
        "rows": len(off),
        "mean": float(off.mean()),
        "quantiles": {str(s): float(q) for s, q in zip(shares, quantiles, strict=True)},
        **histogram(np.clip(off, low, high), RESIDUAL_BINS, (low, high)),
    }


def histogram(values: np.ndarray, bins: int, span: tuple[float, float]) -> Numbers:
    """Count values in bins of equal width; a span without width is widened by half on each side.

    >>> import numpy as np
    >>> histogram(np.array([0.1, 0.2, 0.9]), 2, (0.0, 1.0))
    {'edges': [0.0, 0.5, 1.0], 'counts': [2, 1]}
    """
    import numpy as np

    counts, edges = np.histogram(values, bins=bins, range=span)
    return {"edges": _plain(edges), "counts": counts.tolist()}


def scores_by(
    values: np.ndarray, groups: dict[str, np.ndarray], span: tuple[float, float] | None = None
) -> Numbers:
    """Histograms of ``values`` in the same bins, for each group of rows (a mask) by its name."""
    if not len(values):
        return {"rows": 0, "undefined": NO_ROWS}
    span = span or (float(values.min()), float(values.max()))
    found = {name: histogram(values[mask], SCORE_BINS, span) for name, mask in groups.items()}
    return {
        "rows": len(values),
        "edges": histogram(values, SCORE_BINS, span)["edges"],
        "counts": {name: of["counts"] for name, of in found.items()},
    }


def thinned(x: np.ndarray, y: np.ndarray, most: int = MOST_POINTS) -> np.ndarray:
    """Choose the points of a curve to keep: places, ascending, the first and the last among them.

    All when there are not more than ``most``; otherwise one each time the curve has gone another
    ``1/most`` of its length (city-block), so that steep parts keep as much detail as flat ones.

    >>> import numpy as np
    >>> line = np.linspace(0, 1, 1001)
    >>> len(thinned(line, line)), len(thinned(line[:50], line[:50]))
    (200, 50)
    """
    import numpy as np

    if len(x) <= most:
        return np.arange(len(x))
    gone = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    steps = np.linspace(0.0, gone[-1], most)
    return np.unique(np.append(np.searchsorted(gone, steps), len(x) - 1).clip(max=len(x) - 1))


NO_ROWS = "there are no rows with a label and a prediction"


def _one_class(positive: np.ndarray) -> str:
    if not len(positive):
        return NO_ROWS
    if positive.all() or not positive.any():
        return f"all {len(positive)} rows are of one class"
    return ""


def _plain(values: np.ndarray) -> list[float | None]:
    """Round to six digits; what is not finite becomes null, which JSON has a word for."""
    import numpy as np

    return [float(f"{v:.6g}") if np.isfinite(v) else None for v in values]
