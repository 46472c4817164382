"""A sample of the rows of a frame that is the same on every engine and at every execution."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from pyspark.sql import Column, DataFrame

_BUCKETS = 1 << 20
_HASH = "__hash"


def key_hash(keys: Sequence[str]) -> Column:
    """Hash the columns of a row (xxhash64, as every Spark engine computes it)."""
    from pyspark.sql import functions as F

    return F.xxhash64(*(F.col(f"`{k}`") for k in keys))


def sampled(frame: DataFrame, keys: Sequence[str], *, rows: int, most: int) -> DataFrame:
    """Keep about ``most`` of ``rows`` rows: those whose keys hash to the first buckets.

    Which rows are kept depends on nothing but their keys. The number of rows is binomial; the
    share is set four standard deviations high, so that ``collect_sample`` can cut to ``most``.
    """
    from pyspark.sql import functions as F

    if rows <= most:
        return frame
    share = min(1.0, (most + 4 * math.sqrt(most)) / rows)
    cut = math.ceil(share * _BUCKETS)
    return frame.where(F.pmod(key_hash(keys), F.lit(_BUCKETS)) < F.lit(cut))


def collect_sample(
    frame: DataFrame,
    keys: Sequence[str],
    columns: Mapping[str, Column],
    *,
    rows: int,
    most: int,
) -> pd.DataFrame:
    """Bring columns of a sample into memory, in the order of the hash: as good as shuffled.

    At most ``most`` rows, all of them when ``rows`` (how many ``frame`` has) are not more. Rows
    with equal keys have equal hashes; their order among each other is not defined.
    """
    kept = sampled(frame, keys, rows=rows, most=most)
    chosen = [column.alias(f"c{i}") for i, column in enumerate(columns.values())]
    found = kept.select(*chosen, key_hash(keys).alias(_HASH)).toPandas()
    found = found.sort_values(_HASH, kind="stable", ignore_index=True).head(most)
    found = found.drop(columns=_HASH)
    found.columns = list(columns)
    return found
