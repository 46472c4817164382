"""``labels``: keys, event time and a label (0/1, or a number), nothing else."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ml_assets.rules.facts import LabelFacts
from ml_assets.spec.catalog import TableLayout, describe
from ml_assets.spec.errors import DataError
from ml_assets.spec.grants import granted
from ml_assets.steps.measure import (
    FLOATS,
    column_types,
    grouped,
    is_number,
    spread_counts,
    spread_of,
)
from ml_assets.steps.prepared import PreparedTable, planned
from ml_assets.steps.split import part_of, split_cuts
from ml_assets.steps.transforms import call_transform, refuse_empty, require_columns

if TYPE_CHECKING:
    from typing import Any

    from pyspark.sql import Column, DataFrame

    from ml_assets.platform.protocol import Platform
    from ml_assets.rules.facts import Spread
    from ml_assets.spec.catalog import TableInfo
    from ml_assets.spec.model import ModelSpec
    from ml_assets.steps.execution import Inputs

MOST_VALUES = 20


def build(spec: ModelSpec, platform: Platform, inputs: Inputs) -> PreparedTable:
    """Stage the labels that the declared transform (and threshold) give, and measure them."""
    label = spec.label
    raw, versions = call_transform(
        spec, platform, path=label.transform, sources=label.sources, field="label.transform"
    )
    require_columns(raw, [*spec.label_keys, label.column], where="label")
    layout = granted(label_layout(spec), spec.grants)
    staged = platform.tables.stage(with_label(raw, spec), layout)
    try:
        facts = measure_frame(staged.frame, spec, planned(layout, staged), staged=True)
        refuse_empty(facts.rows, where="label")
    except BaseException:
        staged.discard()
        raise
    return PreparedTable(spec, inputs, staged, facts, versions, shown=_shown(facts))


def measure(spec: ModelSpec, platform: Platform, _: Inputs) -> LabelFacts:
    """Measure the stored labels, whoever wrote them.

    Raises
    ------
    DataError
        When there is no such table, or it lacks a declared column.
    """
    table = spec.label.table
    frame = platform.tables.read(table)
    require_columns(frame, [*spec.label_keys, spec.label.name], where=table)
    return measure_frame(frame, spec, platform.tables.info(table), staged=False)


def with_label(frame: DataFrame, spec: ModelSpec) -> DataFrame:
    """Keep keys and event time, and compute the label.

    With a threshold the label is 1 (bigint) where the column is above it, else 0; null and NaN
    give null, because an unknown outcome is not a class (Spark orders NaN above every number).
    Without a threshold a class is taken as it is. A number becomes a double; NaN gives null there
    too, and an infinite value stays, for the check to show.

    Raises
    ------
    DataError
        When the column has to be a number and is none.
    """
    from pyspark.sql import functions as F

    label = spec.label
    keys = [F.col(f"`{k}`") for k in spec.label_keys]
    value = F.col(f"`{label.column}`")
    if label.threshold is None and spec.kind.label_classes is not None:
        return frame.select(*keys, value.alias(label.name))
    kind = column_types(frame)[label.column]
    if not is_number(kind):
        raise _no_number(spec, kind)
    unknown = value.isNull() | F.isnan(value) if kind in FLOATS else value.isNull()
    if label.threshold is None:
        known: Column = F.when(~unknown, value.cast("double"))
    else:
        known = F.when(~unknown, (value > F.lit(label.threshold)).cast("bigint"))
    return frame.select(*keys, known.alias(label.name))


def _no_number(spec: ModelSpec, kind: str) -> DataError:
    label = spec.label
    asked = (
        f"model_type: {spec.model_type}"
        if label.threshold is None
        else f"threshold {label.threshold}"
    )
    other = "" if label.threshold is None else ", or leave out label.threshold"
    return DataError(
        f"label.column: {label.column}",
        found=f"type {kind} with {asked}",
        expected="a number",
        fix=f"cast the column in the transform{other}",
        rule="ml05_binary_labels",
    )


def measure_frame(
    frame: DataFrame, spec: ModelSpec, info: TableInfo, *, staged: bool
) -> LabelFacts:
    """Measure the label in all rows, in train and in holdout, in one pass."""
    from pyspark.sql import functions as F

    label, types = spec.label, column_types(frame)
    cuts = split_cuts(frame, label.event_time, spec.split)
    column, kind = F.col(f"`{label.name}`"), types[label.name]
    counts = {
        "n": F.count(F.lit(1)),
        "nulls": F.count_if(column.isNull()),
        **{f"null:{k}": F.count_if(F.col(f"`{k}`").isNull()) for k in spec.label_keys},
    }
    groups = {"part": part_of(label.event_time, cuts)}
    if spec.kind.label_classes is None:
        counts |= spread_counts(kind, column)
    else:
        groups["value"] = column.cast("string")
    parts = grouped(frame, groups, counts)
    return LabelFacts(
        table=info,
        rows=sum(p["n"] for p in parts),
        type=kind,
        nulls=sum(p["nulls"] for p in parts),
        key_nulls={k: sum(p[f"null:{k}"] for p in parts) for k in spec.label_keys},
        values=_values(parts, "all"),
        train_values=_values(parts, "train"),
        holdout_values=_values(parts, "holdout"),
        columns=tuple(types),
        staged=staged,
        spreads=_spreads(parts),
    )


def label_layout(spec: ModelSpec) -> TableLayout:
    """Derive how the labels are stored. Keys may be null (a lookup then finds nothing)."""
    label = spec.label
    rule = (
        f"1 where {label.column} > {label.threshold}"
        if label.threshold is not None
        else label.column
    )
    return TableLayout(
        name=label.table,
        primary_keys=label.keys,
        event_time=label.event_time,
        description=describe(label.business, label.technical),
        tags=dict(label.tags),
        comments={label.name: f"label: {rule}", label.event_time: "as-of time, UTC"},
        not_null=(label.event_time,),
    )


def _of(parts: list[dict[str, Any]], part: str) -> list[dict[str, Any]]:
    return [p for p in parts if part in {"all", p["part"]}]


def _values(parts: list[dict[str, Any]], part: str) -> dict[str, int]:
    """Count the most frequent classes of a part, in order; numbers were not grouped by value."""
    values: Counter[str] = Counter()
    for found in _of(parts, part):
        if found.get("value") is not None:
            values[found["value"]] += found["n"]
    return dict(sorted(values.items(), key=lambda item: (-item[1], item[0]))[:MOST_VALUES])


def _spreads(parts: list[dict[str, Any]]) -> dict[str, Spread]:
    if not any("finite" in p for p in parts):
        return {}
    return {part: spread_of(_of(parts, part)) for part in ("all", "train", "holdout")}


def _shown(facts: LabelFacts) -> dict[str, Any]:
    if facts.values:
        return {"label_values": dict(facts.values)}
    found = facts.spreads.get("all")
    if found is None:
        return {}
    values = {"lowest": found.lowest, "mean": found.mean, "highest": found.highest}
    return {f"label_{name}": value for name, value in values.items() if value is not None}
