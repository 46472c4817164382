"""The point-in-time join: for each row, the feature row that was known as of the row's time.

A feature row matches when its keys are equal and its event time is not later than the as-of time
(equal matches) and, with a lookback, not older than it (inclusive, in whole seconds). The latest
such row is taken whole: its nulls stay null. No match gives null. Null keys match nothing. Rows are
never lost and never multiplied. Tables without an event time match on their keys alone.

It runs in two queries. The first matches keys and times alone, into a narrow temporary table; the
second fetches the features by equality, with the features' Parquet files as the streaming side. So
the wide columns are neither sorted nor kept in memory, and the narrow side goes to disk when it
does not fit.
"""
# ruff: noqa: S608 - queries are assembled from names that ``identifier`` quotes.

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from ml_assets.platform.embedded.duck import identifier
from ml_assets.platform.lookup_checks import (
    check_column,
    check_event_time,
    check_key_types,
    refuse_repeats,
)
from ml_assets.platform.protocol import AS_OF_PREFIX, MATCHED_PREFIX
from ml_assets.spec.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import duckdb

    from ml_assets.platform.embedded.delta_files import Snapshot

_MATCHED = "matched"


@dataclass(frozen=True)
class Rows:
    """The rows that features are looked up for.

    ``query`` is SQL that gives the columns of ``types`` (Spark's simple type name by column); ``what``
    names them in errors.
    """

    what: str
    query: str
    types: Mapping[str, str]

    @classmethod
    def of_table(
        cls,
        stored: Snapshot,
        columns: tuple[str, ...],
        connection: duckdb.DuckDBPyConnection,
    ) -> Rows:
        """Take columns of a stored table.

        Raises
        ------
        DataError
            When one is missing.
        """
        what = f"table {stored.table}, version {stored.version}"
        for name in columns:
            check_column(what, name, stored.types)
        return cls(
            what, stored.relation(connection, columns), {c: stored.types[c] for c in columns}
        )


@dataclass(frozen=True)
class Lookup:
    """How one feature table is looked up.

    ``keys`` pairs each primary key of the table with the rows' column that it must equal,
    ``event_time`` pairs the table's event time with the rows' as-of time, and ``columns`` pairs each
    stored feature with its name in the result.
    """

    name: str
    snapshot: Snapshot
    keys: tuple[tuple[str, str], ...]
    columns: tuple[tuple[str, str], ...]
    event_time: tuple[str, str] | None = None
    lookback: timedelta | None = None

    @property
    def match_column(self) -> Output:
        """When the matched row became known; for a static table, whether there was one."""
        if self.event_time:
            return Output(AS_OF_PREFIX + self.name, "timestamp")
        return Output(MATCHED_PREFIX + self.name, "boolean")


@dataclass(frozen=True)
class Output:
    """A column of the result and its Spark type."""

    name: str
    type: str


