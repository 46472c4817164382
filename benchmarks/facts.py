"""All facts of a wide feature table against one scan of it, on Sail."""

from __future__ import annotations

import shutil
from functools import cache
from typing import TYPE_CHECKING

from benchmarks import data
from benchmarks.harness import SCRATCH, Figure, Side, stopwatch

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from ml_assets.platform.embedded import EmbeddedPlatform
    from ml_assets.spec.tables import FeatureTable

ROWS = 10_000_000
_CHUNK = 500_000
FLOATS = tuple(f"x{i}" for i in range(44))
WHOLE = tuple(f"n{i}" for i in range(4))
TEXTS = ("t0", "t1")
_TEXTS = 50

FIGURES = (
    Figure(
        name="facts",
        title="10 M x 50 feature table: the facts of all checks : adding up every column, one scan",
        ours="facts:ours",
        other="facts:scan",
        target=1.3,
        rounds=5,
        beside={"keys that are all over the place": "facts:scattered"},
    ),
)


def ours(scale: float) -> Side:
    """Measure the stored table as a check that is executed alone does, examples and all."""
    return _measured(scale, table())


def scattered(scale: float) -> Side:
    """Measure the same rows with keys of which no two are neighbours: the most that counting them costs."""
    return _measured(scale, table("x0"))


def _measured(scale: float, declared: FeatureTable) -> Side:
    from ml_assets.steps.clean_features import measure_frame

    platform = platform_of(int(ROWS * scale))
    platform.tables.read(declared.table).limit(1).toArrow()
    with stopwatch() as timer:
        frame, info = platform.tables.read(declared.table), platform.tables.info(declared.table)
        facts = measure_frame(frame, declared, info, staged=False)
    assert not facts.examples
    assert len(facts.columns) == len(FLOATS) + len(WHOLE) + len(TEXTS)
    return Side(timer.seconds, facts.rows, str(facts.rows))


def scan(scale: float) -> Side:
    """Add up every column in one aggregate: numbers, microseconds of times, lengths of texts.

    So each value of all 52 columns (the two keys are counted with the 50) is read and decoded. An
    aggregate that engines could answer from the statistics of files would be no scan.
    """
    from pyspark.sql import functions as F

    platform, declared = platform_of(int(ROWS * scale)), table()
    platform.tables.read(declared.table).limit(1).toArrow()
    with stopwatch() as timer:
        frame = platform.tables.read(declared.table)
        sums = [F.sum(name) for name in ("k", *FLOATS, *WHOLE)]
        sums += [F.sum(F.unix_micros("known_at")), *(F.sum(F.length(name)) for name in TEXTS)]
        rows = frame.agg(F.count(F.lit(1)), *sums).collect()[0][0]
    assert len(sums) == len(frame.columns)
    return Side(timer.seconds, rows, str(rows))


@cache
def table(key: str = "k") -> FeatureTable:
    """Declare the table of 50 features; what is no key is one."""
    from ml_assets.spec.tables import FeatureTable

    return FeatureTable.model_validate(
        {
            "name": "wide",
            "table": "bench.f.wide",
            "transform": ".no.transform",
            "sources": ["raw"],
            "primary_keys": [key],
            "event_time": "known_at",
            "columns": {n: {} for n in ("k", *FLOATS, *WHOLE, *TEXTS) if n != key},
        }
    )


def platform_of(rows: int) -> EmbeddedPlatform:
    """Open a platform on the table with this many rows; it is generated the first time."""
    from ml_assets.platform.embedded import EmbeddedPlatform
    from ml_assets.spec.catalog import feature_layout

    home = SCRATCH / f"wide-{rows}"
    platform = EmbeddedPlatform(home=home)
    if not platform.tables.info(table().table).exists:
        shutil.rmtree(home, ignore_errors=True)
        data.store(platform, feature_layout(table()), _chunks(rows))
    return platform


def _chunks(rows: int) -> Iterator[pa.Table]:
    import numpy as np
    import pyarrow as pa

    rng = np.random.default_rng(data.SEED)
    words = pa.array([f"city number {i}" for i in range(_TEXTS)])
    for start in range(0, rows, _CHUNK):
        number = np.arange(start, min(start + _CHUNK, rows))
        size = len(number)
        known = data.START_US + (number % data.DAYS) * data.DAY_US
        columns = {name: rng.standard_normal(size) for name in FLOATS}
        columns |= {name: rng.integers(0, 1000, size) for name in WHOLE}
        columns |= {name: words.take(pa.array(rng.integers(0, _TEXTS, size))) for name in TEXTS}
        yield pa.table({"k": number // data.DAYS, "known_at": data.times(known), **columns})
