"""How a fitted model is measured on the holdout, by model type, beside a constant prediction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ml_assets.spec.errors import TrainingError
from ml_assets.spec.model_types import KINDS, METRICS
from ml_assets.steps.statistics.metric_formulas import (
    UNDEFINED,
    anomaly_metrics,
    binary_metrics,
    multiclass_metrics,
    probability_metrics,
    regression_metrics,
)
from ml_assets.steps.training.probability_model import probability_model
from ml_assets.steps.training.unfit import (
    Unfit,
    no_anomaly_scores,
    no_numbers,
    no_probabilities,
)

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from ml_assets.spec.model_types import ModelType


@dataclass(frozen=True)
class TrainLabels:
    """What is known of the training labels.

    Of classes: ``shares``, by class. Of numbers: ``mean`` and ``std`` (population, in the label's
    unit). Neither when the labels are not learned.
    """

    shares: Mapping[int, float] = field(default_factory=dict)
    mean: float | None = None
    std: float | None = None

    def metrics(self) -> dict[str, float]:
        """Name the numbers as the development run logs them."""
        found = {f"label_share_{c}": share for c, share in self.shares.items()}
        numbers = {"label_mean": self.mean, "label_std": self.std}
        return found | {name: value for name, value in numbers.items() if value is not None}


def _as_fitted(model: Any, features: pd.DataFrame, labels: Any) -> Any:  # noqa: ARG001 - as declared
    return model


@dataclass(frozen=True)
class Judged:
    """How models of one type are judged.

    ``score(model, features)`` gives what the metrics need of each row, as float64: one number, or
    for several classes one column for each. ``measure(labels, scores)`` measures it; labels may be
    NaN where the model type allows unknown ones. ``constant(train, rows)`` are the scores of a model
    that knows the training labels alone. ``columns(scores)`` names the scores in the stored
    evidence. ``unfit(estimator)`` says why an estimator cannot give scores, or None.
    ``served(model, features, labels)`` turns a fitted model into the one that is judged and packaged.
    Scores that are ``probabilities`` lie between 0 and 1.
    """

    model_type: ModelType
    score: Callable[[Any, pd.DataFrame], np.ndarray]
    measure: Callable[[np.ndarray, np.ndarray], dict[str, float]]
    constant: Callable[[TrainLabels, int], np.ndarray]
    columns: Callable[[np.ndarray], dict[str, np.ndarray]]
    unfit: Callable[[Any], Unfit | None]
    served: Callable[[Any, pd.DataFrame, Any], Any] = _as_fitted
    probabilities: bool = True

    def metrics(self, labels: Any, scores: np.ndarray) -> dict[str, float]:
        """Measure scores; what the rows do not define is left out (``unmeasured`` names it).

        Raises
        ------
        TrainingError
            When a score is NaN or no probability where it has to be one, or there are no rows.
        """
        import numpy as np

        rows = len(scores)
        each = scores.reshape(rows, -1) if rows else np.zeros((0, 1))
        good = (each >= 0) & (each <= 1) if self.probabilities else ~np.isnan(each)
        bad = int((~good.all(axis=1)).sum())
        if bad or not rows:
            what = "a probability (0 to 1)" if self.probabilities else "a number"
            raise TrainingError(
                "the fitted model",
                found=f"{bad} of {rows} rows of the holdout with NaN, or something else than {what}",
                expected=f"{what} for every row of the holdout, and at least one row",
                fix="look at the checks of training_set (ml03) and at estimator.params: a learning "
                "rate that is too high makes NaN",
                rule="ml02_prediction_dtype",
            )
        return self.measure(np.asarray(labels, dtype="float64"), scores)

    def unmeasured(self, measured: Mapping[str, float]) -> dict[str, str]:
        """Say of each metric of the type that was not measured what the holdout lacks."""
        absent = [m for m in KINDS[self.model_type].metrics if m not in measured]
        return {m: UNDEFINED.get(m, "not measured") for m in absent}

    def baseline(self, train: TrainLabels, labels: Any) -> dict[str, float]:
        """Measure a constant prediction made from the training labels: class shares, or their mean.

        Metrics without a baseline are left out.
        """
        found = self.metrics(labels, self.constant(train, len(labels)))
        yardsticks = [m for m in KINDS[self.model_type].metrics if METRICS[m].has_baseline]
        return {m: found[m] for m in yardsticks if m in found}


def _probabilities(model: Any, features: pd.DataFrame) -> np.ndarray:
    scores: np.ndarray = model.predict_proba(features)[:, 1].astype("float64")
    return scores


def _class_probabilities(model: Any, features: pd.DataFrame) -> np.ndarray:
    """A row adds up to 1 in float64 too; models compute it in float32."""
    import numpy as np

    scores = np.asarray(model.predict_proba(features), dtype="float64")
    summed: np.ndarray = scores / scores.sum(axis=1, keepdims=True)
    return summed


def _predictions(model: Any, features: pd.DataFrame) -> np.ndarray:
    import numpy as np

    return np.asarray(model.predict(features), dtype="float64")


def _anomaly_scores(model: Any, features: pd.DataFrame) -> np.ndarray:
    """Above 0 where ``predict`` gives -1: scikit-learn's detectors have their border at 0."""
    import numpy as np

    scores: np.ndarray = -np.asarray(model.decision_function(features), dtype="float64")
    return scores


def _constant_probability(train: TrainLabels, rows: int) -> np.ndarray:
    import numpy as np

    return np.full(rows, train.shares.get(1, 0.0))


def _constant_shares(train: TrainLabels, rows: int) -> np.ndarray:
    import numpy as np

    return np.tile(np.array([train.shares[c] for c in sorted(train.shares)]), (rows, 1))


def _constant_mean(train: TrainLabels, rows: int) -> np.ndarray:
    import numpy as np

    return np.full(rows, np.nan if train.mean is None else train.mean)


def _nothing_flagged(_: TrainLabels, rows: int) -> np.ndarray:
    import numpy as np

    return np.zeros(rows)


def _probability_columns(scores: np.ndarray) -> dict[str, np.ndarray]:
    return {"probability": scores}


def _class_columns(scores: np.ndarray) -> dict[str, np.ndarray]:
    return {f"probability_{i}": scores[:, i] for i in range(scores.shape[1])}


def _anomaly_columns(scores: np.ndarray) -> dict[str, np.ndarray]:
    return {"anomaly_score": scores}


def _no_columns(_: np.ndarray) -> dict[str, np.ndarray]:
    return {}  # the prediction says it all


#: By model type; what a type means for a declaration is in ``ml_assets.spec.model_types``.
JUDGED: Mapping[ModelType, Judged] = {
    judged.model_type: judged
    for judged in (
        Judged(
            "binary_classification",
            _probabilities,
            binary_metrics,
            _constant_probability,
            _probability_columns,
            no_probabilities,
        ),
        Judged(
            "multiclass_classification",
            _class_probabilities,
            multiclass_metrics,
            _constant_shares,
            _class_columns,
            no_probabilities,
        ),
        Judged(
            "probability",
            _predictions,
            probability_metrics,
            _constant_probability,
            _probability_columns,
            no_probabilities,
            served=probability_model,
        ),
        Judged(
            "regression",
            _predictions,
            regression_metrics,
            _constant_mean,
            _no_columns,
            no_numbers,
            probabilities=False,
        ),
        Judged(
            "anomaly_detection",
            _anomaly_scores,
            anomaly_metrics,
            _nothing_flagged,
            _anomaly_columns,
            no_anomaly_scores,
            probabilities=False,
        ),
    )
}
