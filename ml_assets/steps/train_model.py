"""``trained_model``: fit on the stored training set, evaluate on its holdout, package."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_assets.rules.facts import ModelFacts, Spread
from ml_assets.steps.handles import RunHandle, TableHandle
from ml_assets.steps.prepared import NothingToUndo, refuse_stale, refused_tag, run_tags
from ml_assets.steps.serving.replay import REPLAY_FILE, sample_rows
from ml_assets.steps.training.fitting import fit, refuse_unfit_sessions
from ml_assets.steps.training.metrics import JUDGED
from ml_assets.steps.training.training_evidence import log_evidence
from ml_assets.steps.training.training_rows import HOLDOUT, read_training_set

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from ml_assets.platform.protocol import Platform, Run
    from ml_assets.rules.verdict import Verdict
    from ml_assets.spec.model import ModelSpec
    from ml_assets.steps.execution import Inputs
    from ml_assets.steps.training.fitting import Fitted

#: Artifact with the holdout's keys, as-of times, labels (null: unknown), `prediction` and the scores:
#: `probability`, `probability_<class>`, `anomaly_score`, or nothing more for predicted numbers.
HOLDOUT_FILE = "holdout_predictions.parquet"
PREDICT_ROWS = 1000
MOST_VALUES = 20
PICKLE_TAG = "ml_assets.pickle"


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
    refuse_unfit_sessions(spec, platform)
    handle = inputs.handles["training_set"]
    assert isinstance(handle, TableHandle)  # noqa: S101 - the graph declares this type
    rows = read_training_set(spec, platform, handle)
    holdout = rows.collected(rows.part(HOLDOUT))
    versions = {**handle.inputs, handle.table: handle.delta_version}
    with platform.tracking.run(
        spec.experiment("development"),
        name=f"{spec.model} {spec.hash}",
        tags=run_tags(spec, inputs, versions),
    ) as run:
        fitted = fit(spec, platform, rows)
        metrics = _evaluate(spec, run, fitted, holdout)
        metrics |= log_evidence(spec, run, rows, holdout, (fitted.model, fitted.rows))
        uri = platform.features.log_model(
            spec, fitted.model, run_id=run.run_id, input_example=fitted.example
        )
    made = RunHandle(
        run.run_id,
        run.url,
        spec.experiment("development"),
        uri,
        handle.table,
        handle.delta_version,
    )
    facts = measure_run(spec, platform, made, holdout)
    if facts.package.pickled:
        platform.tracking.tag(made.run_id, {PICKLE_TAG: facts.package.pickled})
    return TrainedModel(platform, facts, made, {**metrics, "training_rows": fitted.rows})


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
    rows = read_training_set(spec, platform, handle)
    return measure_run(spec, platform, made, rows.collected(rows.part(HOLDOUT)))


def measure_run(
    spec: ModelSpec, platform: Platform, made: RunHandle, rows: pd.DataFrame
) -> ModelFacts:
    """Read back the package and let it predict stored rows."""
    stored = platform.tracking.info(made.run_id)
    sample = rows[list(spec.features)].head(PREDICT_ROWS)
    predicted = platform.features.predict(made.model_uri, sample)
    classes = spec.predicted_classes is not None
    return ModelFacts(
        run_id=made.run_id,
        experiment=stored.experiment,
        package=platform.features.package_info(made.model_uri),
        predicted_type=mlflow_type(str(predicted.dtype)),
        predicted_rows=len(predicted),
        metrics=stored.metrics,
        run_tags=stored.tags,
        predicted_values=_counted(spec, predicted) if classes else {},
        predicted_spread=None if classes else _spread(predicted),
    )


def _counted(spec: ModelSpec, predicted: pd.Series) -> dict[str, int]:
    """Count the classes by their text, and the most frequent ones of other values (null is one)."""
    counts = {str(v): int(n) for v, n in predicted.value_counts(dropna=False).items()}
    classes = {str(c) for c in spec.predicted_classes or ()}
    others = [v for v in counts if v not in classes][:MOST_VALUES]
    return {v: n for v, n in counts.items() if v in classes or v in others}


def _spread(predicted: pd.Series) -> Spread | None:
    """Describe predicted numbers; None when they are something else."""
    import numpy as np

    if predicted.dtype.kind not in "iuf":
        return None
    values = predicted.to_numpy(dtype="float64")
    finite = values[np.isfinite(values)]
    some = (
        {"lowest": finite.min(), "highest": finite.max(), "mean": finite.mean()}
        if len(finite)
        else {}
    )
    return Spread(
        finite=len(finite),
        nans=int(np.isnan(values).sum()),
        infs=int(np.isinf(values).sum()),
        **{name: float(value) for name, value in some.items()},
    )


def mlflow_type(dtype: str) -> str:
    """Name a pandas dtype as a signature does.

    >>> mlflow_type("int64"), mlflow_type("float32"), mlflow_type("object")
    ('long', 'float', 'object')
    """
    return {"int64": "long", "int32": "integer", "float64": "double", "float32": "float"}.get(
        dtype, dtype
    )


def _evaluate(spec: ModelSpec, run: Run, fitted: Fitted, holdout: pd.DataFrame) -> dict[str, Any]:
    """Measure the model on the holdout beside the baseline, and log both with the evidence.

    Returns the metrics, and what could not be measured and why.
    """
    judged, features, label = JUDGED[spec.model_type], list(spec.features), spec.label.name
    truth = holdout[label].to_numpy(dtype="float64", na_value=float("nan"))
    scores = judged.score(fitted.model, holdout[features])
    found = judged.metrics(truth, scores)
    metrics = {f"holdout_{k}": v for k, v in found.items()}
    metrics |= {f"baseline_{k}": v for k, v in judged.baseline(fitted.labels, truth).items()}
    missing = {f"not_measured_{k}": why for k, why in judged.unmeasured(found).items()}
    counts = {"train_rows": fitted.rows, "holdout_rows": len(holdout)}
    run.log(
        params=_params(spec),
        metrics={**metrics, **counts, **fitted.labels.metrics()},
        tags={f"ml_assets.{k}": why for k, why in missing.items()},
    )
    predicted = fitted.model.predict(holdout[features])
    evidence = {"prediction": predicted, **judged.columns(scores)}
    _log_table(run, holdout[[*spec.label_keys, label]].assign(**evidence), HOLDOUT_FILE)
    _log_table(run, sample_rows(spec, holdout.assign(prediction=predicted)), REPLAY_FILE)
    return {**metrics, **missing}


def _params(spec: ModelSpec) -> dict[str, Any]:
    declared = spec.estimator
    workers = {"num_workers": declared.distributed.num_workers} if declared.distributed else {}
    return {
        "estimator": spec.estimator_class,
        **declared.arguments,
        "encoding": declared.encoding,
        **workers,
    }


def _log_table(run: Run, frame: pd.DataFrame, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        frame.to_parquet(path, index=False)
        run.log_file(path)
