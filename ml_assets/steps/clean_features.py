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
from ml_assets.steps.measuring.key_counts import key_floor, one_key, repeated_keys
from ml_assets.steps.measuring.measure import (
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
from ml_assets.steps.measuring.table_history import (
    before,
    last_commits,
    recorded,
    recorded_mapping,
    source_states,
    sources_of,
)
from ml_assets.steps.prepared import PreparedTable, planned
from ml_assets.steps.repairs import clean
from ml_assets.steps.transforms import call_transform, refuse_empty, require_columns

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from pyspark.sql import Column, DataFrame

    from ml_assets.platform.protocol import Platform
    from ml_assets.rules.facts import ColumnFacts
    from ml_assets.spec.catalog import TableInfo
    from ml_assets.spec.model import ModelSpec
    from ml_assets.spec.tables import FeatureTable
    from ml_assets.steps.execution import Inputs


def build(spec: ModelSpec, platform: Platform, inputs: Inputs) -> PreparedTable:
    """Stage the cleaned result of the declared transform and measure it."""
    table = _table(spec, inputs)
    where = f"feature_tables.{table.name}"
    raw, versions = call_transform(
        spec, platform, path=table.transform, sources=table.sources, field=f"{where}.transform"
    )
    states = source_states(spec, platform, table.sources, versions)
    check_columns(raw, table)
    layout = granted(feature_layout(table), spec.grants)
    cleaned, audit = clean(raw, table)
    staged = platform.tables.stage(cleaned, layout, audit)
    try:
        facts = measure_frame(staged.frame, table, planned(layout, staged), staged=True)
        refuse_empty(facts.rows, where=where)
        facts = _with_history(facts, spec, platform, table, used=versions, states=states)
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
        commit={"repaired": json.dumps(repaired), **recorded(facts, versions, states)},
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
    *,
    used: Mapping[str, int] | None = None,
    states: Mapping[str, str] | None = None,
) -> FeatureTableFacts:
    """Add what was stored before, and what the rows were made from: ``used``, while they are staged.

    Of stored rows both, and the repaired values, are what their commit says.
    """
    commit, earlier = last_commits(platform, table.table, staged=facts.staged)
    columns = facts.columns
    if not facts.staged:
        used = recorded_mapping(commit, "inputs")
        states = recorded_mapping(commit, "source_states")
        repaired = recorded_mapping(commit, "repaired") or {}
        columns = tuple(replace(c, repaired=repaired.get(c.name)) for c in columns)
    return replace(
        facts,
        columns=columns,
        before=before(platform, table.table, earlier),
        sources=sources_of(spec, platform, () if table.reuse else table.sources, used, states),
    )


def measure_frame(
    frame: DataFrame, table: FeatureTable, info: TableInfo, *, staged: bool
) -> FeatureTableFacts:
    """Take all facts of a feature table in one query, and examples only of what is wrong.

    The query reads every column once, and the keys once more, for ``key_floor``.
    """
    from pyspark.sql import functions as F

    types = column_types(frame)
    features = [c for c in types if c not in table.keys and not c.startswith(REPAIRED_PREFIX)]
    counts = scan_counts(types, [*table.keys, *features])
    counts["rows"] = F.count(F.lit(1))
    if table.event_time and types[table.event_time] == "timestamp":
        # Micros of the greatest, not the greatest of micros: Sail would call both ends alike.
        counts["latest"] = F.unix_micros(F.max(F.col(f"`{table.event_time}`")))
    counted = aggregate(frame, counts, key_floor(frame, types, table.keys))
    unique = counted["key_floor"] == counted["key_rows"]
    facts = FeatureTableFacts(
        table=info,
        rows=counted["rows"],
        columns=_columns(frame, types, features, counted),
        key_nulls={k: counted["rows"] - counted[f"known:{k}"] for k in table.keys},
        duplicate_keys=0 if unique else repeated_keys(frame, types, table.keys),
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
        types = column_types(frame)
        repeated = frame.groupBy(*(one_key(types, k) for k in table.keys)).count()
        found["ml01_primary_key_unique"] = first_keys(repeated, table.keys, F.col("count") > 1)
    return found


def _table(spec: ModelSpec, inputs: Inputs) -> FeatureTable:
    return spec.feature_table(inputs.asset.removeprefix("features/"))
