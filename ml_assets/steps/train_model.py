"""``trained_model``: fit on the stored training set, evaluate on its holdout, package."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_assets.platform.protocol import SPLIT_COLUMN
from ml_assets.rules.facts import ModelFacts
from ml_assets.spec.errors import DataError, MlAssetsError, TrainingError
from ml_assets.steps.estimator import as_model_inputs, make_estimator, make_model
from ml_assets.steps.handles import RunHandle, TableHandle
from ml_assets.steps.measure import FLOATS, column_types
from ml_assets.steps.metrics import baseline_metrics, binary_metrics
from ml_assets.steps.prepared import NothingToUndo, refuse_stale, refused_tag, run_tags
from ml_assets.steps.replay import REPLAY_FILE, sample_rows
from ml_assets.steps.transforms import require_columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from ml_assets.platform.protocol import Platform, Run
    from ml_assets.rules.verdict import Verdict
    from ml_assets.spec.model import ModelSpec
    from ml_assets.steps.execution import Inputs

#: Artifact with the holdout's keys, as-of times, labels, probabilities and predictions.
HOLDOUT_FILE = "holdout_predictions.parquet"
EXAMPLE_ROWS = 5
PREDICT_ROWS = 1000
NUMERIC = {"tinyint", "smallint", "int", "bigint", "boolean", *FLOATS}


@dataclass
class TrainedModel(NothingToUndo):
    """A packaged model in its run, with what was measured on the package."""

    platform: Platform
    facts: ModelFacts
    made: RunHandle
    shown: Mapping[str, Any]

    def publish(self, verdicts: Sequence[Verdict]) -> RunHandle:  # noqa: ARG002 - part of the protocol
        """Hand on the run."""
        return self.made

    def refuse(self, verdicts: Sequence[Verdict]) -> None:
        """Mark the run as refused; it stays as evidence and nothing downstream sees it."""
        self.platform.tracking.tag(self.made.run_id, refused_tag(verdicts))

    def details(self) -> Mapping[str, Any]:
        """Metrics and sizes."""
        return self.shown


@dataclass(frozen=True)
class _Data:
    """The stored training set in memory: rows with a part, and which features are strings."""

    train: pd.DataFrame
    holdout: pd.DataFrame
    strings: tuple[str, ...]


def build(spec: ModelSpec, platform: Platform, inputs: Inputs) -> TrainedModel:
    """Fit the declared estimator, log one run, and measure what was stored.

    Raises
    ------
    TrainingError
        When the estimator cannot be built or fitted.
    DataError
        When the stored training set lacks a feature or holds one of an unusable type.
    """
    refuse_stale(spec, inputs)
    handle = inputs.handles["training_set"]
    assert isinstance(handle, TableHandle)  # noqa: S101 - the graph declares this type
    data = read_training_set(spec, platform, handle)
    versions = {**handle.inputs, handle.table: handle.delta_version}
    with platform.tracking.run(
        spec.experiment("development"),
        name=f"{spec.model} {spec.hash}",
        tags=run_tags(spec, inputs, versions),
    ) as run:
        made, metrics = _train(spec, platform, run, data, handle)
    facts = measure_run(spec, platform, made, data.holdout)
    return TrainedModel(platform, facts, made, {**metrics, "training_rows": len(data.train)})


def measure(spec: ModelSpec, platform: Platform, inputs: Inputs) -> ModelFacts:
    """Measure the package of the latest trained model, read back from its run.

    Raises
    ------
    DataError
        When the run or the training set does not exist any more.
    """
    made = inputs.handles[inputs.asset]
    assert isinstance(made, RunHandle)  # noqa: S101 - the graph declares this type
    handle = TableHandle(made.training_set, made.training_set_version, "", 0)
    return measure_run(spec, platform, made, read_training_set(spec, platform, handle).holdout)


def measure_run(
    spec: ModelSpec, platform: Platform, made: RunHandle, rows: pd.DataFrame
) -> ModelFacts:
    """Read back the package and let it predict stored rows."""
    stored = platform.tracking.info(made.run_id)
    sample = rows[list(spec.features)].head(PREDICT_ROWS)
    predicted = platform.features.predict(made.model_uri, sample)
    return ModelFacts(
        run_id=made.run_id,
        experiment=stored.experiment,
        package=platform.features.package_info(made.model_uri),
        predicted_type=mlflow_type(str(predicted.dtype)),
        predicted_rows=len(predicted),
        metrics=stored.metrics,
    )


def mlflow_type(dtype: str) -> str:
    """Name a pandas dtype as a signature does.

    >>> mlflow_type("int64"), mlflow_type("float32"), mlflow_type("object")
    ('long', 'float', 'object')
    """
    return {"int64": "long", "int32": "integer", "float64": "double", "float32": "float"}.get(
        dtype, dtype
    )


def read_training_set(spec: ModelSpec, platform: Platform, handle: TableHandle) -> _Data:
    """Read train and holdout at the recorded version, features typed as models take them.

    Rows come in the order of event time and keys, so that the same stored rows give the same model.
    """
    frame = platform.tables.read(handle.table, handle.delta_version)
    features, label = list(spec.features), spec.label.name
    require_columns(frame, [*features, label, SPLIT_COLUMN], where=handle.table)
    strings = _string_features(column_types(frame), features)
    order = [f"`{c}`" for c in (spec.label.event_time, *spec.label.keys)]
    table = frame.where(f"`{SPLIT_COLUMN}` <> 'embargo'").orderBy(*order).toPandas()
    table[features] = as_model_inputs(table[features], strings)
    parts = dict(tuple(table.groupby(SPLIT_COLUMN, sort=False)))
    empty = table.head(0)
    return _Data(parts.get("train", empty), parts.get("holdout", empty), strings)


def _string_features(types: Mapping[str, str], features: Sequence[str]) -> tuple[str, ...]:
    for name in features:
        kind = types[name]
        if kind != "string" and kind not in NUMERIC and not kind.startswith("decimal"):
            raise DataError(
                f"feature {name}",
                found=f"type {kind}",
                expected="a number, a boolean or a string",
                fix="derive a number from it in the transform (for example the age in days)",
                rule="ml02_output_schema",
            )
    return tuple(f for f in features if types[f] == "string")


def _train(
    spec: ModelSpec, platform: Platform, run: Run, data: _Data, handle: TableHandle
) -> tuple[RunHandle, dict[str, float]]:
    model = fit(spec, data)
    holdout, label = data.holdout, spec.label.name
    features = list(spec.features)
    probabilities = model.predict_proba(holdout[features])[:, 1].astype("float64")
    metrics = {
        f"holdout_{k}": v
        for k, v in binary_metrics(holdout[label].to_numpy(), probabilities).items()
    }
    base = baseline_metrics(data.train[label].to_numpy(), holdout[label].to_numpy())
    metrics |= {f"baseline_{k}": v for k, v in base.items()}
    run.log(
        params={
            "estimator": spec.estimator.cls,
            **spec.estimator.arguments,
            "encoding": spec.estimator.encoding,
        },
        metrics={**metrics, "train_rows": len(data.train), "holdout_rows": len(holdout)},
    )
    scored = holdout[[*spec.label_keys, label]].assign(
        probability=probabilities, prediction=model.predict(holdout[features])
    )
    _log_table(run, scored, HOLDOUT_FILE)
    _log_table(run, sample_rows(spec, holdout.assign(prediction=scored["prediction"])), REPLAY_FILE)
    uri = platform.features.log_model(
        spec, model, run_id=run.run_id, input_example=data.train[features].head(EXAMPLE_ROWS)
    )
    experiment = spec.experiment("development")
    made = RunHandle(run.run_id, run.url, experiment, uri, handle.table, handle.delta_version)
    return made, metrics


def _log_table(run: Run, frame: pd.DataFrame, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        frame.to_parquet(path, index=False)
        run.log_file(path)


def fit(spec: ModelSpec, data: _Data) -> Any:
    """Fit on the training rows only.

    Raises
    ------
    TrainingError
        When the estimator raises; the original error stays attached.
    """
    features = list(spec.features)
    numbers = [f for f in features if f not in data.strings]
    model = make_model(spec, make_estimator(spec), data.strings, numbers)
    try:
        return model.fit(data.train[features], data.train[spec.label.name].to_numpy())
    except MlAssetsError:
        raise
    except (ValueError, TypeError, RuntimeError) as error:
        raise TrainingError(
            f"estimator {spec.estimator.cls}",
            found=f"fitting failed: {error}",
            expected=f"a fit on {len(data.train)} rows and {len(features)} features",
            fix="look at the checks of training_set and labels, and at estimator.params",
        ) from error
