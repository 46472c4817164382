"""When the feature row that matches each row became known: the keys-only half of the join.

The feature engineering client joins the features; it does not say which row it found. This does, by
the same rules: keys are equal, the event time is not later than the row's (equal matches) and, with
a lookback, not older than it (inclusive, counted in whole seconds); null keys match nothing; rows
are neither lost nor multiplied. Tables without an event time match on their keys alone.

Only keys and times are read, and each key's times are sorted once: feature times and asked times
together, where the latest feature time up to a row is a running maximum. A feature time that a key
has more than once, and that a row would match, ends the query (``REPEATED``): the client would take
either of the two rows.
"""

from __future__ import annotations

import functools
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_assets.platform.databricks.sql import column
from ml_assets.platform.lookup_checks import check_column, check_event_time, check_key_types
from ml_assets.platform.protocol import AS_OF_PREFIX, MATCHED_PREFIX

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from pyspark.sql import Column, DataFrame

#: What the query's error says when a matched key is repeated.
REPEATED = "ml_assets: a matched key of a feature table is repeated"
_AT, _KNOWN, _ASKED, _COUNT = "__at", "__known", "__asked", "__count"


@dataclass(frozen=True)
class Lookup:
    """How one feature table is looked up.

    ``keys`` pairs each primary key of the table with the rows' column that it must equal,
    ``event_time`` pairs the table's event time with the rows' as-of time.
    """

    name: str
    table: str
    keys: tuple[tuple[str, str], ...]
    columns: tuple[str, ...] = ()
    event_time: tuple[str, str] | None = None
    lookback: timedelta | None = None

    @property
    def match_column(self) -> str:
        """The column that says when, or for a static table whether, a row matched."""
        return (AS_OF_PREFIX if self.event_time else MATCHED_PREFIX) + self.name

    @property
    def stored_keys(self) -> tuple[str, ...]:
        """The table's own key columns, the event time last."""
        time = (self.event_time[0],) if self.event_time else ()
        return tuple(k for k, _ in self.keys) + time

    def check(self, what: str, rows: Mapping[str, str], stored: Mapping[str, str]) -> None:
        """Refuse a lookup that cannot be made on columns (types by name) of rows and of the table.

        Raises
        ------
        DataError
            When a column is missing, a key has another type on either side, or an event time is not
            a UTC timestamp. ``what`` names the rows.
        """
        table = f"table {self.table}"
        for name in (*self.stored_keys, *self.columns):
            check_column(table, name, stored)
        for key, mine in self.keys:
            check_column(what, mine, rows)
            check_key_types(what, (mine, rows[mine]), table, (key, stored[key]))
        if self.event_time:
            time, as_of = self.event_time
            check_column(what, as_of, rows)
            check_event_time(what, as_of, rows[as_of])
            check_event_time(table, time, stored[time])


def with_matches(rows: DataFrame, lookups: Sequence[tuple[Lookup, DataFrame]]) -> DataFrame:
    """Add to ``rows`` each lookup's match column, given the lookup and its table."""
    for lookup, table in lookups:
        add = _with_time if lookup.event_time else _with_presence
        rows = add(rows, lookup, table)
    return rows


def _with_presence(rows: DataFrame, lookup: Lookup, table: DataFrame) -> DataFrame:
    from pyspark.sql import functions as F

    keys = [F.col(column(k)).alias(f"__k{i}") for i, (k, _) in enumerate(lookup.keys)]
    there = table.select(*keys).dropna().distinct().withColumn(_KNOWN, F.lit(1))
    found = rows.join(there, on=_on(lookup), how="left")
    return found.select(*_all(rows), F.col(_KNOWN).isNotNull().alias(lookup.match_column))


def _with_time(rows: DataFrame, lookup: Lookup, table: DataFrame) -> DataFrame:
    from pyspark.sql import functions as F

    assert lookup.event_time is not None  # noqa: S101 - chosen by with_matches
    times = _known_times(rows, lookup, table)
    on = _on(lookup) & (F.col(column(lookup.event_time[1])) == F.col(_AT))
    found = rows.join(times, on=on, how="left")
    return found.select(*_all(rows), F.col(_KNOWN).alias(lookup.match_column))


def _known_times(rows: DataFrame, lookup: Lookup, table: DataFrame) -> DataFrame:
    """For each distinct key and asked time, the latest feature time up to it."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    time, as_of = lookup.event_time or ("", "")
    names = [f"__k{i}" for i in range(len(lookup.keys))]
    theirs = [F.col(column(k)).alias(n) for n, (k, _) in zip(names, lookup.keys, strict=True)]
    ours = [F.col(column(m)).alias(n) for n, (_, m) in zip(names, lookup.keys, strict=True)]
    features = table.select(*theirs, F.col(column(time)).alias(_AT)).dropna()
    asked = rows.select(*ours, F.col(column(as_of)).alias(_AT)).dropna().distinct()
    events = features.withColumn(_ASKED, F.lit(0)).unionByName(asked.withColumn(_ASKED, F.lit(1)))
    # Rows of equal time are peers in a window that is ordered by it: an equal feature time is seen.
    sofar, peers = Window.partitionBy(*names).orderBy(_AT), Window.partitionBy(*names, _AT)
    count = F.sum(F.lit(1) - F.col(_ASKED)).over(peers)
    found = F.struct(F.col(_AT).alias(_KNOWN), F.col(_COUNT).alias(_COUNT))
    latest = F.max(F.when(F.col(_COUNT) > 0, found)).over(sofar)
    known = events.withColumn(_COUNT, count).withColumn(_KNOWN, latest)
    answers = known.where(F.col(_ASKED) == 1)
    return answers.select(*names, _AT, _matched(lookup).alias(_KNOWN))


def _matched(lookup: Lookup) -> Column:
    """Name the matched time; forget one that is older than the lookback: then none is younger."""
    from pyspark.sql import functions as F

    time, count = F.col(f"{_KNOWN}.{_KNOWN}"), F.col(f"{_KNOWN}.{_COUNT}")
    once = F.when(count > 1, F.raise_error(F.lit(REPEATED)).cast("timestamp")).otherwise(time)
    if lookup.lookback is None:
        return once
    age = F.unix_timestamp(F.col(_AT)) - F.unix_timestamp(time)
    return F.when(age <= F.lit(lookup.lookback.total_seconds()), once)


def _on(lookup: Lookup) -> Column:
    """Equal keys, by names that only one side has (frames' own columns are ambiguous on Connect)."""
    from pyspark.sql import functions as F

    pairs = [F.col(column(m)) == F.col(f"__k{i}") for i, (_, m) in enumerate(lookup.keys)]
    return functools.reduce(operator.and_, pairs)


def _all(rows: DataFrame) -> list[Column]:
    from pyspark.sql import functions as F

    return [F.col(column(name)) for name in rows.columns]
