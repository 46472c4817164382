"""A feature as levels: which rows have the same value, and in which order the values are.

Every statistic of one feature is a sum over its levels, so each feature is sorted only once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Levels:
    """The distinct values of a column.

    ``codes`` numbers each row's value from 0, in the order of ``numbers`` when these are numbers.
    Null (and NaN, which no feature table holds) is a level of its own, the last one, when ``null``.
    ``numbers`` are the numbers, without null; None for strings, whose levels have no order.
    """

    codes: Array
    count: int
    null: bool
    numbers: Array | None = None

    @property
    def ordered(self) -> bool:
        """Whether the levels are numbers."""
        return self.numbers is not None

    def sizes(self) -> Array:
        """Rows of each level."""
        import numpy as np

        return np.bincount(self.codes, minlength=self.count).astype("float64")

    def sums(self, target: Array) -> Array:
        """Sum of each column of ``target`` (rows by columns) over the rows of each level."""
        import numpy as np

        columns = [np.bincount(self.codes, t, self.count) for t in target.T]
        return np.stack(columns, axis=1)

    def without_null(self) -> tuple[Levels, Array]:
        """The rows that have a value, and which they are."""
        if not self.null:
            return self, self.codes >= 0
        kept = self.codes < self.count - 1
        return Levels(self.codes[kept], self.count - 1, null=False, numbers=self.numbers), kept


def levels_of(column: pd.Series[Any]) -> Levels:
    """Number the values of a column of numbers (float64) or of strings.

    -Inf and Inf are the smallest and the largest number. Strings that all read as numbers are
    taken as these numbers: a label that was turned into text is still the label.

    >>> import pandas as pd
    >>> found = levels_of(pd.Series([2.0, None, -1.0, 2.0]))
    >>> found.codes.tolist(), found.count, found.null, found.numbers.tolist()
    ([1, 2, 0, 1], 3, True, [-1.0, 2.0])
    >>> levels_of(pd.Series(["10", "9", "10"])).numbers.tolist()
    [9.0, 10.0]
    """
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column):
        return _of_numbers(column.to_numpy(dtype="float64"))
    codes, names = pd.factorize(column, use_na_sentinel=True)
    numbers = pd.to_numeric(pd.Series(names, dtype=object), errors="coerce").astype("float64")
    if len(names) and numbers.notna().all():
        return _of_numbers(_spread_out(numbers.to_numpy(), codes))
    return _with_null(codes, len(names), None)


def binned(levels: Levels, bins: int) -> Levels:
    """Join neighbouring numbers to at most ``bins`` bins of about equal size; null stays apart.

    A level is never split, so a bin with a frequent value is larger. Strings stay as they are.
    """
    import numpy as np

    if not levels.ordered or levels.count <= bins:
        return levels
    sizes = levels.sizes()[: levels.count - levels.null]
    middle = (np.cumsum(sizes) - sizes / 2) / sizes.sum()
    _, bin_of = np.unique((middle * bins).astype("int64"), return_inverse=True)
    count = int(bin_of.max()) + 1
    if levels.null:
        bin_of = np.append(bin_of, count)
    edges = np.arange(count, dtype="float64")
    return Levels(bin_of[levels.codes], count + levels.null, null=levels.null, numbers=edges)


def midranks(sizes: Array) -> Array:
    """The average rank (from 1) of the rows of each level, as in ``scipy.stats.rankdata``."""
    import numpy as np

    ranks: Array = np.cumsum(sizes) - (sizes - 1) / 2
    return ranks


def _of_numbers(numbers: Array) -> Levels:
    import numpy as np

    empty = np.isnan(numbers)
    values, found = np.unique(numbers[~empty], return_inverse=True)
    codes = np.full(len(numbers), -1)
    codes[~empty] = found
    return _with_null(codes, len(values), values)


def _spread_out(numbers: Array, codes: Array) -> Array:
    import numpy as np

    return np.where(codes >= 0, numbers[codes], np.nan)


def _with_null(codes: Array, count: int, values: Array | None) -> Levels:
    import numpy as np

    empty = codes < 0
    null = bool(empty.any())
    return Levels(np.where(empty, count, codes), count + null, null=null, numbers=values)
