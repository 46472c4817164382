"""Counts over a Spark frame, all in one aggregate."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ml_assets.platform.protocol import AS_OF_PREFIX, MATCHED_PREFIX
from ml_assets.rules.facts import ColumnFacts, LookupFacts, Spread

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from pyspark.sql import Column, DataFrame

    from ml_assets.spec.model import ModelSpec

REPAIRED_PREFIX = "__repaired_"
FLOATS = frozenset({"float", "double"})
INTEGERS = frozenset({"tinyint", "smallint", "int", "bigint"})
#: Types beside numbers that have a least and a greatest value on every engine.
ORDERED = frozenset({"string", "boolean", "date", "timestamp", "timestamp_ntz"})


def is_number(kind: str) -> bool:
    """Tell whether values of a Spark type (its simple name) are numbers.

    >>> is_number("decimal(10,2)"), is_number("boolean"), is_number("interval day")
    (True, False, False)
    """
    return kind in FLOATS or kind in INTEGERS or kind.startswith("decimal")


def column_types(frame: DataFrame) -> dict[str, str]:
    """Map column names to Spark's simple type names, in order."""
    return {f.name: f.dataType.simpleString() for f in frame.schema.fields}


def column_counts(types: Mapping[str, str], columns: Iterable[str]) -> dict[str, Column]:
    """Aggregates for the nulls, NaN, Inf and repaired values of columns, by result name."""
    from pyspark.sql import functions as F

    counts = {}
    for name in columns:
        column = F.col(f"`{name}`")
        counts[f"nulls:{name}"] = F.count_if(column.isNull())
        if types[name] in FLOATS:
            counts[f"nans:{name}"] = F.count_if(F.isnan(column))
            counts[f"infs:{name}"] = F.count_if(F.abs(column) == float("inf"))
        if REPAIRED_PREFIX + name in types:
            counts[f"repaired:{name}"] = F.count_if(F.col(f"`{REPAIRED_PREFIX}{name}`"))
    return counts


def scan_counts(types: Mapping[str, str], columns: Iterable[str]) -> dict[str, Column]:
    """Aggregates that show what may be wrong with columns for the price of a scan, by result name.

    ``known`` counts what is not null. Of floats there are the ``total`` and the ``first`` value, of
    other types with an order ``same``: whether the least and the greatest value are equal. Read them
    with ``is_odd`` and ``may_be_constant``.

    Engines answer the least and the greatest from the statistics of files when they can. Those leave
    NaN out, and cut texts and times short. So NaN is looked for in a sum, which has to read every
    value.
    """
    from pyspark.sql import functions as F

    counts = {}
    for name in columns:
        column, kind = F.col(f"`{name}`"), types[name]
        counts[f"known:{name}"] = F.count(column)
        if kind in FLOATS:
            counts |= {f"total:{name}": F.sum(column), f"first:{name}": F.first(column)}
        elif is_number(kind) or kind in ORDERED:
            counts[f"same:{name}"] = F.min(column).eqNullSafe(F.max(column))
        if REPAIRED_PREFIX + name in types:
            counts[f"repaired:{name}"] = F.count_if(F.col(f"`{REPAIRED_PREFIX}{name}`"))
    return counts


def is_odd(counted: Mapping[str, Any], name: str) -> bool:
    """Whether a column of floats may hold NaN or an infinite value, by its ``scan_counts``.

    Any of them makes the sum one of them (IEEE 754); so do finite values whose sum is too large.
    """
    total = counted.get(f"total:{name}")
    return total is not None and not math.isfinite(total)


def may_be_constant(counted: Mapping[str, Any], name: str) -> bool:
    """Whether a column may have one distinct value, null being one, by its ``scan_counts``.

    Of floats it says that the sum is about that many times the first value. ``constant_counts`` of
    these few columns makes certain.
    """
    known = counted[f"known:{name}"]
    if known not in {0, counted["rows"]}:
        return False
    if not known or f"total:{name}" not in counted:
        return known == 0 or bool(counted.get(f"same:{name}"))
    expected = known * float(counted[f"first:{name}"])
    total = float(counted[f"total:{name}"])
    return is_odd(counted, name) or math.isclose(total, expected, rel_tol=1e-6)


def constant_counts(types: Mapping[str, str], columns: Iterable[str]) -> dict[str, Column]:
    """Aggregates that count the distinct values of columns of few, by result name; null is none.

    NaN equals NaN, and 0.0 equals -0.0.
    """
    from pyspark.sql import functions as F

    values = {n: F.col(f"`{n}`") + 0.0 if types[n] in FLOATS else F.col(f"`{n}`") for n in columns}
    return {f"distinct:{name}": F.count_distinct(value) for name, value in values.items()}


