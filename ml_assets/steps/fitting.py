"""Fit the declared estimator on the training rows: on one node, or on the workers of a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml_assets.spec.errors import MlAssetsError, TrainingError
from ml_assets.steps.distributed import fit_on_cluster, refuse_other_sessions
from ml_assets.steps.estimator import make_estimator, make_model
from ml_assets.steps.training_rows import TRAIN

if TYPE_CHECKING:
    import pandas as pd

    from ml_assets.platform.protocol import Platform
    from ml_assets.spec.model import ModelSpec
    from ml_assets.steps.training_rows import TrainingRows

EXAMPLE_ROWS = 5


@dataclass(frozen=True)
class Fitted:
    """A fitted model that takes the features as they are stored, and what it was fitted on.

    ``label_mean`` is the mean of the training labels; ``example`` holds the features of the first
    training rows.
    """

    model: Any
    rows: int
    label_mean: float
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
    features, labels = list(spec.features), train[spec.label.name].to_numpy()
    try:
        fitted = model.fit(train[features], labels)
    except MlAssetsError:
        raise
    except (ValueError, TypeError, RuntimeError) as error:
        raise TrainingError(
            f"estimator {spec.estimator_class}",
            found=f"fitting failed: {error}",
            expected=f"a fit on {len(train)} rows and {len(features)} features",
            fix="look at the checks of training_set and labels, and at estimator.params",
        ) from error
    return Fitted(fitted, len(train), float(labels.mean()), train[features].head(EXAMPLE_ROWS))


def _fit_there(spec: ModelSpec, model: Any, platform: Platform, rows: TrainingRows) -> Fitted:
    from pyspark.sql import functions as F

    train = rows.part(TRAIN)
    label = F.col(f"`{spec.label.name}`")
    count, mean = train.agg(F.count(F.lit(1)), F.avg(label.cast("double"))).collect()[0]
    example = rows.collected(train.orderBy(*rows.order).limit(EXAMPLE_ROWS))
    fitted = fit_on_cluster(spec, platform.spark, model, rows)
    return Fitted(fitted, count, float(mean), example[list(spec.features)])
