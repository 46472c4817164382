"""The population stability index: how far the values of a column have moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

#: Quantile bins of numbers; levels of strings that have a bin of their own, and the share they need.
BINS, LEVELS, LEAST_SHARE = 10, 20, 0.01
#: The share that an empty bin counts as: the logarithm of 0 is not defined.
FLOOR = 1e-4
#: What a standard normal variable exceeds once in a thousand times.
CHANCE = 3.0902


def psi(expected: Array, actual: Array) -> Array:
    """PSI of counts by bin (the last axis): sum of (a - e) ln(a / e) over shares e and a.

    It is the sum of the Kullback-Leibler divergences in both directions (Siddiqi 2006, Credit Risk
    Scorecards; Kullback and Leibler 1951). A bin that is empty on one side counts there as
    ``FLOOR``, of few rows as half a row. 0 when either side has no rows.

    >>> import numpy as np
    >>> round(float(psi(np.array([50, 50]), np.array([80, 20]))), 4)
    0.4159
    """
    import numpy as np

    n, m = expected.sum(axis=-1, keepdims=True), actual.sum(axis=-1, keepdims=True)
    e = np.maximum(expected, np.maximum(FLOOR * n, 0.5)) / np.maximum(n, 1)
    a = np.maximum(actual, np.maximum(FLOOR * m, 0.5)) / np.maximum(m, 1)
    some = (expected > 0) | (actual > 0)
    total = np.where(some, (a - e) * np.log(a / e), 0.0).sum(axis=-1)
    return np.where((n[..., 0] > 0) & (m[..., 0] > 0), total, 0.0)


def psi_by_chance(expected: Array, actual: Array) -> float:
    """The PSI that two samples of one population exceed once in a thousand times.

    PSI / (1/n + 1/m) is about chi-squared with one degree of freedom less than there are bins
    (Yurdakul and Naranjo 2020, Statistical properties of the population stability index); its
    quantile after Wilson and Hilferty 1931. Infinite when either side has no rows.
    """
    n, m = float(expected.sum()), float(actual.sum())
    if not n or not m:
        return float("inf")
    freedom = max(int(((expected > 0) | (actual > 0)).sum()) - 1, 1)
    spread = 2 / (9 * freedom)
    quantile = freedom * (1 - spread + CHANCE * spread**0.5) ** 3
    return float(quantile * (1 / n + 1 / m))


@dataclass(frozen=True)
class Bins:
    """Into which bins the values of a column fall; null has the last one.

    Of numbers: up to each of ``edges`` (inclusive), and above the last. Of strings: one for each of
    ``levels``, then one for all others.
    """

    edges: tuple[float, ...] = ()
    levels: tuple[str, ...] | None = None

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.edges if self.levels is None else self.levels) + 2

    @classmethod
    def of(cls, column: pd.Series[Any]) -> Bins:
        """Choose bins by the values of the training set.

        Numbers: the ten quantile bins of the finite values (inverse of their distribution); equal edges become one, so a frequent
        value makes fewer bins, and a constant has bins below and above. Strings: the levels with at
        least 1 % of the rows, twenty at most.
        """
        import numpy as np
        import pandas as pd

        if not pd.api.types.is_numeric_dtype(column):
            shares = column.dropna().astype(str).value_counts(normalize=True)
            frequent = sorted(shares[shares >= LEAST_SHARE].items(), key=lambda s: (-s[1], s[0]))
            return cls(levels=tuple(str(level) for level, _ in frequent[:LEVELS]))
        numbers = column.to_numpy(dtype="float64")
        finite = numbers[np.isfinite(numbers)]
        if not len(finite):
            return cls()
        if finite.min() == finite.max():
            with np.errstate(over="ignore"):  # below the least float there is -Inf, which is right
                below = np.nextafter(finite[0], -np.inf)
            return cls((float(below), float(finite[0])))
        at = [-(-len(finite) * i // BINS) - 1 for i in range(1, BINS)]
        edges = np.unique(np.sort(finite)[at])
        return cls(tuple(float(e) for e in edges))

    def place(self, column: pd.Series[Any]) -> Array:
        """Number the bin of each value; a column of another kind than the bins is all null."""
        import numpy as np
        import pandas as pd

        if self.levels is None:
            numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype="float64")
            found: Array = np.searchsorted(np.array(self.edges), numbers, side="left")
            return np.where(np.isnan(numbers), self.count - 1, found)
        number_of = {level: i for i, level in enumerate(self.levels)}
        text = column.astype(object)
        named = text.map(lambda v: number_of.get(str(v), len(number_of)))
        return np.where(text.isna(), self.count - 1, named).astype("int64")

    def counts(self, column: pd.Series[Any]) -> Array:
        """Rows in each bin."""
        import numpy as np

        return np.bincount(self.place(column), minlength=self.count)

    def name(self, number: int) -> str:
        """Name a bin for a reader.

        >>> [Bins((0.0, 2.5)).name(i) for i in range(4)], Bins(levels=("Oslo",)).name(1)
        (['up to 0', 'up to 2.5', 'above 2.5', 'null'], 'other values')
        """
        if number == self.count - 1:
            return "null"
        if self.levels is not None:
            return repr(self.levels[number]) if number < len(self.levels) else "other values"
        if number < len(self.edges):
            return f"up to {self.edges[number]:g}"
        return f"above {self.edges[-1]:g}" if self.edges else "any number"
