"""Promotion's comparison: a paired bootstrap of 1,000 draws against drawing rows one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.harness import Figure, Side, stopwatch

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from ml_assets.steps.statistics.bootstrap import Measured
    from ml_assets.steps.statistics.drawn_units import DrawnUnits

ROWS, DRAWS = 1_000_000, 1000
ROWS_OF_AN_ENTITY = 20
#: Draws that the naive way is given; its time counts as if it had made all of them.
NAIVE_DRAWS = 5

FIGURES = (
    Figure(
        name="comparison",
        title="1 M rows x 1,000 draws, all 5 metrics of a classifier : rows drawn one by one, AUC alone",
        ours="promotion:ours",
        other="promotion:naive",
        target=0.05,
        rounds=3,
    ),
    Figure(
        name="comparison seconds",
        title="1 M rows of 50,000 entities x 1,000 draws, all 5 metrics of a classifier, in seconds",
        ours="promotion:by_entity",
        other=None,
        target=10.0,
        kind="seconds beyond",
        rounds=3,
    ),
)


def ours(scale: float) -> Side:
    """Measure two models on the same rows, and compare them in every metric; all is imported before."""
    return _compared(scale, rows_of_an_entity=1)


def by_entity(scale: float) -> Side:
    """As ``ours``, drawing entities; which rows belong to which is found, too."""
    return _compared(scale, rows_of_an_entity=ROWS_OF_AN_ENTITY)


def _compared(scale: float, *, rows_of_an_entity: int) -> Side:
    from ml_assets.steps.statistics.bootstrap import Drawing, paired_bootstrap

    small, few = _rows(scale / 1000)
    paired_bootstrap("binary_classification", small, *(_measured(small, s) for s in few))
    labels, pair = _rows(scale)
    names = _names(len(labels), rows_of_an_entity)
    with stopwatch() as timer:
        models = [_measured(labels, scores) for scores in pair]
        units = None if rows_of_an_entity == 1 else _units(names)
        drawing = Drawing(DRAWS)
        found = paired_bootstrap("binary_classification", labels, *models, drawing, units=units)
    area = found["roc_auc"]
    detail = f"gain {area.difference:.5f}, {area.low:.5f} to {area.high:.5f}"
    return Side(timer.seconds, len(labels), _answer(area.difference), detail)


def _names(rows: int, rows_of_an_entity: int) -> pd.DataFrame:
    """The key of each row, as a holdout has it: entities in turn, as on the days of a month."""
    import numpy as np
    import pandas as pd

    entities = max(2, rows // rows_of_an_entity)
    return pd.DataFrame({"key": np.char.mod("e%07d", np.arange(rows) % entities).astype(object)})


def _units(names: pd.DataFrame) -> DrawnUnits:
    from ml_assets.steps.statistics.drawn_units import DrawnUnits

    entity = names.groupby(["key"], sort=False, dropna=False).ngroup().to_numpy()
    return DrawnUnits(entity, int(entity.max()) + 1)


def naive(scale: float) -> Side:
    """Draw rows with replacement and measure both areas by scikit-learn, some of the draws."""
    import numpy as np
    from sklearn.metrics import roc_auc_score

    labels, (one, other) = _rows(scale)
    rng = np.random.default_rng(1)
    with stopwatch() as timer:
        for _ in range(NAIVE_DRAWS):
            rows = rng.integers(0, len(labels), len(labels))
            roc_auc_score(labels[rows], one[rows])
            roc_auc_score(labels[rows], other[rows])
    difference = roc_auc_score(labels, one) - roc_auc_score(labels, other)
    seconds = timer.seconds * DRAWS / NAIVE_DRAWS
    return Side(seconds, len(labels), _answer(difference), f"{NAIVE_DRAWS} draws, scaled")


def _rows(scale: float) -> tuple[np.ndarray, list[np.ndarray]]:
    import numpy as np

    rng = np.random.default_rng(20130101)
    rows = max(100, int(ROWS * scale))
    labels = (rng.random(rows) < 0.2).astype("float64")
    logits = labels + rng.normal(size=rows)
    worse = logits + 0.2 * rng.normal(size=rows)
    return labels, [1 / (1 + np.exp(-x)) for x in (logits, worse)]


def _measured(labels: np.ndarray, scores: np.ndarray) -> Measured:
    from ml_assets.steps.statistics.bootstrap import Measured
    from ml_assets.steps.training.metrics import JUDGED

    return Measured(scores, JUDGED["binary_classification"].metrics(labels, scores))


def _answer(difference: float) -> str:
    return f"{difference:.9f}"
