"""The shuffled-label control: the estimator, trained on labels that mean nothing, must know nothing.

The labels of a sample of the training rows are shuffled, and the declared estimator is fitted on
them. What it then knows of the holdout it has from somewhere else than its labels.

One such fit alone says little: a curve through noise may by chance rise where the outcome rises
(of a linear model with one strong feature the AUC is either high or low, never near 0.5). So the
same shuffled labels are also given turned round: numbers are mirrored at their mean, of two classes
each becomes the other, of more each becomes the next. Noise then says the opposite and cancels out;
knowledge from elsewhere does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml_assets.steps.statistics.levels import levels_of
from ml_assets.steps.statistics.power import auc_of_groups
from ml_assets.steps.training.estimator import make_estimator, make_model

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from ml_assets.platform.protocol import Run
    from ml_assets.spec.model import ModelSpec

    Array = np.ndarray[Any, Any]

#: Fits for several classes; two classes need two.
MOST_TURNS = 4
SEED = 20130101


@dataclass(frozen=True)
class Control:
    """What models trained on shuffled labels reach on the holdout: the mean over the fits.

    ``value`` is ROC AUC (of several classes the mean, each against all others) or R²;
    ``standard_error`` is how far it is usually off by chance.
    """

    metric: str
    value: float
    standard_error: float
    train_rows: int
    holdout_rows: int
    fits: int

    def metrics(self) -> dict[str, float]:
        """Name the numbers as the development run logs them."""
        return {
            f"control_{self.metric}": self.value,
            "control_standard_error": self.standard_error,
            "control_train_rows": self.train_rows,
            "control_holdout_rows": self.holdout_rows,
            "control_fits": self.fits,
        }


def log_control(
    spec: ModelSpec, run: Run, train: pd.DataFrame, judged: pd.DataFrame, strings: tuple[str, ...]
) -> dict[str, float]:
    """Run the control at training time and log it; without labels to learn there is nothing to do.

    When the estimator cannot be fitted on shuffled labels the run gets the tag
    ``ml_assets.control_error`` instead, and the check says that nothing was measured.
    """
    if not spec.kind.learns_label:
        return {}
    try:
        metrics = shuffled_control(spec, train, judged, strings).metrics()
    except (ValueError, TypeError, RuntimeError) as error:
        run.log(tags={"ml_assets.control_error": f"{type(error).__name__}: {error}"[:1000]})
        return {}
    run.log(metrics=metrics)
    return metrics


def shuffled_control(
    spec: ModelSpec, train: pd.DataFrame, holdout: pd.DataFrame, strings: tuple[str, ...]
) -> Control:
    """Fit the declared estimator on shuffled labels and judge it on true ones.

    Raises
    ------
    ValueError
        When the holdout has one class only (or one number), so that nothing can be judged.
    """
    import numpy as np

    label, features = spec.label.name, list(spec.features)
    numbers = [f for f in features if f not in strings]
    labels = train[label].to_numpy()
    shuffled = np.random.default_rng(SEED).permutation(labels)
    truth = holdout[label].to_numpy()
    scores = []
    for target in turned(spec, shuffled):
        model = make_model(spec, make_estimator(spec), strings, numbers)
        scores.append(_scores(spec, model.fit(train[features], target), holdout[features]))
    judge = r2_of_noise if spec.label_classes is None else auc_of_noise
    value, error = judge(truth, scores)
    if not np.isfinite([value, error]).all():
        message = f"the {len(truth)} holdout rows have one class (or one number) only"
        raise ValueError(message)
    return Control(spec.kind.leak_metric, value, error, len(train), len(truth), len(scores))


def turned(spec: ModelSpec, shuffled: Array) -> list[Array]:
    """The shuffled labels and the same ones turned round, so that noise cancels out.

    Every class occurs in each: where a class is so rare that the sample lacks it, one of the first
    rows gets it, which harms nothing among shuffled labels.
    """
    if spec.label_classes is None:
        return [shuffled, 2 * shuffled.mean() - shuffled]
    count = len(spec.label_classes)
    missing = sorted({*range(count)} - {*shuffled.tolist()})
    base = shuffled.astype("int64")
    base[: len(missing)] = missing[: len(base)]
    return [(base + turn) % count for turn in range(min(count, MOST_TURNS))]


def auc_of_noise(truth: Array, scores: list[Array]) -> tuple[float, float]:
    """ROC AUC of class scores (a column for each class), the mean over classes and fits, and its error.

    The standard error is that of the Mann-Whitney statistic without any effect,
    sqrt((n1 + n0 + 1) / (12 n1 n0)) (Mann and Whitney 1947), averaged over the classes: fits and
    classes are not taken as independent. NaN when no class can be judged.
    """
    import numpy as np
    import pandas as pd

    aucs, errors = [], []
    classes = range(scores[0].shape[1])
    for number in [1] if len(classes) == 2 else classes:  # noqa: PLR2004 - the other is the same
        hits = (truth == number).astype("float64")
        n1, n0 = hits.sum(), (1 - hits).sum()
        if not n1 or not n0:
            continue
        for score in scores:
            levels = levels_of(pd.Series(score[:, number]))
            aucs.append(auc_of_groups(levels.sizes(), levels.sums(hits[:, None]))[0])
        errors.append(np.sqrt((n1 + n0 + 1) / (12 * n1 * n0)))
    if not aucs:
        return float("nan"), float("nan")
    return float(np.mean(aucs)), float(np.mean(errors))


def r2_of_noise(truth: Array, scores: list[Array]) -> tuple[float, float]:
    """R² of predicted numbers, the mean over the fits, and its standard error.

    R² = mean(d) / variance with d = (y - mean)² - (y - prediction)², averaged over the fits row by
    row; its error is the standard error of that mean, sd(d) / sqrt(n) / variance (the paired
    comparison of two forecasts' losses, Diebold and Mariano 1995). NaN when ``truth`` is constant.
    """
    import numpy as np

    centred = (truth - truth.mean()) ** 2
    if len(truth) < 2 or centred.sum() == 0:  # noqa: PLR2004
        return float("nan"), float("nan")
    gains = centred - np.mean([(truth - s) ** 2 for s in scores], axis=0)
    value = gains.mean() / centred.mean()
    error = gains.std(ddof=1) / np.sqrt(len(truth)) / centred.mean()
    return float(value), float(error)


def _scores(spec: ModelSpec, model: Any, features: pd.DataFrame) -> Array:
    import numpy as np

    found = model.predict(features) if spec.label_classes is None else model.predict_proba(features)
    return np.asarray(found, dtype="float64")
