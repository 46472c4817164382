"""A metric as a function of sums over rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np


@dataclass(frozen=True)
class MetricSums:
    """A metric as ``value(sums)`` of the sums of ``columns`` over rows.

    ``columns`` has one row of numbers for each row of data. It is handed over as pieces: ``(places,
    weights)`` adds ``weights`` (one for each row) into the column ``places`` of each row. ``width`` is
    how many columns there are. ``value`` takes an array ``(draws, width)`` and gives one number a draw, NaN where a draw
    does not define the metric.
    """

    width: int
    pieces: tuple[tuple[np.ndarray | int, np.ndarray], ...]
    value: Callable[[np.ndarray], np.ndarray]

    def by_group(self, groups: np.ndarray, count: int) -> np.ndarray:
        """Add the rows of each group up: ``(count, width)``."""
        import numpy as np

        sums = np.zeros(count * self.width)
        for places, weights in self.pieces:
            flat = groups * self.width + places
            sums += np.bincount(flat, weights=weights, minlength=count * self.width)
        return sums.reshape(count, self.width)


def mean(losses: np.ndarray) -> MetricSums:
    """The mean of a number of each row."""
    return of_sums([losses], lambda s: s[:, 0] / s[:, 1])


def of_sums(columns: Sequence[np.ndarray], value: Callable[[np.ndarray], np.ndarray]) -> MetricSums:
    """A function of the sums of some columns and, last, the number of rows."""
    import numpy as np

    parts = [*columns, np.ones(len(columns[0]))]
    return MetricSums(len(parts), tuple(enumerate(parts)), value)


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Divide; NaN where there is nothing to divide by."""
    import numpy as np

    return np.where(below > 0, above / np.where(below > 0, below, 1), np.nan)