def aggregate(
    frame: DataFrame, counts: Mapping[str, Column], beside: DataFrame | None = None
) -> dict[str, Any]:
    """Compute all aggregates in one pass.

    ``beside`` has one row: it is computed by the same query, and its columns are added.
    """
    names = list(counts)
    found = frame.agg(*(counts[n].alias(f"c{i}") for i, n in enumerate(names)))
    row = (found if beside is None else found.crossJoin(beside)).collect()[0]
    return dict(zip([*names, *row.__fields__[len(names) :]], row, strict=True))


def grouped(
    frame: DataFrame, groups: Mapping[str, Column], counts: Mapping[str, Column]
) -> list[dict[str, Any]]:
    """Compute all aggregates for each group in one pass; a dictionary of both for each group."""
    keys = [column.alias(f"g{i}") for i, column in enumerate(groups.values())]
    found = [column.alias(f"c{i}") for i, column in enumerate(counts.values())]
    rows = frame.groupBy(*keys).agg(*found).collect()
    return [dict(zip([*groups, *counts], row, strict=True)) for row in rows]


def column_facts(
    types: Mapping[str, str], columns: Iterable[str], counted: Mapping[str, Any]
) -> tuple[ColumnFacts, ...]:
    """Read the facts of columns out of computed aggregates."""
    return tuple(
        ColumnFacts(
            name,
            types[name],
            nulls=counted[f"nulls:{name}"],
            nans=counted.get(f"nans:{name}", 0),
            infs=counted.get(f"infs:{name}", 0),
            repaired=counted.get(f"repaired:{name}"),
            constant=counted.get(f"constant:{name}", False),
        )
        for name in columns
    )


def lookup_counts(spec: ModelSpec, columns: Sequence[str], time: str) -> dict[str, Column]:
    """Aggregates of how the rows of a joined frame found each feature table."""
    from pyspark.sql import functions as F

    counts: dict[str, Column] = {}
    for table in spec.feature_tables:
        as_of, matched = AS_OF_PREFIX + table.name, MATCHED_PREFIX + table.name
        if as_of in columns:
            lead = F.unix_micros(F.col(f"`{as_of}`")) - F.unix_micros(F.col(f"`{time}`"))
            counts[f"matched:{table.name}"] = F.count(F.col(f"`{as_of}`"))
            counts[f"lead:{table.name}"] = F.max(lead)
            counts[f"future:{table.name}"] = F.count_if(lead > 0)
        elif matched in columns:
            counts[f"matched:{table.name}"] = F.count_if(F.col(f"`{matched}`"))
    return counts


def lookup_facts(
    spec: ModelSpec, rows: int, parts: Sequence[Mapping[str, Any]]
) -> tuple[LookupFacts, ...]:
    """Add up the lookup aggregates of the parts of a frame; tables without a marker are left out."""
    facts = []
    for table in spec.feature_tables:
        matched, lead, future = (f"{k}:{table.name}" for k in ("matched", "lead", "future"))
        if not any(matched in p for p in parts):
            continue
        leads = [p[lead] for p in parts if p.get(lead) is not None]
        facts.append(
            LookupFacts(
                table.name,
                rows,
                sum(p[matched] for p in parts),
                max(leads) / 1e6 if leads else None,
                sum(p.get(future) or 0 for p in parts),
            )
        )
    return tuple(facts)


def spread_counts(kind: str, column: Column) -> dict[str, Column]:
    """Aggregates of a column of numbers, by result name; none when its type is no number."""
    from pyspark.sql import functions as F

    if not is_number(kind):
        return {}
    number = column.cast("double")
    infinite = F.abs(number) == float("inf")
    finite = F.when(~F.isnan(number) & ~infinite, number)
    return {
        "finite": F.count(finite),
        "nans": F.count_if(F.isnan(number)),
        "infs": F.count_if(infinite),
        "lowest": F.min(finite),
        "highest": F.max(finite),
        "sum": F.sum(finite),
    }


def spread_of(parts: Sequence[Mapping[str, Any]]) -> Spread:
    """Add up the aggregates of the parts of a frame."""
    some = [p for p in parts if p["finite"]]
    count = sum(p["finite"] for p in some)
    return Spread(
        finite=count,
        nans=sum(p["nans"] for p in parts),
        infs=sum(p["infs"] for p in parts),
        lowest=min((p["lowest"] for p in some), default=None),
        highest=max((p["highest"] for p in some), default=None),
        mean=sum(p["sum"] for p in some) / count if count else None,
    )


def from_micros(micros: float | None) -> datetime | None:
    """Turn microseconds since 1970 into a UTC time.

    >>> from_micros(1_500_000).isoformat()
    '1970-01-01T00:00:01.500000+00:00'
    """
    if micros is None:
        return None
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(micros))


def first_keys(
    frame: DataFrame, keys: Sequence[str], bad: Column, most: int = 3
) -> tuple[str, ...]:
    """Show the first keys of offending rows, in their order; asked only when there are some."""
    columns = [f"`{k}`" for k in keys]
    rows = frame.where(bad).select(*columns).orderBy(*columns).limit(most).collect()
    return tuple(", ".join(f"{k}={row[k]}" for k in keys) for row in rows)
