"""How a fitted model is measured on the holdout, by model type, beside a constant prediction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from ml_assets.spec.model_types import ModelType


@dataclass(frozen=True)
class Unfit:
    """Why an estimator cannot be judged as its model type is."""

    found: str
    expected: str
    fix: str


@dataclass(frozen=True)
class Judged:
    """How models of one type are judged.

    ``score(model, features)`` gives what the metrics need of each row, as float64; ``column`` is its
    name in the stored evidence. ``metrics(labels, scores)`` measures it. ``unfit(estimator)`` says
    why an estimator cannot give it, or None.
    """

    column: str
    score: Callable[[Any, pd.DataFrame], np.ndarray]
    metrics: Callable[[np.ndarray, np.ndarray], dict[str, float]]
    unfit: Callable[[Any], Unfit | None]

    def baseline(self, train_mean: float, labels: np.ndarray) -> dict[str, float]:
        """Measure a constant: the mean of the training labels (of 0/1 labels, the base rate)."""
        import numpy as np

        return self.metrics(labels, np.full(len(labels), float(train_mean)))


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


def regression_metrics(labels: np.ndarray, predictions: np.ndarray) -> dict[str, float]:
    """Measure predicted numbers against numbers, in the label's unit (``r2`` has none).

    Computed by scikit-learn: ``root_mean_squared_error``, ``mean_absolute_error``,
    ``median_absolute_error`` and ``r2_score`` (1 is perfect, 0 is the holdout's own mean, and there
    is no lower end). ``labels`` must not be constant; no NaN.

    >>> import numpy as np
    >>> metrics = regression_metrics(np.array([1.0, 2.0, 4.0]), np.array([1.0, 3.0, 2.0]))
    >>> {k: round(v, 4) for k, v in metrics.items()}
    {'rmse': 1.291, 'mae': 1.0, 'median_ae': 1.0, 'r2': -0.0714}
    """
    from sklearn import metrics

    return {
        "rmse": float(metrics.root_mean_squared_error(labels, predictions)),
        "mae": float(metrics.mean_absolute_error(labels, predictions)),
        "median_ae": float(metrics.median_absolute_error(labels, predictions)),
        "r2": float(metrics.r2_score(labels, predictions)),
    }


def _probabilities(model: Any, features: pd.DataFrame) -> np.ndarray:
    scores: np.ndarray = model.predict_proba(features)[:, 1].astype("float64")
    return scores


def _predictions(model: Any, features: pd.DataFrame) -> np.ndarray:
    import numpy as np

    return np.asarray(model.predict(features), dtype="float64")


def _no_probabilities(estimator: Any) -> Unfit | None:
    if hasattr(estimator, "predict_proba"):
        return None
    return Unfit(
        found="an estimator without predict_proba",
        expected="one that gives probabilities",
        fix="use a classifier with predict_proba, such as xgboost.XGBClassifier, or wrap it in "
        "sklearn.calibration.CalibratedClassifierCV",
    )


def _no_numbers(estimator: Any) -> Unfit | None:
    from sklearn.base import is_classifier

    if hasattr(estimator, "predict") and not is_classifier(estimator):
        return None
    return Unfit(
        found="a classifier" if hasattr(estimator, "predict") else "an estimator without predict",
        expected="a regressor",
        fix="use a regressor, such as xgboost.XGBRegressor, or declare "
        "model_type: binary_classification",
    )


#: By model type; what a type means for a declaration is in ``ml_assets.spec.model_types``.
JUDGED: Mapping[ModelType, Judged] = {
    "binary_classification": Judged(
        "probability", _probabilities, binary_metrics, _no_probabilities
    ),
    "regression": Judged("prediction", _predictions, regression_metrics, _no_numbers),
}
