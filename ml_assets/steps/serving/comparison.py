"""A candidate beside the champion: the same holdout rows, through the same feature store.

Each model's features are looked up by the lookups of its own package, on the tables as they are now:
what is compared is what would be served.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ml_assets.rules.facts import ComparisonFacts
from ml_assets.spec.errors import DataError
from ml_assets.steps.serving.version_tags import (
    HOLDOUT_TAG,
    TARGET_TAG,
    development_run,
    target,
)
from ml_assets.steps.statistics.bootstrap import Drawing, Measured, paired_bootstrap
from ml_assets.steps.train_model import HOLDOUT_FILE
from ml_assets.steps.training.estimator import as_model_inputs
from ml_assets.steps.training.metrics import JUDGED
from ml_assets.steps.training.training_rows import HOLDOUT

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import pandas as pd
    from pyspark.sql import DataFrame

    from ml_assets.platform.protocol import Platform
    from ml_assets.spec.model import ModelSpec
    from ml_assets.steps.handles import RunHandle

#: Rows that the champion cannot know must be this many to be compared alone.
FAIR_ROWS = 100


@dataclass(frozen=True)
class Champion:
    """The version that serves, and its tags."""

    version: int
    tags: Mapping[str, str]


def read_holdout(platform: Platform, run_id: str) -> pd.DataFrame:
    """Read the stored evidence of a development run: keys, as-of time, label, prediction, scores.

    Raises
    ------
    DataError
        When the run or the file does not exist any more.
    """
    import pandas as pd

    return pd.read_parquet(platform.tracking.download(run_id, HOLDOUT_FILE))


def holdout_from(spec: ModelSpec, holdout: pd.DataFrame) -> str:
    """Say when a holdout begins, as text (UTC)."""
    return str(holdout[spec.label.event_time].min().isoformat())


def compare(
    spec: ModelSpec,
    platform: Platform,
    *,
    trained: RunHandle,
    holdout: pd.DataFrame,
    champion: Champion,
) -> ComparisonFacts:
    """Score both on the candidate's holdout, and measure the differences with their intervals.

    Rows that the champion may have been trained on are left out, unless too few remain. What keeps
    the champion from being scored is its ``trouble``; what keeps the candidate from it is raised.
    """
    rows = holdout.drop_duplicates([*spec.label_keys]).reset_index(drop=True)
    keys = _keys(spec, platform, trained)
    scores = _scores(spec, platform, rows, keys, trained.model_uri)
    candidate = _measured(spec, rows, scores)
    facts = ComparisonFacts(champion.version, holdout_rows=len(rows), rows=len(rows))
    if (theirs := champion.tags.get(TARGET_TAG, target(spec))) != target(spec):
        return replace(facts, trouble=f"it predicts something else ({theirs})")
    uri = platform.registry.uri(spec.registered_model, champion.version)
    try:
        before = _measured(spec, rows, _scores(spec, platform, rows, keys, uri))
    except Exception as error:  # noqa: BLE001 - not swallowed: the check is red and shows it
        text = " ".join(str(error).split())
        return replace(facts, trouble=f"{type(error).__name__}: {text}"[:1000])
    seen = _seen(spec, platform, rows, champion)
    fair = None if seen is None else _fair(spec, rows, ~seen, candidate, before)
    if fair is not None:
        rows, candidate, before = fair
    found = paired_bootstrap(
        spec.model_type,
        _labels(spec, rows),
        candidate,
        before,
        Drawing(spec.promotion.draws, spec.promotion.confidence),
    )
    return replace(
        facts,
        rows=len(rows),
        seen_rows=None if seen is None else int(seen.sum()),
        confidence=spec.promotion.confidence,
        differences={str(metric): difference for metric, difference in found.items()},
    )


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


def _seen(
    spec: ModelSpec, platform: Platform, rows: pd.DataFrame, champion: Champion
) -> np.ndarray | None:
    """Mark the rows that are older than the champion's own holdout; None when nobody knows."""
    import pandas as pd

    begins = champion.tags.get(HOLDOUT_TAG) or _looked_up_start(spec, platform, champion)
    if not begins:
        return None
    times = rows[spec.label.event_time].astype("datetime64[ns]")
    found: np.ndarray = (times < pd.Timestamp(begins)).to_numpy()
    return found


def _looked_up_start(spec: ModelSpec, platform: Platform, champion: Champion) -> str:
    """Versions of earlier days do not say when their holdout began; their runs do, while they exist."""
    try:
        run_id = development_run(platform, champion.tags)
        return holdout_from(spec, read_holdout(platform, run_id)) if run_id else ""
    except (DataError, KeyError):  # gone, or with other columns: the comparison says so
        return ""


def _fair(
    spec: ModelSpec, rows: pd.DataFrame, unseen: Any, candidate: Measured, before: Measured
) -> tuple[pd.DataFrame, Measured, Measured] | None:
    """Keep the rows that neither model was trained on, when there are enough to decide on."""
    if unseen.all() or unseen.sum() < FAIR_ROWS:
        return None
    kept = rows[unseen].reset_index(drop=True)
    pair = [_measured(spec, kept, m.scores[unseen]) for m in (candidate, before)]
    metric = spec.promotion.metric or spec.kind.headline
    return (kept, *pair) if all(metric in m.metrics for m in pair) else None
