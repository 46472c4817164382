"""The figures of one evaluation, by model type: what a person looks at before trusting a model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_assets.evidence import drawing, numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes

    from ml_assets.evidence.numbers import Numbers
    from ml_assets.spec.model import ModelSpec
    from ml_assets.spec.model_types import ModelType

ANOMALY = -1


@dataclass(frozen=True)
class Figure:
    """One figure: its file name without ending, its title, its numbers, and how they are drawn."""

    name: str
    title: str
    numbers: Numbers
    draw: Callable[[Axes, Numbers], None]


def write_figures(spec: ModelSpec, holdout: pd.DataFrame, folder: Path) -> tuple[Path, ...]:
    """Draw the holdout's figures into ``folder``, each as PNG with its numbers as JSON beside it.

    Parameters
    ----------
    holdout
        Label, prediction and what the model type's metrics need: ``probability``,
        ``probability_0`` to ``probability_<k-1>`` or ``anomaly_score``. Rows in which one of these
        is null, NaN or infinite are left out and counted (``left_out``); of anomaly detection,
        where nobody may know a label, only rows without a score.

    Returns
    -------
    The files: for each figure ``<name>.json``, then ``<name>.png``. A figure that cannot be made of
    these rows (none left, one class only) says so in both. The same rows give the same files.
    """
    kept = _complete(spec, holdout)
    left_out = len(holdout) - len(kept)
    files: list[Path] = []
    for figure in FIGURES[spec.model_type](spec, kept):
        values = {"title": figure.title, "left_out": left_out, **figure.numbers}
        path = folder / f"{figure.name}.json"
        path.write_text(json.dumps(values, allow_nan=False) + "\n", encoding="utf-8")
        picture = folder / f"{figure.name}.png"
        drawing.save(picture, f"{figure.title} · {spec.name}", figure.numbers, figure.draw)
        files += [path, picture]
    return tuple(files)


def _complete(spec: ModelSpec, holdout: pd.DataFrame) -> pd.DataFrame:
    import numpy as np

    scores = [c for c in holdout.columns if c in {"prediction", "probability", "anomaly_score"}]
    scores += [c for c in holdout.columns if c.startswith("probability_")]
    needed = [*scores, spec.label.name] if spec.kind.learns_label else scores
    values = holdout[needed].astype("float64").to_numpy()
    complete: pd.DataFrame = holdout[np.isfinite(values).all(axis=1)]
    return complete


def _of_two_classes(spec: ModelSpec, rows: pd.DataFrame) -> list[Figure]:
    positive = _values(rows, spec.label.name) == 1
    scores = _values(rows, "probability")
    groups = {f"{spec.label.name} = 0": ~positive, f"{spec.label.name} = 1": positive}
    by_class = numbers.scores_by(scores, groups, (0.0, 1.0))
    return [
        *_curves(positive, scores),
        Figure(
            "calibration",
            "Calibration",
            numbers.calibration(positive, scores),
            drawing.draw_calibration,
        ),
        Figure(
            "scores",
            "Predicted probability by class",
            {**by_class, "score": "predicted probability"},
            drawing.draw_scores,
        ),
    ]


def _of_many_classes(spec: ModelSpec, rows: pd.DataFrame) -> list[Figure]:
    names = [str(c) for c in spec.label.classes]
    labels, predictions = (
        _values(rows, c).astype("int64") for c in (spec.label.name, "prediction")
    )
    return [
        Figure(
            "confusion_matrix",
            "Confusion matrix",
            numbers.confusion(labels, predictions, names),
            drawing.draw_confusion,
        ),
        Figure(
            "per_class",
            "Precision and recall by class",
            numbers.per_class(labels, predictions, names),
            drawing.draw_per_class,
        ),
    ]


def _of_numbers(spec: ModelSpec, rows: pd.DataFrame) -> list[Figure]:
    labels, predictions = _values(rows, spec.label.name), _values(rows, "prediction")
    return [
        Figure(
            "predicted_actual",
            "Predicted and actual",
            numbers.predicted_actual(labels, predictions),
            drawing.draw_predicted_actual,
        ),
        Figure(
            "residuals",
            "Residuals",
            numbers.residuals(labels, predictions),
            drawing.draw_residuals,
        ),
    ]


def _of_anomalies(spec: ModelSpec, rows: pd.DataFrame) -> list[Figure]:
    """Score distribution of what was flagged and what was not; curves where outcomes are known."""
    scores, flagged = _values(rows, "anomaly_score"), _values(rows, "prediction") == ANOMALY
    share = float(flagged.mean()) if len(flagged) else None
    groups = {"not flagged": ~flagged, "flagged": flagged}
    title = "Anomaly scores" if share is None else f"Anomaly scores, {share:.2%} flagged"
    found = {**numbers.scores_by(scores, groups), "score": "anomaly score", "flagged_share": share}
    figures = [Figure("anomaly_scores", title, found, drawing.draw_scores)]
    known = rows[rows[spec.label.name].notna()] if spec.label.name in rows else rows[:0]
    if len(known):
        positive = _values(known, spec.label.name) == ANOMALY
        figures += _curves(positive, _values(known, "anomaly_score"))
    return figures


def _curves(positive: np.ndarray, scores: np.ndarray) -> list[Figure]:
    return [
        Figure("roc", "ROC curve", numbers.roc(positive, scores), drawing.draw_roc),
        Figure(
            "precision_recall",
            "Precision and recall",
            numbers.precision_recall(positive, scores),
            drawing.draw_precision_recall,
        ),
    ]


def _values(rows: pd.DataFrame, column: str) -> np.ndarray:
    values: np.ndarray = rows[column].to_numpy("float64")
    return values


FIGURES: Mapping[ModelType, Callable[[ModelSpec, pd.DataFrame], list[Figure]]] = {
    "binary_classification": _of_two_classes,
    "probability": _of_two_classes,
    "multiclass_classification": _of_many_classes,
    "regression": _of_numbers,
    "anomaly_detection": _of_anomalies,
}
