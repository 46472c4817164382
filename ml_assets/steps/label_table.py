"""``labels``: keys, event time and a 0/1 label, nothing else."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ml_assets.rules.facts import LabelFacts
from ml_assets.spec.catalog import TableLayout, describe
from ml_assets.spec.errors import DataError
from ml_assets.steps.measure import FLOATS, column_types
from ml_assets.steps.prepared import PreparedTable, planned
from ml_assets.steps.split import part_of, split_cuts
from ml_assets.steps.transforms import call_transform, refuse_empty, require_columns

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from ml_assets.platform.protocol import Platform
    from ml_assets.spec.catalog import TableInfo
    from ml_assets.spec.model import ModelSpec
    from ml_assets.steps.execution import Inputs

MOST_VALUES = 20


def build(spec: ModelSpec, platform: Platform, inputs: Inputs) -> PreparedTable:
    """Stage the labels that the declared transform and threshold give, and measure them."""
    label = spec.label
    raw, versions = call_transform(
        spec, platform, path=label.transform, sources=label.sources, field="label.transform"
    )
    require_columns(raw, [*spec.label_keys, label.column], where="label")
    layout = label_layout(spec)
    staged = platform.tables.stage(binarize(raw, spec), layout)
    try:
        facts = measure_frame(staged.frame, spec, planned(layout, staged), staged=True)
        refuse_empty(facts.rows, where="label")
    except BaseException:
        staged.discard()
        raise
    return PreparedTable(
        spec, inputs, staged, facts, versions, shown={"label_values": dict(facts.values)}
    )


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


def binarize(frame: DataFrame, spec: ModelSpec) -> DataFrame:
    """Keep keys and event time, and compute the label.

    With a threshold the label is 1 (bigint) where the column is above it, else 0; null and NaN
    give null, because an unknown outcome is not a class (Spark orders NaN above every number).
    Without a threshold the column is taken as it is.

    Raises
    ------
    DataError
        When a threshold is declared for a column that is not a number.
    """
    from pyspark.sql import functions as F

    label = spec.label
    keys = [F.col(f"`{k}`") for k in spec.label_keys]
    value = F.col(f"`{label.column}`")
    if label.threshold is None:
        return frame.select(*keys, value.alias(label.name))
    kind = column_types(frame)[label.column]
    if kind not in FLOATS and "int" not in kind and not kind.startswith("decimal"):
        raise DataError(
            f"label.column: {label.column}",
            found=f"type {kind} with threshold {label.threshold}",
            expected="a number",
            fix="cast the column in the transform, or leave out label.threshold",
            rule="ml05_binary_labels",
        )
    unknown = value.isNull() | F.isnan(value) if kind in FLOATS else value.isNull()
    late: Column = F.when(~unknown, (value > F.lit(label.threshold)).cast("bigint"))
    return frame.select(*keys, late.alias(label.name))


def measure_frame(
    frame: DataFrame, spec: ModelSpec, info: TableInfo, *, staged: bool
) -> LabelFacts:
    """Count the label's values in all rows, in train and in holdout."""
    from pyspark.sql import functions as F

    label, types = spec.label, column_types(frame)
    cuts = split_cuts(frame, label.event_time, spec.split)
    value = F.col(f"`{label.name}`").cast("string")
    nulls = {k: F.count_if(F.col(f"`{k}`").isNull()) for k in spec.label_keys}
    groups = (
        frame.groupBy(value.alias("value"), part_of(label.event_time, cuts).alias("part"))
        .agg(
            F.count(F.lit(1)).alias("n"),
            *(c.alias(f"null_{i}") for i, c in enumerate(nulls.values())),
        )
        .orderBy(F.desc("n"))
    )
    rows = groups.collect()
    values: dict[str, Counter[str]] = {part: Counter() for part in ("all", "train", "holdout")}
    for row in rows:
        if row["value"] is not None:
            values["all"][row["value"]] += row["n"]
            if row["part"] in values:
                values[row["part"]][row["value"]] += row["n"]
    return LabelFacts(
        table=info,
        rows=sum(r["n"] for r in rows),
        type=types[label.name],
        nulls=sum(r["n"] for r in rows if r["value"] is None),
        key_nulls={k: sum(r[f"null_{i}"] for r in rows) for i, k in enumerate(nulls)},
        values=_top(values["all"]),
        train_values=_top(values["train"]),
        holdout_values=_top(values["holdout"]),
        columns=tuple(types),
        staged=staged,
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


def _top(values: Counter[str]) -> dict[str, int]:
    return dict(values.most_common(MOST_VALUES))
