"""Generated tables of the benchmarks: seeded, made once, kept in a scratch folder."""

from __future__ import annotations

import shutil
from functools import cache
from typing import TYPE_CHECKING

from benchmarks.harness import SCRATCH

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    import pyarrow as pa

    from ml_assets.platform.embedded import EmbeddedPlatform
    from ml_assets.spec.model import ModelSpec

SEED = 7
FEATURES = tuple(f"x{i}" for i in range(20))
ROWS = 5_000_000
#: Feature rows of one key: one a day.
DAYS = 50
START_US, DAY_US = 1_600_000_000_000_000, 86_400_000_000
_CHUNK = 1_000_000
FEATURE_TABLE, LABEL_TABLE, KEY_TABLE = "bench.f.daily", "bench.l.labels", "bench.k.keys"
TRAINING_SET, PREDICTIONS = "bench.t.training_set", "bench.p.predictions"


@cache
def spec() -> ModelSpec:
    """Declare one feature table of twenty columns."""
    from ml_assets.spec.model import ModelSpec

    common = {"transform": ".no.transform", "sources": ["raw"]}
    daily = {
        **common,
        "name": "daily",
        "table": FEATURE_TABLE,
        "primary_keys": ["k"],
        "event_time": "known_at",
        "columns": {name: {"default": 0.0} for name in FEATURES},
    }
    label = {
        **common,
        "table": LABEL_TABLE,
        "keys": ["k"],
        "event_time": "asked_at",
        "name": "y",
        "column": "y",
    }
    return ModelSpec.model_validate(
        {
            "project": "bench",
            "model": "scale",
            "package": "benchmarks",
            "registered_model": "bench.m.scale",
            "sources": {"raw": {"table": "bench.r.raw"}},
            "feature_tables": [daily],
            "label": label,
            "training_set": TRAINING_SET,
            "gates": {"roc_auc": {"min": 0.5}},
            "scoring": {"table": PREDICTIONS, "keys": ".no.keys", "sources": ["raw"]},
        }
    )


def home_of(rows: int) -> Path:
    """Return the folder of the tables with this many feature rows."""
    return SCRATCH / f"rows-{rows}"


def platform_of(rows: int) -> EmbeddedPlatform:
    """Open a platform on tables of this size; they are generated the first time.

    ``bench.f.daily``: ``rows`` feature rows of 20 doubles; ``bench.l.labels``: a tenth as many label
    rows; ``bench.k.keys``: ``rows`` keys to score, at random times.
    """
    from ml_assets.platform.embedded import EmbeddedPlatform
    from ml_assets.spec.catalog import TableLayout, feature_layout

    home = home_of(rows)
    platform = EmbeddedPlatform(home=home)
    done = home / "complete"
    if not done.exists():
        shutil.rmtree(home, ignore_errors=True)
        model = spec()
        store(platform, feature_layout(model.feature_tables[0]), _features(rows))
        store(platform, TableLayout(LABEL_TABLE, ("k",), "asked_at"), _asked(rows, rows // 10, 1))
        store(platform, TableLayout(KEY_TABLE, ("k",), "asked_at"), _asked(rows, rows, 2))
        done.touch()
    return platform


def _features(rows: int) -> Iterator[pa.Table]:
    import numpy as np
    import pyarrow as pa

    rng = np.random.default_rng(SEED)
    keys = rows // DAYS
    for start in range(0, rows, _CHUNK):
        number = np.arange(start, min(start + _CHUNK, rows))
        known = START_US + (number // keys) * DAY_US + rng.integers(0, DAY_US, len(number))
        columns = {name: rng.standard_normal(len(number)) for name in FEATURES}
        yield pa.table({"k": number % keys, "known_at": times(known), **columns})


def _asked(rows: int, asked: int, salt: int) -> Iterator[pa.Table]:
    import numpy as np
    import pyarrow as pa

    rng = np.random.default_rng(SEED + salt)
    for start in range(0, asked, _CHUNK):
        size = min(_CHUNK, asked - start)
        at = START_US + rng.integers(0, DAYS * DAY_US, size)
        keys = rng.integers(0, rows // DAYS, size)
        yield pa.table({"k": keys, "asked_at": times(at), "y": rng.integers(0, 2, size)})


def times(microseconds: np.ndarray) -> pa.Array:
    """UTC times of microseconds since 1970."""
    import pyarrow as pa

    return pa.array(microseconds, pa.timestamp("us", "UTC"))


def store(platform: EmbeddedPlatform, layout: object, chunks: Iterator[pa.Table]) -> None:
    """Publish chunks as a table, one file each."""
    import pyarrow.parquet as pq

    first = next(chunks)

    def write(folder: Path) -> None:
        pq.write_table(first, folder / "part-00000.parquet", row_group_size=100_000)
        for i, chunk in enumerate(chunks, 1):
            pq.write_table(chunk, folder / f"part-{i:05}.parquet", row_group_size=100_000)

    platform.tables.stage_arrow(first.schema, layout, write).publish()
