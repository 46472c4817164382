"""``features/<table>``: run the transform, repair what a default was declared for, measure."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ml_assets.rules.facts import FeatureTableFacts
from ml_assets.spec.catalog import feature_layout
from ml_assets.spec.errors import DataError
from ml_assets.spec.grants import granted
from ml_assets.steps.measuring.measure import (
    FLOATS,
    REPAIRED_PREFIX,
    aggregate,
    column_counts,
    column_facts,
    column_types,
    constant_counts,
    first_keys,
    from_micros,
    is_odd,
    may_be_constant,
    scan_counts,
)
from ml_assets.steps.measuring.sampling import key_hash
from ml_assets.steps.measuring.table_history import (
    before,
    last_commits,
    recorded,
    recorded_mapping,
    sources_of,
)
from ml_assets.steps.prepared import PreparedTable, planned
from ml_assets.steps.transforms import call_transform, refuse_empty, require_columns

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from pyspark.sql import Column, DataFrame

    from ml_assets.platform.protocol import Platform
    from ml_assets.rules.facts import ColumnFacts
    from ml_assets.spec.catalog import TableInfo
    from ml_assets.spec.model import ModelSpec
    from ml_assets.spec.tables import FeatureTable, Scalar
    from ml_assets.steps.execution import Inputs

INTEGERS = {"tinyint": 8, "smallint": 16, "int": 32, "bigint": 64}


def build(spec: ModelSpec, platform: Platform, inputs: Inputs) -> PreparedTable:
    """Stage the cleaned result of the declared transform and measure it."""
    table = _table(spec, inputs)
    where = f"feature_tables.{table.name}"
    raw, versions = call_transform(
        spec, platform, path=table.transform, sources=table.sources, field=f"{where}.transform"
    )
    check_columns(raw, table)
    layout = granted(feature_layout(table), spec.grants)
    cleaned, audit = clean(raw, table)
    staged = platform.tables.stage(cleaned, layout, audit)
    try:
        facts = measure_frame(staged.frame, table, planned(layout, staged), staged=True)
        refuse_empty(facts.rows, where=where)
        facts = _with_history(facts, spec, platform, table, versions)
    except BaseException:
        staged.discard()
        raise
    repaired = {c.name: c.repaired for c in facts.columns if c.repaired is not None}
    return PreparedTable(
        spec,
        inputs,
        staged,
        facts,
        versions,
        shown={"repaired_values": repaired},
        commit={"repaired": json.dumps(repaired), **recorded(facts, versions)},
    )


def measure(spec: ModelSpec, platform: Platform, inputs: Inputs) -> FeatureTableFacts:
    """Measure the stored table, whoever wrote it.

    Raises
    ------
    DataError
        When there is no such table.
    """
    table = _table(spec, inputs)
    frame, info = platform.tables.read(table.table), platform.tables.info(table.table)
    require_columns(frame, table.keys, where=table.table, rule="ml01_table_registered")
    facts = measure_frame(frame, table, info, staged=False)
    return _with_history(facts, spec, platform, table)


def _with_history(
    facts: FeatureTableFacts,
    spec: ModelSpec,
    platform: Platform,
    table: FeatureTable,
    used: Mapping[str, int] | None = None,
) -> FeatureTableFacts:
    """Add what was stored before, and what the rows were made from: ``used``, while they are staged.

    Of stored rows both, and the repaired values, are what their commit says.
    """
    commit, earlier = last_commits(platform, table.table, staged=facts.staged)
    columns = facts.columns
    if not facts.staged:
        used = recorded_mapping(commit, "inputs")
        repaired = recorded_mapping(commit, "repaired") or {}
        columns = tuple(replace(c, repaired=repaired.get(c.name)) for c in columns)
    return replace(
        facts,
        columns=columns,
        before=before(platform, table.table, earlier),
        sources=sources_of(spec, platform, () if table.reuse else table.sources, used),
    )


def measure_frame(
    frame: DataFrame, table: FeatureTable, info: TableInfo, *, staged: bool
) -> FeatureTableFacts:
    """Take all facts of a feature table in one pass, and examples only of what is wrong."""
    from pyspark.sql import functions as F

    types = column_types(frame)
    features = [c for c in types if c not in table.keys and not c.startswith(REPAIRED_PREFIX)]
    counts = scan_counts(types, [*table.keys, *features])
    counts["rows"] = F.count(F.lit(1))
    keys = [F.col(f"`{k}`") for k in table.keys]
    counts["keys"] = F.count_distinct(key_hash(table.keys))
    if table.event_time and types[table.event_time] == "timestamp":
        # Micros of the greatest, not the greatest of micros: Sail would call both ends alike.
        counts["latest"] = F.unix_micros(F.max(F.col(f"`{table.event_time}`")))
    counted = aggregate(frame, counts)
    distinct = counted["keys"]
    if distinct < counted["rows"]:  # repeated keys, or (once in 10^5 tables) equal hashes
        distinct = frame.select(*keys).distinct().count()
    facts = FeatureTableFacts(
        table=info,
        rows=counted["rows"],
        columns=_columns(frame, types, features, counted),
        key_nulls={k: counted["rows"] - counted[f"known:{k}"] for k in table.keys},
        duplicate_keys=counted["rows"] - distinct,
        staged=staged,
        latest_event=from_micros(counted.get("latest")),
        measured_at=datetime.now(UTC),
    )
    return replace(facts, examples=_examples(frame, table, facts))


def _columns(
    frame: DataFrame, types: Mapping[str, str], names: list[str], counted: Mapping[str, Any]
) -> tuple[ColumnFacts, ...]:
    """Read the facts of columns; those that look odd or constant are looked at again."""
    maybe = [name for name in names if may_be_constant(counted, name)]
    odd = [name for name in names if is_odd(counted, name)]
    second = {**column_counts(types, odd), **constant_counts(types, maybe)}
    found = dict(counted) | (aggregate(frame, second) if second else {})
    for name in names:
        found[f"nulls:{name}"] = counted["rows"] - counted[f"known:{name}"]
        found[f"constant:{name}"] = name in maybe and found[f"distinct:{name}"] <= 1
    return column_facts(types, names, found)


def check_columns(frame: DataFrame, table: FeatureTable) -> None:
    """Hold the transform's columns against the declared ones.

    Raises
    ------
    DataError
        When a declared column is missing, or a returned one is not declared.
    """
    where = f"feature_tables.{table.name}"
    declared = [*table.keys, *table.columns]
    require_columns(frame, declared, where=where)
    if extra := [c for c in frame.columns if c not in declared]:
        raise DataError(
            where,
            found=f"the transform also returns {', '.join(extra)}",
            expected=f"exactly {', '.join(declared)}",
            fix="declare the column under columns (with comment and default), or drop it in the transform",
        )


def clean(frame: DataFrame, table: FeatureTable) -> tuple[DataFrame, list[str]]:
    """Replace null, NaN and Inf by the declared defaults, in one select, keeping every type.

    Floats: null, NaN, +Inf and -Inf; integers, decimals, strings and booleans: null. Columns
    without a default and keys pass unchanged.

    Returns
    -------
    The cleaned frame, with one boolean audit column per column that has a default, and the names
    of those audit columns.

    Raises
    ------
    DataError
        When a default cannot be held by its column's type.
    """
    from pyspark.sql import functions as F

    types = column_types(frame)
    selected, audit = [F.col(f"`{k}`") for k in table.keys], []
    for name, column in table.columns.items():
        if column.default is None:
            selected.append(F.col(f"`{name}`"))
            continue
        check_default(table, name, types[name], column.default)
        broken = _broken(name, types[name])
        default = F.lit(column.default).cast(types[name])
        selected.append(F.when(broken, default).otherwise(F.col(f"`{name}`")).alias(name))
        audit.append(broken.alias(REPAIRED_PREFIX + name))
    return frame.select(*selected, *audit), [
        REPAIRED_PREFIX + n for n, c in table.columns.items() if c.default is not None
    ]


def check_default(table: FeatureTable, name: str, kind: str, default: Scalar) -> None:
    """Refuse a default that the column's type cannot hold exactly.

    Raises
    ------
    DataError
        Naming the column, its type and the default.
    """
    number = isinstance(default, int | float) and not isinstance(default, bool)
    fits = (
        (kind in FLOATS and number)
        or (kind.startswith("decimal") and number)
        or (kind in INTEGERS and number and _whole(default, INTEGERS[kind]))
        or (kind == "string" and isinstance(default, str))
        or (kind == "boolean" and isinstance(default, bool))
    )
    if not fits:
        raise DataError(
            f"feature_tables.{table.name}.columns.{name}.default",
            found=f"{default!r} for a column of type {kind}",
            expected=f"a default that {kind} can hold exactly (none for dates and timestamps)",
            fix="declare a default of the column's type, or cast the column in the transform",
            rule="ml03_no_null",
        )


def _whole(value: Scalar, bits: int) -> bool:
    return float(value).is_integer() and -(2 ** (bits - 1)) <= int(value) < 2 ** (bits - 1)


def _broken(name: str, kind: str) -> Column:
    from pyspark.sql import functions as F

    column = F.col(f"`{name}`")
    if kind not in FLOATS:
        return column.isNull()
    return column.isNull() | F.isnan(column) | (F.abs(column) == float("inf"))


def _examples(
    frame: DataFrame, table: FeatureTable, facts: FeatureTableFacts
) -> dict[str, tuple[str, ...]]:
    from pyspark.sql import functions as F

    def any_of(tests: list[Column]) -> Column:
        found = tests[0]
        for test in tests[1:]:
            found = found | test
        return found

    cols = {c.name: F.col(f"`{c.name}`") for c in facts.columns}
    tests = {
        "ml03_no_nan": [F.isnan(cols[c.name]) for c in facts.columns if c.nans],
        "ml03_no_inf": [F.abs(cols[c.name]) == float("inf") for c in facts.columns if c.infs],
        "ml03_no_null": [cols[c.name].isNull() for c in facts.columns if c.nulls],
    }
    found = {
        check: first_keys(frame, table.keys, any_of(bad)) for check, bad in tests.items() if bad
    }
    null_keys = [F.col(f"`{k}`").isNull() for k, n in facts.key_nulls.items() if n]
    if null_keys:
        found["ml01_primary_key_unique"] = first_keys(frame, table.keys, any_of(null_keys))
    elif facts.duplicate_keys:
        repeated = frame.groupBy(*(F.col(f"`{k}`") for k in table.keys)).count()
        found["ml01_primary_key_unique"] = first_keys(repeated, table.keys, F.col("count") > 1)
    return found


def _table(spec: ModelSpec, inputs: Inputs) -> FeatureTable:
    return spec.feature_table(inputs.asset.removeprefix("features/"))
