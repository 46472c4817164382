"""The score replay (ML-03): raw keys again through the feature store, beside what training saw.

Classes alone would hide most differences (a rare class is hardly ever predicted), so every feature
of every sampled row is compared too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml_assets.rules.facts import ReplayFacts
from ml_assets.spec.catalog import TableLayout
from ml_assets.steps.library_errors import scoring_raw_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from ml_assets.platform.protocol import Platform
    from ml_assets.spec.model import ModelSpec

#: Artifact with the sampled holdout rows: keys, as-of time, features and prediction.
REPLAY_FILE = "replay_rows.parquet"
SEED = 20130101


def sample_rows(spec: ModelSpec, holdout: pd.DataFrame) -> pd.DataFrame:
    """Draw ``thresholds.replay_rows`` holdout rows without replacement, with a fixed seed.

    Rows whose keys and as-of time are not unique are left out: they could not be told apart.
    """
    unique = holdout.drop_duplicates([*spec.label_keys], keep=False)
    rows = unique.sample(min(spec.thresholds.replay_rows, len(unique)), random_state=SEED)
    return rows[[*spec.label_keys, *spec.features, "prediction"]]


def replay(spec: ModelSpec, platform: Platform, *, run_id: str, model_uri: str) -> ReplayFacts:
    """Look the sampled keys up and score them as serving would, on the tables as they are now."""
    import pandas as pd

    sample = pd.read_parquet(platform.tracking.download(run_id, REPLAY_FILE))
    keys = platform.spark.createDataFrame(
        sample[[*spec.label_keys]], schema=_key_schema(spec, platform)
    )
    layout = TableLayout(name=spec.scoring.table)
    with scoring_raw_keys(spec):
        staged = platform.features.stage_scores(spec, keys, model_uri, layout)
    try:
        scored = staged.frame.select(*spec.label_keys, "prediction").toPandas()
    finally:
        staged.discard()
    looked_up = platform.features.look_up(spec, keys, model_uri)
    again = looked_up.merge(scored, on=[*spec.label_keys], how="outer")
    return compare(
        sample,
        again,
        spec.label_keys,
        spec.thresholds.replay_tolerance,
        relative=spec.predicted_classes is None,
    )


def compare(
    sample: pd.DataFrame,
    again: pd.DataFrame,
    keys: Sequence[str],
    tolerance: float,
    *,
    relative: bool = False,
) -> ReplayFacts:
    """Hold replayed rows against those of training time, row by row and column by column.

    A prediction differs when it is further apart than ``tolerance``, which is ``relative`` to it for
    predicted numbers (near 0: to the median size of all of them, so that the unit of the label does
    not count); a feature when numbers are further apart than ``tolerance`` (relative, and absolute
    near 0) or strings are not equal. Two missing values are equal; a missing one and a present one
    differ. Null predictions of the replay are counted apart.
    """
    both = sample.merge(again, on=[*keys], how="left", suffixes=("", "_again"), indicator=True)
    found = both[both["_merge"] == "both"]
    then = found["prediction"].astype("float64")
    gap = (then - found["prediction_again"].astype("float64")).abs()
    if relative:
        gap = _relative(gap, then.abs())
    features = [c for c in sample.columns if c not in {*keys, "prediction"}]
    changed = {name: _differs(found[name], found[f"{name}_again"], tolerance) for name in features}
    return ReplayFacts(
        rows=len(sample),
        missing=len(both) - len(found),
        null_predictions=int(found["prediction_again"].isna().sum()),
        different=int((gap > tolerance).sum()),
        max_difference=float(gap.max()) if gap.notna().any() else 0.0,
        changed_features={name: int(bad.sum()) for name, bad in changed.items() if bad.any()},
    )


def _relative(gap: pd.Series[float], size: pd.Series[float]) -> pd.Series[float]:
    """Divide by the size of each value, at least the median size; 0 stays 0 when all are 0."""
    return (gap / size.clip(lower=size.median())).where(gap != 0, 0.0)


def _differs(then: pd.Series[Any], now: pd.Series[Any], tolerance: float) -> pd.Series[bool]:
    import pandas as pd

    if not pd.api.types.is_numeric_dtype(then):
        return (then != now) & ~(then.isna() & now.isna())
    numbers = now.astype("float64")
    far = (then - numbers).abs() > tolerance * then.abs().clip(lower=1)
    return far | (then.isna() != numbers.isna())


def _key_schema(spec: ModelSpec, platform: Platform) -> Any:
    return platform.tables.read(spec.label.table).select(*spec.label_keys).schema