@dataclass(frozen=True)
class PointInTimeJoin:
    """One join: call ``match`` first, then run ``query`` on the same connection.

    Raises
    ------
        DataError: When a column is missing, a key has another type in the table than in the rows, an
            event time is not a UTC timestamp, or two columns of the result differ by case only.
    """

    rows: Rows
    lookups: Sequence[Lookup]

    def __post_init__(self) -> None:
        for lookup in self.lookups:
            _check_lookup(self.rows, lookup)
        names = [*self.rows.types, *(c for x in self.lookups for _, c in x.columns)]
        names += [x.match_column.name for x in self.lookups]
        refuse_repeats(self.rows.what, names)

    def match(self, connection: duckdb.DuckDBPyConnection) -> int:
        """Find the time of the matching row of each table; return how many rows there are."""
        selected = [f"l.{identifier(c)} AS {self._alias(c)}" for c in self.rows.types]
        joins = []
        for i, lookup in enumerate(self.lookups):
            if lookup.event_time is not None:
                time, as_of = (identifier(c) for c in lookup.event_time)
                selected.append(f"{_age_limited(lookup, f'f{i}.{time}', f'l.{as_of}')} AS a{i}")
                keys = lookup.snapshot.relation(connection, _stored_keys(lookup))
                on = [*_equal_keys(lookup, i), f"l.{as_of} >= f{i}.{time}"]
                joins.append(f"ASOF LEFT JOIN ({keys}) AS f{i} ON {' AND '.join(on)}")
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {_MATCHED} AS "
            f"SELECT {', '.join(selected)} FROM ({self.rows.query}) AS l {' '.join(joins)}"
        )
        counted = connection.execute(f"SELECT count(*) FROM {_MATCHED}").fetchone()
        return int(counted[0]) if counted else 0

    def query(self, connection: duckdb.DuckDBPyConnection, outputs: Mapping[str, str]) -> str:
        """Return the SQL of the joined rows.

        ``outputs`` gives the expression of each column by its name: what ``row``, ``features`` and
        ``matches`` return, or SQL made of it.
        """
        joins = [self._fetch_join(connection, x, i) for i, x in enumerate(self.lookups)]
        selected = ", ".join(f"{sql} AS {identifier(name)}" for name, sql in outputs.items())
        return f"SELECT {selected} FROM {_MATCHED} AS m {' '.join(joins)}"

    def row(self, column: str) -> str:
        """Reference a column of the rows."""
        return f"m.{self._alias(column)}"

    def features(self) -> dict[str, str]:
        """Reference the features, by their name in the result, in order."""
        return {
            output: f"f{i}.{identifier(stored)}"
            for i, lookup in enumerate(self.lookups)
            for stored, output in lookup.columns
        }

    def matches(self) -> dict[str, str]:
        """Reference what says whether and when a row matched, by its name in the result."""
        return {
            x.match_column.name: f"m.a{i}"
            if x.event_time
            else f"f{i}.{identifier(x.keys[0][0])} IS NOT NULL"
            for i, x in enumerate(self.lookups)
        }

    def check_count(
        self, connection: duckdb.DuckDBPyConnection, *, expected: int, found: int
    ) -> None:
        """Refuse a result with more rows than were looked up.

        Raises
        ------
            DataError: Naming the table with repeated keys, and the first of them.
        """
        if found == expected:
            return
        for lookup in self.lookups:
            if repeated := _repeated_keys(connection, lookup):
                raise DataError(
                    f"table {lookup.snapshot.table}, version {lookup.snapshot.version}",
                    found=f"several rows for one key, which made {found} rows of {expected}: {repeated}",
                    expected=f"one row for each {', '.join(_stored_keys(lookup))}",
                    fix="remove the repeated rows: materialize the feature table again",
                    rule="ml01_primary_key_unique",
                )
        message = f"the join gave {found} rows for {expected}, and no key is repeated"
        raise RuntimeError(message)

    def _alias(self, column: str) -> str:
        return f"l{tuple(self.rows.types).index(column)}"

    def _fetch_join(self, connection: duckdb.DuckDBPyConnection, lookup: Lookup, i: int) -> str:
        columns = _stored_keys(lookup) + tuple(stored for stored, _ in lookup.columns)
        relation = lookup.snapshot.relation(connection, tuple(dict.fromkeys(columns)))
        on = [f"f{i}.{identifier(k)} = {self.row(mine)}" for k, mine in lookup.keys]
        if lookup.event_time:
            on.append(f"f{i}.{identifier(lookup.event_time[0])} = m.a{i}")
        return f"LEFT JOIN ({relation}) AS f{i} ON {' AND '.join(on)}"


def _stored_keys(lookup: Lookup) -> tuple[str, ...]:
    time = (lookup.event_time[0],) if lookup.event_time else ()
    return tuple(k for k, _ in lookup.keys) + time


def _equal_keys(lookup: Lookup, i: int) -> list[str]:
    return [f"f{i}.{identifier(k)} = l.{identifier(mine)}" for k, mine in lookup.keys]


def _age_limited(lookup: Lookup, time: str, as_of: str) -> str:
    """Forget a match that is older than the lookback: then none is younger."""
    if lookup.lookback is None:
        return time
    # In whole seconds, as the feature engineering client counts.
    age = f"date_diff('second', {time}, {as_of})"
    return f"CASE WHEN {age} <= {lookup.lookback.total_seconds()} THEN {time} END"


def _repeated_keys(connection: duckdb.DuckDBPyConnection, lookup: Lookup) -> str:
    keys = _stored_keys(lookup)
    listed = ", ".join(identifier(k) for k in keys)
    not_null = " AND ".join(f"{identifier(k)} IS NOT NULL" for k in keys)
    found = connection.execute(
        f"SELECT {listed}, count(*) FROM ({lookup.snapshot.relation(connection, keys)}) "
        f"WHERE {not_null} GROUP BY ALL HAVING count(*) > 1 ORDER BY ALL LIMIT 3"
    ).fetchall()
    return "; ".join(f"{', '.join(map(str, row[:-1]))} ({row[-1]} rows)" for row in found)


def _check_lookup(rows: Rows, lookup: Lookup) -> None:
    stored = lookup.snapshot
    for name in (*_stored_keys(lookup), *(c for c, _ in lookup.columns)):
        check_column(f"table {stored.table}, version {stored.version}", name, stored.types)
    for key, mine in lookup.keys:
        check_column(rows.what, mine, rows.types)
        check_key_types(
            rows.what, (mine, rows.types[mine]), f"table {stored.table}", (key, stored.types[key])
        )
    if lookup.event_time:
        time, as_of = lookup.event_time
        check_column(rows.what, as_of, rows.types)
        check_event_time(rows.what, as_of, rows.types[as_of])
        check_event_time(f"table {stored.table}", time, stored.types[time])
