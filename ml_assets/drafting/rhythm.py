"""At what distance the rows of a table follow one another: days, hours, or calendar months."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from ml_assets.spec.base import duration_text

if TYPE_CHECKING:
    import pandas as pd

#: A step counts as regular when this share of all steps is equal.
_REGULAR = 0.8
_FEWEST_ROWS = 5
_NOMINAL_MONTH = timedelta(days=31)
_YEAR = 12
#: Days that every month has: from the 29th on only the last day of a month recurs.
_IN_EVERY_MONTH = 28


@dataclass(frozen=True)
class Step:
    """The usual distance of one row to the next.

    ``months`` counts calendar months, which are not equally long; ``length`` is then the longest
    that it can be. ``at_end`` says that the rows stand on the last day of a month.
    """

    length: timedelta
    months: int = 0
    at_end: bool = False

    def __str__(self) -> str:
        """Write it as a person would.

        >>> str(Step(timedelta(days=7))), str(Step(timedelta(days=93), months=3))
        ('1 week', '3 months')
        """
        if not self.months:
            return duration_text(self.length)
        years, rest = divmod(self.months, _YEAR)
        count, unit = (self.months, "month") if rest else (years, "year")
        return f"{count} {unit}{'' if count == 1 else 's'}"

    @property
    def interval(self) -> str:
        """The same for Spark SQL, where a day has 24 hours."""
        if self.months:
            return f"{self.months} months"
        seconds = int(self.length.total_seconds())
        hours, rest = divmod(seconds, 3600)
        return f"{hours} hours" if not rest else f"{seconds} seconds"


def find_step(keys: pd.DataFrame, names: list[str], time: str) -> Step | None:
    """The usual step between the rows of one key; None when there is none.

    ``keys`` has the key columns ``names`` (none: one series) and ``time``, UTC timestamps.
    """
    keys = keys.sort_values(time)
    groups = keys.groupby(names, observed=True).ngroups if names else 1
    if len(keys) < _FEWEST_ROWS * groups:
        return None
    return _of_equal_lengths(keys, names, time) or _of_months(keys, names, time)


def _steps(keys: pd.DataFrame, names: list[str], column: str) -> pd.Series:
    grouped = keys.groupby(names, observed=True)[column] if names else keys[column]
    found: pd.Series = grouped.diff().dropna()
    return found


def _of_equal_lengths(keys: pd.DataFrame, names: list[str], time: str) -> Step | None:
    steps = _steps(keys, names, time)
    if steps.empty:
        return None
    usual: pd.Timedelta = steps.mode().iloc[0]
    if (steps == usual).mean() < _REGULAR or usual.total_seconds() <= 0:
        return None
    return Step(usual.to_pytimedelta())


def _of_months(keys: pd.DataFrame, names: list[str], time: str) -> Step | None:
    """Rows on the same day of each month, or on its last."""
    days = keys[time].dt
    same = bool((days.day == days.day.iloc[0]).all()) and days.day.iloc[0] <= _IN_EVERY_MONTH
    at_end = bool(days.is_month_end.all())
    if not (same or at_end):
        return None
    months = keys.assign(__month=days.year * _YEAR + days.month)
    steps = _steps(months, names, "__month")
    if steps.empty:
        return None
    usual = int(steps.mode().iloc[0])
    if usual <= 0 or (steps == usual).mean() < _REGULAR:
        return None
    return Step(usual * _NOMINAL_MONTH, months=usual, at_end=at_end and not same)
