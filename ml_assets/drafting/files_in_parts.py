"""Read the first rows of a file, and the types that the whole of it has, a part at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import pandas as pd

#: Rows that are in memory at once.
PART = 200_000


@dataclass(frozen=True)
class Head:
    """The first rows of a file, and how many it has.

    ``typed`` are the same rows and perhaps some more, with a value of each type that a column has
    anywhere in the file: whole numbers with a gap in the last row are stored as floats.
    """

    rows: pd.DataFrame
    typed: pd.DataFrame
    total: int


def head_of(path: Path, rows: int) -> Head:
    """Read the first ``rows`` rows of a CSV or Parquet file, without holding all of it."""
    return _head(_csv(path) if path.suffix.lower() == ".csv" else _parquet(path), rows)


def _csv(path: Path) -> Iterator[pd.DataFrame]:
    import pandas as pd

    with pd.read_csv(path, chunksize=PART) as parts:
        yield from parts


def _parquet(path: Path) -> Iterator[pd.DataFrame]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        empty = True
        for batch in file.iter_batches(batch_size=PART):
            empty = False
            yield batch.to_pandas()
        if empty:
            yield file.schema_arrow.empty_table().to_pandas()


def _head(parts: Iterable[pd.DataFrame], rows: int) -> Head:
    import pandas as pd

    found = iter(parts)
    part = next(found, pd.DataFrame())
    first, total = part.head(rows).copy(), len(part)
    others: dict[str, list[pd.Series]] = {name: [] for name in first.columns}
    for part in found:
        total += len(part)
        for name, values in others.items():
            if part[name].dtype != first[name].dtype:
                there = part[name].dropna()
                values.append((there if len(there) else part[name]).head(1))
    most = max((len(values) for values in others.values()), default=0)
    if not most:
        return Head(first, first, total)
    columns = {
        name: pd.concat([first[name], *values, *[first[name].head(1)] * (most - len(values))])
        for name, values in others.items()
    }
    typed = pd.DataFrame({name: c.reset_index(drop=True) for name, c in columns.items()})
    return Head(typed.head(len(first)), typed, total)
