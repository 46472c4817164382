"""Fit the declared estimator on the training rows: on one node, or on the workers of a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml_assets.spec.errors import MlAssetsError, TrainingError
from ml_assets.steps.library_errors import fitting_failed
from ml_assets.steps.training.distributed import fit_on_cluster, refuse_other_sessions
from ml_assets.steps.training.estimator import make_estimator, make_model
from ml_assets.steps.training.metrics import JUDGED, TrainLabels
from ml_assets.steps.training.training_rows import TRAIN

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from pyspark.sql import DataFrame

    from ml_assets.platform.protocol import Platform
    from ml_assets.spec.model import ModelSpec
    from ml_assets.steps.training.training_rows import TrainingRows

EXAMPLE_ROWS = 5


@dataclass(frozen=True)
class Fitted:
    """A fitted model that takes the features as they are stored, and what it was fitted on.

    ``labels`` describes the training labels; ``example`` holds the features of the first training
    rows.
    """

    model: Any
    rows: int
    labels: TrainLabels
    example: pd.DataFrame


def refuse_unfit_sessions(spec: ModelSpec, platform: Platform) -> None:
    """Refuse a Spark session that cannot train as declared, before anything is read or logged.

    Raises
    ------
    TrainingError
        When distributed training is declared and the session cannot do it.
    """
    if spec.estimator.distributed is not None:
        refuse_other_sessions(platform.spark, spec.estimator.distributed)


def fit(spec: ModelSpec, platform: Platform, rows: TrainingRows) -> Fitted:
    """Fit on the training rows only.

    Raises
    ------
    TrainingError
        When the estimator cannot be built or raises; the original error stays attached.
    """
    numbers = [f for f in spec.features if f not in rows.strings]
    model = make_model(spec, make_estimator(spec), rows.strings, numbers)
    if spec.estimator.distributed is None:
        return _fit_here(spec, model, rows)
    return _fit_there(spec, model, platform, rows)


def _fit_here(spec: ModelSpec, model: Any, rows: TrainingRows) -> Fitted:
    train = rows.collected(rows.part(TRAIN))
    features = train[list(spec.features)]
    labels = _learned(spec, train)
    try:
        stats = _described(spec, train)
        fitted = model.fit(features) if labels is None else model.fit(features, labels)
    except MlAssetsError:
        raise
    except (ValueError, TypeError, RuntimeError) as error:
        if known := fitting_failed(spec, train, error):
            raise known from error
        raise TrainingError(
            f"estimator {spec.estimator_class}",
            found=f"fitting failed: {error}",
            expected=f"a fit on {len(train)} rows and {features.shape[1]} features",
            fix="look at the checks of training_set and labels, and at estimator.params",
        ) from error
    served = _served(spec, fitted, train)
    return Fitted(served, len(train), stats, features.head(EXAMPLE_ROWS))


def _fit_there(spec: ModelSpec, model: Any, platform: Platform, rows: TrainingRows) -> Fitted:
    train = rows.part(TRAIN)
    stats, count = _described_there(spec, train)
    first = train.orderBy(*rows.order).limit(EXAMPLE_ROWS)
    example = rows.collected(first)
    fitted = fit_on_cluster(spec, platform.spark, model, rows)
    few = rows.collected(train.dropDuplicates([spec.label.name])) if spec.label_classes else example
    served = _served(spec, fitted, few)
    return Fitted(served, count, stats, example[list(spec.features)])


def _served(spec: ModelSpec, fitted: Any, train: pd.DataFrame) -> Any:
    """Make the model that is judged and packaged; it may look at one training row of each class."""
    few = train.drop_duplicates(spec.label.name)
    labels = few[spec.label.name].to_numpy()
    return JUDGED[spec.model_type].served(fitted, few[list(spec.features)], labels)


def _learned(spec: ModelSpec, train: pd.DataFrame) -> Any:
    """The labels to learn; None for a model that is fitted on features alone."""
    return train[spec.label.name].to_numpy() if spec.kind.learns_label else None


def _described(spec: ModelSpec, train: pd.DataFrame) -> TrainLabels:
    import numpy as np

    labels = train[spec.label.name]
    if not spec.kind.learns_label:
        return TrainLabels()
    if spec.label_classes is None:
        return TrainLabels(mean=float(labels.mean()), std=float(labels.std(ddof=0)))
    classes, counts = np.unique(labels, return_counts=True)
    return _shares(spec, {int(c): int(n) for c, n in zip(classes, counts, strict=True)})


def _described_there(spec: ModelSpec, train: DataFrame) -> tuple[TrainLabels, int]:
    """Describe the labels where they are, and count the rows."""
    from pyspark.sql import functions as F

    label = F.col(f"`{spec.label.name}`")
    if spec.label_classes is not None:
        counts = {int(r[0]): int(r[1]) for r in train.groupBy(label).count().collect()}
        return _shares(spec, counts), sum(counts.values())
    number = label.cast("double")
    rows, mean, std = train.agg(F.count(F.lit(1)), F.avg(number), F.stddev_pop(number)).collect()[0]
    return TrainLabels(mean=float(mean), std=float(std)), int(rows)


def _shares(spec: ModelSpec, counts: Mapping[int, int]) -> TrainLabels:
    """Share of each declared class; a class without rows cannot be learned."""
    classes = spec.label_classes or ()
    if missing := [c for c in classes if not counts.get(c)]:
        names = [repr(spec.label.classes[c]) if spec.label.classes else str(c) for c in missing]
        raise TrainingError(
            f"label {spec.label.name}",
            found=f"no training row of class {', '.join(names)}",
            expected=f"training rows of each of the {len(classes)} classes",
            fix="declare only classes that occur in label.classes, or give the training part more "
            "rows (split.holdout)",
            rule="ml05_not_single_class",
        )
    total = sum(counts.values())
    return TrainLabels(shares={c: counts[c] / total for c in classes})
