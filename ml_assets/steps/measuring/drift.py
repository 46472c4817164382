"""Drift: the features and scores of a batch beside those that the champion was trained and tested on.

The reference goes with the model: its run keeps the bins, and how the training rows fall into them
over time. So a batch is compared with what its own model saw, whatever is stored by now.
"""

from __future__ import annotations

import json
import math
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_assets.rules.facts import ColumnDrift, DriftFacts
from ml_assets.steps.statistics.psi import Bins, psi, psi_by_chance

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import pandas as pd

    from ml_assets.platform.protocol import Run
    from ml_assets.spec.model import ModelSpec

    Array = np.ndarray[Any, Any]

#: Artifact of the development run.
REFERENCE_FILE = "drift_reference.json"
#: The time from the first to the last row is cut into so many pieces of equal length.
PIECES = 50
#: A window of the training set needs so many rows to be compared with.
WINDOW_ROWS = 100
SCORES = "prediction"


@dataclass(frozen=True)
class Reference:
    """One column: its bins, and the rows of each piece of time (first axis) in each bin.

    ``seconds`` are those from its first to its last row: scores are of the holdout, which is shorter.
    """

    name: str
    bins: Bins
    pieces: tuple[tuple[int, ...], ...]
    seconds: float

    @classmethod
    def of(cls, column: pd.Series[Any], times: Array) -> Reference:
        """Bin a column, and count by piece of time."""
        import numpy as np

        bins = Bins.of(column)
        span = max(float(times.max() - times.min()), 1.0)
        piece = np.minimum((times - times.min()) / span * PIECES, PIECES - 1).astype("int64")
        key = piece * bins.count + bins.place(column)
        counts = np.bincount(key, minlength=PIECES * bins.count).reshape(PIECES, bins.count)
        pieces = tuple(tuple(int(n) for n in row) for row in counts)
        return cls(str(column.name), bins, pieces, span)

    @classmethod
    def read(cls, values: Mapping[str, Any], seconds: float) -> Reference:
        """Rebuild from plain values; ``seconds`` are those of one that was stored without its own."""
        levels = values["bins"]["levels"]
        bins = Bins(tuple(values["bins"]["edges"]), None if levels is None else tuple(levels))
        pieces = tuple(tuple(row) for row in values["pieces"])
        return cls(values["name"], bins, pieces, values.get("seconds", seconds))

    def drift(self, actual: Array, seconds: float) -> ColumnDrift:
        """Compare a batch's counts; ``seconds`` is the time from its first to its last row."""
        import numpy as np

        width = max(math.ceil(seconds / max(self.seconds, 1.0) * PIECES), 1)
        pieces = np.array(self.pieces)
        expected = pieces.sum(axis=0)
        shift = actual / max(actual.sum(), 1) - expected / max(expected.sum(), 1)
        most = int(np.abs(shift).argmax())
        before = expected[most] / max(expected.sum(), 1)
        return ColumnDrift(
            self.name,
            psi=float(psi(expected, actual)),
            by_chance=psi_by_chance(expected, actual),
            usual=_usual(pieces, width),
            moved=f"{self.bins.name(most)}: {before:.1%} before, {before + shift[most]:.1%} now",
        )


def _usual(pieces: Array, width: int) -> float:
    """The largest PSI of a window of the training set against all of it.

    Windows are as long as the batch, and long enough for ``WINDOW_ROWS`` rows on average. 0 when
    they would be longer than half of the training set, which then says nothing of windows.
    """
    import numpy as np

    total = pieces.sum()
    wide = max(width, math.ceil(WINDOW_ROWS * len(pieces) / max(total, 1)))
    if wide > len(pieces) / 2:
        return 0.0
    summed = np.vstack([np.zeros_like(pieces[:1]), pieces.cumsum(axis=0)])
    windows = summed[wide:] - summed[:-wide]
    windows = windows[windows.sum(axis=1) >= WINDOW_ROWS]
    return float(psi(pieces.sum(axis=0), windows).max()) if len(windows) else 0.0


@dataclass(frozen=True)
class References:
    """What a model saw: its features in the training rows, its scores of holdout rows."""

    rows: int
    seconds: float
    columns: tuple[Reference, ...]

    @classmethod
    def of(cls, spec: ModelSpec, train: pd.DataFrame, judged: pd.DataFrame) -> References:
        """Describe sampled training rows, and sampled holdout rows with their ``prediction``."""
        time = spec.label.event_time
        times = seconds_of(train[time])
        columns = [Reference.of(train[name], times) for name in spec.features]
        scores = scores_of(spec, judged[SCORES])
        columns.append(Reference.of(scores, seconds_of(judged[time])))
        return cls(len(train), float(times.max() - times.min()), tuple(columns))

    def to_json(self) -> str:
        """Write as an artifact."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> References:
        """Read the artifact."""
        values = json.loads(text)
        columns = tuple(Reference.read(c, values["seconds"]) for c in values["columns"])
        return cls(values["rows"], values["seconds"], columns)

    def compared(
        self, batch: Mapping[str, pd.Series[Any]], seconds: float, rows: int
    ) -> DriftFacts:
        """Compare a batch: its columns by name, and the time from its first to its last row."""
        found = tuple(
            c.drift(c.bins.counts(batch[c.name]), seconds) for c in self.columns if c.name in batch
        )
        missing = [c.name for c in self.columns if c.name not in batch]
        why = f"the batch has no column {', '.join(missing)}" if missing else ""
        return DriftFacts(rows, self.rows, found, why)


def log_reference(spec: ModelSpec, run: Run, train: pd.DataFrame, judged: pd.DataFrame) -> None:
    """Store the reference with the model's run; nothing without rows."""
    if not len(train) or not len(judged):
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / REFERENCE_FILE
        path.write_text(References.of(spec, train, judged).to_json(), encoding="utf-8")
        run.log_file(path)


def scores_of(spec: ModelSpec, predictions: pd.Series[Any]) -> pd.Series[Any]:
    """Predictions as they are binned: classes as levels, numbers as numbers."""
    import pandas as pd

    numbers = pd.to_numeric(predictions).astype("float64").rename(SCORES)
    if spec.predicted_classes is None:
        return numbers
    return numbers.map(lambda v: str(int(v)), na_action="ignore").astype(object).rename(SCORES)


def seconds_of(times: pd.Series[Any]) -> Array:
    """Seconds since 1970, of times with or without a zone."""
    import pandas as pd

    since = pd.to_datetime(times, utc=True) - pd.Timestamp(0, tz="UTC")
    found: Array = since.dt.total_seconds().to_numpy(dtype="float64")
    return found
