"""What training leaves in its run for later checks: the shuffled-label control, the drift reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml_assets.steps.measuring.drift import SCORES, log_reference
from ml_assets.steps.measuring.sampling import sampled
from ml_assets.steps.training.shuffled_control import log_control
from ml_assets.steps.training.training_rows import TRAIN

if TYPE_CHECKING:
    import pandas as pd

    from ml_assets.platform.protocol import Run
    from ml_assets.spec.model import ModelSpec
    from ml_assets.steps.training.training_rows import TrainingRows

#: Training rows, and holdout rows, that are looked at: a control's standard error is then 0.005.
ROWS = 20_000
SEED = 20130101


def log_evidence(
    spec: ModelSpec, run: Run, rows: TrainingRows, holdout: pd.DataFrame, fitted: tuple[Any, int]
) -> dict[str, float]:
    """Log both, on one sample of the training rows by key and one of the holdout; give the metrics.

    ``fitted`` is the model and how many rows it was fitted on. One small query; the samples are the
    same at every execution.
    """
    model, train_rows = fitted
    most = min(ROWS, spec.thresholds.leakage_rows)
    part = sampled(rows.part(TRAIN), spec.label_keys, rows=train_rows, most=most)
    train = rows.collected(part)
    judged = holdout.sample(min(most, len(holdout)), random_state=SEED)
    predicted = model.predict(judged[list(spec.features)])
    log_reference(spec, run, train, judged.assign(**{SCORES: predicted}))
    return log_control(spec, run, train, judged, rows.strings)
