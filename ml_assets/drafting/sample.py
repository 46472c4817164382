"""Rows of a table, and what can be said of its columns without knowing their meaning."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from ml_assets.spec.errors import SpecError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

#: Rows that a guess is made from, at most.
ROWS = 50_000
Kind = Literal["whole", "number", "boolean", "text", "time", "date", "other"]

_WHOLE = frozenset(["tinyint", "smallint", "int", "bigint"])
_KINDS: dict[str, Kind] = {
    "boolean": "boolean",
    "string": "text",
    "timestamp": "time",
    "timestamp_ntz": "time",
    "date": "date",
}
#: How text may write a time: for pandas, and for Spark's ``to_timestamp`` (None: Spark's default).
TEXT_FORMATS: tuple[tuple[str, str | None], ...] = (
    ("%Y/%m/%d", "yyyy/MM/dd"),
    ("%Y/%m/%d %H:%M", "yyyy/MM/dd HH:mm"),
    ("%Y/%m/%d %H:%M:%S", "yyyy/MM/dd HH:mm:ss"),
    ("%m/%d/%Y", "MM/dd/yyyy"),
    ("%d/%m/%Y", "dd/MM/yyyy"),
    ("%d.%m.%Y", "dd.MM.yyyy"),
    ("ISO8601", None),  # last: pandas takes slashes for it too, Spark does not
)
_LIKE_A_TIME = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}")


@dataclass(frozen=True)
class Column:
    """A column of the table; ``type`` is Spark's simple string (``double``, ``bigint``)."""

    name: str
    type: str
    comment: str = ""

    @property
    def kind(self) -> Kind:
        """What the type means to a model.

        >>> Column("a", "decimal(10,2)").kind, Column("b", "int").kind, Column("c", "binary").kind
        ('number', 'whole', 'other')
        """
        if self.type in _WHOLE:
            return "whole"
        if self.type in {"float", "double"} or self.type.startswith("decimal"):
            return "number"
        return _KINDS.get(self.type, "other")


@dataclass(frozen=True)
class Sample:
    """The first rows of a table.

    ``rows`` has the columns in the table's order; numbers are floats where values are missing.
    ``file`` is what the table is to be filled from, when it is not a table yet, and
    ``names_in_file`` what the columns are called there.
    """

    table: str
    columns: tuple[Column, ...]
    rows: pd.DataFrame
    total: int | None = None
    file: Path | None = None
    names_in_file: tuple[str, ...] = ()
    description: str = ""

    def column(self, name: str, asked_by: str) -> Column:
        """Find a column that a person named.

        Raises
        ------
        SpecError
            When there is none of that name.
        """
        names = [c.name for c in self.columns]
        if name in names:
            return self.columns[names.index(name)]
        raise SpecError(
            asked_by,
            found=f"{name!r}, which {self.table} does not have",
            expected=f"one of {', '.join(names)}",
            fix=f"correct the name{did_you_mean(name, names)}",
        )

    def values(self, name: str) -> pd.Series:
        """The values that are there: neither null nor NaN."""
        return self.rows[name].dropna()

    def distinct(self, name: str) -> int:
        """How many different values are there; 0 when they cannot be compared (arrays)."""
        return self._distinct[name]

    def nulls(self, name: str) -> float:
        """Share of the rows without a value."""
        return float(self.rows[name].isna().mean()) if len(self.rows) else 0.0

    @cached_property
    def _distinct(self) -> dict[str, int]:
        simple = [c.name for c in self.columns if c.kind != "other"]
        return {c.name: 0 for c in self.columns} | {n: self.values(n).nunique() for n in simple}

    @cached_property
    def times(self) -> dict[str, TimeColumn]:
        """The columns that hold a time in every row, by name."""
        found = {c.name: self._time(c) for c in self.columns if c.kind in {"time", "date", "text"}}
        return {name: time for name, time in found.items() if time is not None}

    def _time(self, column: Column) -> TimeColumn | None:
        import pandas as pd

        values = self.rows[column.name]
        if values.empty or values.isna().any():
            return None
        if column.kind != "text":
            # 9999-12-31, as many write "for ever", is later than pandas' nanoseconds reach.
            times = pd.to_datetime(values, utc=True, errors="coerce")
            return None if times.isna().any() else TimeColumn(column, times)
        if not values.map(lambda v: bool(_LIKE_A_TIME.match(str(v)))).all():
            return None
        read = [
            TimeColumn(column, times, written, spark)
            for written, spark in TEXT_FORMATS
            if (times := pd.to_datetime(values, utc=True, errors="coerce", format=written))
            .notna()
            .all()
        ]
        if not read:
            return None
        other = next((t.pandas_format for t in read[1:] if not t.times.equals(read[0].times)), None)
        return replace(read[0], or_format=other)


@dataclass(frozen=True)
class TimeColumn:
    """A column that is a time, or text that is written as one.

    ``or_format`` is another way to read the same texts, as other times (01/02/2024).
    """

    column: Column
    times: pd.Series
    pandas_format: str | None = None
    spark_format: str | None = None
    or_format: str | None = None


def refuse_no_rows(table: str, rows: Sequence[object] | pd.DataFrame) -> None:
    """Refuse a table without rows: there is nothing to guess from.

    Raises
    ------
    SpecError
        When there are no rows.
    """
    if len(rows) == 0:
        raise SpecError(
            f"--from {table}",
            found="no rows",
            expected="rows to guess keys, times and labels from",
            fix="fill the table first, or declare the model by hand (docs/declare-a-model.md)",
        )
