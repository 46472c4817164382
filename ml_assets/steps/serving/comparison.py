"""A candidate beside the champion: the same holdout rows, through the same feature store.

Each model's features are looked up by the lookups of its own package, on the tables as they are now:
what is compared is what would be served.
"""

from __future__ import annotations

import logging
import tempfile
import traceback
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ml_assets.rules.facts import ComparisonFacts
from ml_assets.spec.errors import DataError
from ml_assets.steps.serving.compared_rows import drawn_units, fair, seen_by
from ml_assets.steps.serving.may_serve import other_target
from ml_assets.steps.statistics.bootstrap import Drawing, Measured, paired_bootstrap
from ml_assets.steps.training.estimator import as_model_inputs
from ml_assets.steps.training.metrics import JUDGED
from ml_assets.steps.training.training_rows import HOLDOUT

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import pandas as pd
    from pyspark.sql import DataFrame

    from ml_assets.platform.protocol import Platform, Run
    from ml_assets.spec.model import ModelSpec
    from ml_assets.steps.handles import RunHandle

#: Artifact of the evaluation run: why the champion could not be scored, as Python says it.
TRACEBACK_FILE = "champion_error.txt"
#: The same in one line, as a tag of that run.
TROUBLE_TAG = "ml_assets.champion_error"
_MAX_TROUBLE = 1000

_log = logging.getLogger("ml_assets.serving")


@dataclass(frozen=True)
class Champion:
    """The version that serves, and its tags."""

    version: int
    tags: Mapping[str, str]


def compare(
    spec: ModelSpec,
    platform: Platform,
    run: Run,
    *,
    trained: RunHandle,
    holdout: pd.DataFrame,
    champion: Champion,
) -> ComparisonFacts:
    """Score both on the candidate's holdout, and measure the differences with their intervals.

    Rows that the champion may have been trained on are left out, unless too few remain. What keeps
    the champion from being scored is its ``trouble``, and its traceback is kept in ``run``, the
    evaluation run; what keeps the candidate from it is raised.
    """
    rows = holdout.drop_duplicates([*spec.label_keys]).reset_index(drop=True)
    keys = _keys(spec, platform, trained)
    scores = _scores(spec, platform, rows, keys, trained.model_uri)
    candidate = _measured(spec, rows, scores)
    facts = ComparisonFacts(champion.version, holdout_rows=len(rows), rows=len(rows))
    if other := other_target(spec, champion.tags):
        return replace(facts, trouble=f"it predicts something else ({other})")
    uri = platform.registry.uri(spec.registered_model, champion.version)
    try:
        before = _measured(spec, rows, _scores(spec, platform, rows, keys, uri))
    except Exception as error:  # noqa: BLE001 - whatever it is: the check is red, shows it, and it is kept
        return replace(facts, trouble=_kept(error, run, champion))
    seen = seen_by(spec, platform, rows, champion.tags)
    if (chosen := fair(seen)) is not None:
        rows, candidate, before = _part(spec, rows, chosen, candidate, before)
    return _compared(
        spec,
        rows,
        candidate,
        before,
        replace(facts, rows=len(rows), seen_rows=None if seen is None else int(seen.sum())),
    )


def _compared(
    spec: ModelSpec,
    rows: pd.DataFrame,
    candidate: Measured,
    before: Measured,
    facts: ComparisonFacts,
) -> ComparisonFacts:
    """Draw entities of the rows, and put an interval around the difference in every metric."""
    units, entities = drawn_units(spec, rows)
    promotion = spec.promotion
    drawing = Drawing(promotion.draws, promotion.confidence)
    labels = _labels(spec, rows)
    found = paired_bootstrap(spec.model_type, labels, candidate, before, drawing, units=units)
    return replace(
        facts,
        entities=entities,
        blocks=units.count if entities == 1 else 0,
        widened=units.widening(promotion.confidence),
        confidence=promotion.confidence,
        differences={str(metric): difference for metric, difference in found.items()},
    )


def _kept(error: Exception, run: Run, champion: Champion) -> str:
    """Say why the champion could not be scored; keep the traceback in the log and in the run."""
    _log.error(
        "version %s, the champion, could not be scored on the holdout of the candidate",
        champion.version,
        exc_info=error,
    )
    text = f"{type(error).__name__}: {' '.join(str(error).split())}"[:_MAX_TROUBLE]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / TRACEBACK_FILE
        file.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
        run.log_file(file)
    run.log(tags={TROUBLE_TAG: text})
    return f"{text} (the traceback is {TRACEBACK_FILE} of the evaluation run)"


def _keys(spec: ModelSpec, platform: Platform, trained: RunHandle) -> DataFrame:
    """The holdout's keys, from the stored training set: nothing is sent to the engine."""
    from ml_assets.platform.protocol import SPLIT_COLUMN

    stored = platform.tables.read(trained.training_set, trained.training_set_version)
    found = stored.where(f"`{SPLIT_COLUMN}` = '{HOLDOUT}'")
    return found.select(*(f"`{k}`" for k in spec.label_keys)).distinct()


def _scores(
    spec: ModelSpec, platform: Platform, rows: pd.DataFrame, keys: DataFrame, uri: str
) -> np.ndarray:
    """Score the rows as serving would, in their order."""
    import numpy as np

    looked_up = platform.features.look_up(spec, keys, uri)
    names = [*spec.label_keys]
    features = looked_up.drop(columns=names)
    strings = [n for n in features.columns if features[n].dtype == object]
    model = platform.features.load_model(uri)
    scores = JUDGED[spec.model_type].score(model, as_model_inputs(features, strings))
    order = _comparable(spec, rows).merge(
        _comparable(spec, looked_up).assign(place=np.arange(len(looked_up))), how="left", on=names
    )["place"]
    if missing := int(order.isna().sum()):
        raise DataError(
            f"{uri}: the holdout's keys",
            found=f"{missing} of {len(rows)} rows were not looked up",
            expected=f"the rows of {spec.training_set} that the model was measured on",
            fix="materialize training_set and trained_model again",
            rule="promotion_beats_champion",
        )
    found: np.ndarray = scores[order.to_numpy(dtype="int64")]
    return found


def _comparable(spec: ModelSpec, frame: pd.DataFrame) -> pd.DataFrame:
    """The keys with times of one resolution."""
    time = spec.label.event_time
    return frame[[*spec.label_keys]].assign(**{time: frame[time].astype("datetime64[ns]")})


def _labels(spec: ModelSpec, rows: pd.DataFrame) -> np.ndarray:
    found: np.ndarray = rows[spec.label.name].to_numpy(dtype="float64", na_value=float("nan"))
    return found


def _measured(spec: ModelSpec, rows: pd.DataFrame, scores: np.ndarray) -> Measured:
    return Measured(scores, JUDGED[spec.model_type].metrics(_labels(spec, rows), scores))


def _part(
    spec: ModelSpec, rows: pd.DataFrame, chosen: np.ndarray, candidate: Measured, before: Measured
) -> tuple[pd.DataFrame, Measured, Measured]:
    """Keep some of the rows, unless the metric that decides is not defined on them."""
    kept = rows[chosen].reset_index(drop=True)
    one, other = (_measured(spec, kept, m.scores[chosen]) for m in (candidate, before))
    metric = spec.promotion.metric or spec.kind.headline
    if metric not in one.metrics or metric not in other.metrics:
        return rows, candidate, before
    return kept, one, other
