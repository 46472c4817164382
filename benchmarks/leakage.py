"""The leakage battery against one fit of the default XGBoost, on the same stored training set."""

from __future__ import annotations

import shutil
from functools import cache
from typing import TYPE_CHECKING, Any

from benchmarks import data
from benchmarks.harness import SCRATCH, Figure, Side, stopwatch

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from ml_assets.platform.embedded import EmbeddedPlatform
    from ml_assets.spec.model import ModelSpec
    from ml_assets.steps.training.training_rows import TrainingRows

FIGURES = (
    Figure(
        name="leakage_battery",
        title="1 M x 50 training set: every leakage check, controls included : fit the default XGBoost",
        ours="leakage:battery",
        other="leakage:fit",
        target=1.0,
        rounds=3,
    ),
    Figure(
        name="leakage_battery_numbers",
        title="the same of a label that is a number",
        ours="leakage:battery_numbers",
        other="leakage:fit_numbers",
        target=1.0,
        rounds=3,
    ),
)
ROWS, NUMBERS, STRINGS = 1_000_000, 45, 5
#: Different values of the strings, from few to as many as there are rows.
LEVELS = (3, 30, 1000, 100_000, 1_000_000)


def battery(scale: float) -> Side:
    """Power and copies of single features, the shuffled-label control, too good, the judgement."""
    return _battery(scale, "binary_classification")


def battery_numbers(scale: float) -> Side:
    """The same for regression."""
    return _battery(scale, "regression")


def fit(scale: float) -> Side:
    """Fit ``xgboost.XGBClassifier`` with the default parameters on the training rows in memory."""
    return _fit(scale, "binary_classification")


def fit_numbers(scale: float) -> Side:
    """Fit ``xgboost.XGBRegressor``."""
    return _fit(scale, "regression")


def _battery(scale: float, model_type: str) -> Side:
    from ml_assets.rules.registry import judge
    from ml_assets.steps.execution import Inputs
    from ml_assets.steps.measuring.leakage import measure_leakage
    from ml_assets.steps.measuring.measure import column_types
    from ml_assets.steps.measuring.sampling import sampled
    from ml_assets.steps.training.shuffled_control import shuffled_control
    from ml_assets.steps.training.training_evidence import ROWS as CONTROL_ROWS
    from ml_assets.steps.training_set import measure

    spec, rows = _spec(model_type), int(ROWS * scale)
    platform = _platform(spec, rows)
    stored = _stored(spec, platform)
    holdout = stored.collected(stored.part("holdout")).head(CONTROL_ROWS)
    count = stored.part("train").count()
    facts = measure(spec, platform, Inputs("training_set", {}, {}))
    types = column_types(stored.frame)
    # Loading libraries is no work on rows: the other side does not time it either.
    shuffled_control(spec, holdout.head(500), holdout.head(500), stored.strings)
    with stopwatch() as timer:
        found = measure_leakage(stored.frame, spec, types, spec.features, count)
        part = sampled(stored.part("train"), spec.label_keys, rows=count, most=CONTROL_ROWS)
        train = stored.collected(part).head(CONTROL_ROWS)
        control = shuffled_control(spec, train, holdout, stored.strings)
        judge(spec, "training_set", facts)
    assert facts.leakage == found
    return Side(
        timer.seconds, rows, detail=f"{found.rows} rows looked at, control {control.value:.3f}"
    )


def _fit(scale: float, model_type: str) -> Side:
    from ml_assets.steps.training.estimator import make_estimator, make_model

    spec, rows = _spec(model_type), int(ROWS * scale)
    stored = _stored(spec, _platform(spec, rows))
    train = stored.collected(stored.part("train"))
    numbers = [f for f in spec.features if f not in stored.strings]
    features, labels = train[list(spec.features)], train[spec.label.name].to_numpy()
    model = make_model(spec, make_estimator(spec), stored.strings, numbers)
    # Loading the library is no work on rows.
    make_model(spec, make_estimator(spec), stored.strings, numbers).fit(
        features.head(1000), labels[:1000]
    )
    with stopwatch() as timer:
        model.fit(features, labels)
    return Side(timer.seconds, rows, detail=f"{len(train)} rows fitted")


@cache
def _spec(model_type: str) -> ModelSpec:
    from ml_assets.spec.model import ModelSpec

    declared = data.spec().model_dump(mode="python", exclude_none=True, exclude_defaults=True)
    names = [*(f"x{i}" for i in range(NUMBERS)), *(f"s{i}" for i in range(STRINGS))]
    declared["feature_tables"][0]["columns"] = {n: {} for n in names}
    declared["model_type"] = model_type
    declared["label"]["name"] = "y" if model_type == "binary_classification" else "amount"
    declared["gates"] = {"roc_auc" if model_type == "binary_classification" else "r2": {"min": 0.0}}
    return ModelSpec.model_validate(declared)


def _stored(spec: ModelSpec, platform: EmbeddedPlatform) -> TrainingRows:
    from ml_assets.steps.handles import TableHandle
    from ml_assets.steps.training.training_rows import read_training_set

    version = platform.tables.info(spec.training_set).version
    return read_training_set(spec, platform, TableHandle(spec.training_set, version, "", rows=0))


def _platform(spec: ModelSpec, rows: int) -> EmbeddedPlatform:
    """Open a platform on a training set of this size; it is generated the first time."""
    from ml_assets.platform.embedded import EmbeddedPlatform
    from ml_assets.spec.catalog import TableLayout

    home = SCRATCH / f"leakage-{spec.label.name}-{rows}"
    platform = EmbeddedPlatform(home=home)
    done = home / "complete"
    if not done.exists():
        shutil.rmtree(home, ignore_errors=True)
        layout = TableLayout(spec.training_set, ("k",), spec.label.event_time)
        data.store(platform, layout, _rows(spec, rows))
        done.touch()
    return platform


def _rows(spec: ModelSpec, rows: int) -> Iterator[pa.Table]:
    """Ten features say a little of the label, the others nothing; the last fifth is the holdout."""
    import numpy as np
    import pyarrow as pa

    rng = np.random.default_rng(data.SEED)
    size = min(rows, 100_000)
    for start in range(0, rows, size):
        number = np.arange(start, min(start + size, rows))
        columns: dict[str, Any] = {
            f"x{i}": rng.standard_normal(len(number)) for i in range(NUMBERS)
        }
        signal = sum(columns[f"x{i}"] for i in range(10)) + rng.normal(0, 4, len(number))
        for i, levels in enumerate(LEVELS):
            codes = rng.integers(0, levels, len(number))
            columns[f"s{i}"] = np.char.add("v", codes.astype(str))
        label = (signal > 1).astype("int64") if spec.label.name == "y" else np.exp(signal / 3)
        yield pa.table(
            {
                "k": rng.integers(0, 10_000, len(number)),
                "asked_at": data.times(data.START_US + number * 1_000_000),
                **columns,
                spec.label.name: label,
                "__split": pa.array(np.where(number < rows * 0.8, "train", "holdout")),
                "__as_of_daily": data.times(data.START_US + number * 1_000_000),
            }
        )
