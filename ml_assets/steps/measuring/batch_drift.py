"""Measure the drift of a batch: look the scored keys up again, and compare them with the reference."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ml_assets.rules.facts import DriftFacts
from ml_assets.spec.errors import DataError, MlAssetsError
from ml_assets.steps.library_errors import first_line
from ml_assets.steps.measuring.drift import (
    REFERENCE_FILE,
    SCORES,
    References,
    scores_of,
    seconds_of,
)
from ml_assets.steps.measuring.sampling import collect_sample, sampled
from ml_assets.steps.serving.version_tags import (
    DEVELOPMENT_TAG,
    EVALUATION_TAG,
    development_run,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from ml_assets.platform.protocol import Platform
    from ml_assets.spec.model import ModelSpec

#: Scored keys whose features are looked up again, chosen by the hash of their keys.
ROWS = 10_000
_REMOVE = "remove the cause (its traceback is in the run's log), and execute this check again"
_log = logging.getLogger("ml_assets.drift")


def measure_drift(
    spec: ModelSpec, platform: Platform, frame: DataFrame, *, rows: int, version: int | None
) -> DriftFacts:
    """Compare predictions (``frame``: label keys, event time, prediction) with the version's reference.

    Features are looked up for a sample of the keys, as serving looks them up, on the tables as they
    are now. What cannot be measured, whatever raised, is said in the facts (and in the log): drift is
    a warning, and its check is yellow then.
    """
    if version is None or not rows:
        return DriftFacts(0, 0, unmeasured="there are no predictions of a champion")
    try:
        return _compared(spec, platform, frame, rows, version)
    except MlAssetsError as error:
        return DriftFacts(0, 0, unmeasured=f"{error.where}: found {error.found}", fix=error.fix)
    except Exception as error:  # noqa: BLE001 - a warning may not cost the predictions: it says this
        _log.exception("The drift of %s version %s could not be measured", spec.name, version)
        why = f"{type(error).__name__}: {first_line(error)}"
        return DriftFacts(0, 0, unmeasured=why, fix=_REMOVE)


def _compared(
    spec: ModelSpec, platform: Platform, frame: DataFrame, rows: int, version: int
) -> DriftFacts:
    references = read_references(spec, platform, version)
    keys = [*spec.label_keys]
    some = sampled(frame.select(*(f"`{k}`" for k in keys)), keys, rows=rows, most=ROWS)
    uri = platform.registry.uri(spec.registered_model, version)
    looked_up = platform.features.look_up(spec, some, uri)
    column = {SCORES: frame[SCORES]}
    scored = collect_sample(frame, keys, column, rows=rows, most=ROWS)
    times = seconds_of(looked_up[spec.label.event_time])
    batch = {name: looked_up[name] for name in spec.features if name in looked_up}
    batch[SCORES] = scores_of(spec, scored[SCORES])
    seconds = float(times.max() - times.min()) if len(times) else 0.0
    return references.compared(batch, seconds, len(looked_up))


def read_references(spec: ModelSpec, platform: Platform, version: int) -> References:
    """Read what a registered version's model saw, from its development run.

    Raises
    ------
    DataError
        When the version's runs are not known, or its run keeps no reference.
    """
    name = spec.registered_model
    tags = platform.registry.tags(name, version)
    run_id = development_run(platform, tags)
    if not run_id:
        raise DataError(
            f"{name} version {version}",
            found="no development run in its tags",
            expected=f"the tag {DEVELOPMENT_TAG}, or {EVALUATION_TAG} of a run that has it",
            fix="materialize trained_model and model_version",
            rule="predictions_drift",
        )
    path = platform.tracking.download(run_id, REFERENCE_FILE)
    return References.from_json(path.read_text(encoding="utf-8"))
