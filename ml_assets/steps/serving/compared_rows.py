"""Which holdout rows two models are compared on, and which of them are drawn together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_assets.spec.errors import DataError
from ml_assets.steps.serving.version_tags import HOLDOUT_TAG, development_run
from ml_assets.steps.statistics.drawn_units import DrawnUnits
from ml_assets.steps.train_model import HOLDOUT_FILE

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import pandas as pd

    from ml_assets.platform.protocol import Platform
    from ml_assets.spec.model import ModelSpec

#: Rows that the champion cannot know must be this many to be compared alone.
FAIR_ROWS = 100


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


def seen_by(
    spec: ModelSpec, platform: Platform, rows: pd.DataFrame, version_tags: Mapping[str, str]
) -> np.ndarray | None:
    """Mark the rows that are older than a version's own holdout; None when nobody knows."""
    import pandas as pd

    begins = version_tags.get(HOLDOUT_TAG) or _looked_up_start(spec, platform, version_tags)
    if not begins:
        return None
    found: np.ndarray = (_times(spec, rows) < pd.Timestamp(begins)).to_numpy()
    return found


def fair(seen: np.ndarray | None) -> np.ndarray | None:
    """Choose the rows that neither model was trained on, where they are enough to decide on."""
    if seen is None or not seen.any() or (~seen).sum() < FAIR_ROWS:
        return None
    return ~seen


def drawn_units(spec: ModelSpec, rows: pd.DataFrame) -> tuple[DrawnUnits, int]:
    """Say which rows are drawn together, and how many entities there are.

    An entity is a value of the label's keys without the as-of time (one workspace, one customer): all
    its rows are one unit. One entity alone is one series: it is drawn in blocks of time.
    """
    entity = rows.groupby([*spec.label.keys], sort=False, dropna=False).ngroup().to_numpy()
    count = int(entity.max(initial=-1)) + 1
    if count == 1:
        return DrawnUnits.blocks(_times(spec, rows).to_numpy()), count
    return DrawnUnits(entity, count), count


def _times(spec: ModelSpec, rows: pd.DataFrame) -> pd.Series[pd.Timestamp]:
    return rows[spec.label.event_time].astype("datetime64[ns]")


def _looked_up_start(spec: ModelSpec, platform: Platform, version_tags: Mapping[str, str]) -> str:
    """Versions of earlier days do not say when their holdout began; their runs do, while they exist."""
    try:
        run_id = development_run(platform, version_tags)
        return holdout_from(spec, read_holdout(platform, run_id)) if run_id else ""
    except (DataError, KeyError):  # gone, or with other columns: the comparison says so
        return ""
