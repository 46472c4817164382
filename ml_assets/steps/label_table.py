"""``labels``: keys, event time and a label (a class, or a number), nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ml_assets.rules.rule import listed
from ml_assets.spec.catalog import TableLayout, describe
from ml_assets.spec.errors import DataError
from ml_assets.spec.grants import granted
from ml_assets.steps.measuring.label_context import champion_labels, data_end, recorded_end
from ml_assets.steps.measuring.label_facts import MOST_VALUES, measure_frame
from ml_assets.steps.measuring.measure import FLOATS, INTEGERS, column_types, is_number
from ml_assets.steps.measuring.table_history import last_commits, recorded
from ml_assets.steps.prepared import PreparedTable, planned
from ml_assets.steps.transforms import call_transform, refuse_empty, require_columns

if TYPE_CHECKING:
    from typing import Any

    from pyspark.sql import Column, DataFrame

    from ml_assets.platform.protocol import Platform
    from ml_assets.rules.facts import LabelFacts
    from ml_assets.spec.model import ModelSpec
    from ml_assets.steps.execution import Inputs

#: Audit column: the text of a value that is none of the declared classes.
UNKNOWN_CLASS = "__unknown_class"
_VALUE, _CLASS, _PLACE = "__value", "__class", "__place"


def build(spec: ModelSpec, platform: Platform, inputs: Inputs) -> PreparedTable:
    """Stage the labels that the declared transform (and threshold) give, and measure them."""
    label = spec.label
    raw, versions = call_transform(
        spec, platform, path=label.transform, sources=label.sources, field="label.transform"
    )
    require_columns(raw, [*spec.label_keys, label.column], where="label")
    layout = granted(label_layout(spec), spec.grants)
    end = data_end(spec, platform, versions)
    audit = [UNKNOWN_CLASS] if spec.kind.declared_classes else []
    staged = platform.tables.stage(with_label(raw, spec), layout, audit)
    try:
        frame = staged.frame
        facts = measure_frame(
            frame.drop(*audit), spec, planned(layout, staged, audit), staged=True, end=end
        )
        refuse_empty(facts.rows, where="label")
        if audit and facts.nulls:
            refuse_unknown_classes(frame, spec)
        facts = replace(facts, champion=champion_labels(spec, platform))
    except BaseException:
        staged.discard()
        raise
    return PreparedTable(
        spec,
        inputs,
        staged,
        facts,
        versions,
        shown=_shown(facts),
        commit={**recorded(facts, versions), **end.properties()},
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
    commit = last_commits(platform, table, staged=False)[0]
    end = recorded_end(commit) or data_end(spec, platform, {})
    info = platform.tables.info(table)
    facts = measure_frame(frame, spec, info, staged=False, end=end)
    return replace(facts, champion=champion_labels(spec, platform))


def with_label(frame: DataFrame, spec: ModelSpec) -> DataFrame:
    """Keep keys and event time, and compute the label.

    With a threshold the label says (as a bigint) on which side of it the column is: 1 above and 0
    not, of anomalies -1 above and 1 not; null and NaN give null, because an unknown outcome is not a
    class (Spark orders NaN above every number). With declared classes it is the place of the value
    among them (a bigint); a value that is none of them gives null, and stands as text in the column
    ``UNKNOWN_CLASS``, which is there for the audit. Without either a class is taken as it is. A
    number becomes a double; NaN gives null there too, and an infinite value stays, for the check to
    show.

    Raises
    ------
    DataError
        When the column has another type than that asks for.
    """
    from pyspark.sql import functions as F

    label = spec.label
    keys = [F.col(f"`{k}`") for k in spec.label_keys]
    value = F.col(f"`{label.column}`")
    if spec.kind.declared_classes:
        return _with_class(frame.select(*keys, value.alias(_VALUE)), spec)
    if label.threshold is None and spec.label_classes is not None:
        return frame.select(*keys, value.alias(label.name))
    kind = column_types(frame)[label.column]
    if not is_number(kind):
        raise _no_number(spec, kind)
    unknown = value.isNull() | F.isnan(value) if kind in FLOATS else value.isNull()
    if label.threshold is None:
        known: Column = F.when(~unknown, value.cast("double"))
    else:
        above, below = (-1, 1) if spec.label_classes == (-1, 1) else (1, 0)
        side = F.when(value > F.lit(label.threshold), F.lit(above)).otherwise(F.lit(below))
        known = F.when(~unknown, side.cast("bigint"))
    return frame.select(*keys, known.alias(label.name))


def _with_class(frame: DataFrame, spec: ModelSpec) -> DataFrame:
    """Look the values up in a small table of the classes: a row costs the same for 2 and for 1,000."""
    from pyspark.sql import functions as F

    label = spec.label
    kind = class_type(spec, column_types(frame)[_VALUE])
    rows = [(value, place) for place, value in enumerate(label.classes)]
    if kind == "double":
        rows = [(float(value), place) for value, place in rows]
    classes = frame.sparkSession.createDataFrame(rows, f"{_CLASS} {kind}, {_PLACE} bigint")
    value = F.col(_VALUE)
    found = frame.join(F.broadcast(classes), value.cast(kind) == F.col(_CLASS), "left")
    unknown = F.when(F.col(_PLACE).isNull(), value.cast("string"))
    return found.select(
        *(F.col(f"`{k}`") for k in spec.label_keys),
        F.col(_PLACE).alias(label.name),
        unknown.alias(UNKNOWN_CLASS),
    )


def class_type(spec: ModelSpec, kind: str) -> str:
    """The Spark type in which the classes and the values of a column of type ``kind`` are compared.

    Raises
    ------
    DataError
        When no value of that type can be one of the classes.
    """
    of = {type(value) for value in spec.label.classes}
    if of == {str} and kind == "string":
        return "string"
    if of == {bool} and kind == "boolean":
        return "boolean"
    if of <= {int, float} and is_number(kind):
        return "bigint" if of == {int} and kind in INTEGERS else "double"
    raise DataError(
        f"label.column: {spec.label.column}",
        found=f"type {kind} with label.classes {listed(map(repr, spec.label.classes), 3)}",
        expected="a column of the classes' type",
        fix="write the classes as the values of the column are (text in quotes, numbers without), or cast the column in the transform",
        rule="ml05_binary_labels",
    )


def refuse_unknown_classes(frame: DataFrame, spec: ModelSpec) -> None:
    """Refuse staged labels some of whose values are none of the declared classes.

    Raises
    ------
    DataError
        Naming the most frequent of these values, and how many rows have them.
    """
    from pyspark.sql import functions as F

    text = F.substring(F.col(UNKNOWN_CLASS), 1, 100).alias("value")
    counted = frame.where(F.col(UNKNOWN_CLASS).isNotNull()).groupBy(text).count()
    rows = counted.orderBy(F.desc("count"), "value").limit(MOST_VALUES).collect()
    if rows:
        shown = listed((f"{row['value']!r} in {row['count']} rows" for row in rows), MOST_VALUES)
        raise DataError(
            f"label.column: {spec.label.column}",
            found=f"values that are none of the classes: {shown}{' and others' if len(rows) == MOST_VALUES else ''}",
            expected=f"only label.classes: {listed(map(repr, spec.label.classes))}",
            fix="add the missing classes to label.classes (at the end: the places of the others are in stored models), or drop or map these rows in the transform",
            rule="ml05_binary_labels",
        )


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


def label_layout(spec: ModelSpec) -> TableLayout:
    """Derive how the labels are stored. Keys may be null (a lookup then finds nothing)."""
    label = spec.label
    rule = label.column
    if label.threshold is not None:
        above = -1 if spec.label_classes == (-1, 1) else 1
        rule = f"{above} where {label.column} > {label.threshold}"
    elif label.classes:
        rule = f"place of {label.column} among {listed(label.classes, 20)}, from 0"
    return TableLayout(
        name=label.table,
        primary_keys=label.keys,
        event_time=label.event_time,
        description=describe(label.business, label.technical),
        tags=dict(label.tags),
        comments={label.name: f"label: {rule}", label.event_time: "as-of time, UTC"},
        not_null=(label.event_time,),
    )


def _shown(facts: LabelFacts) -> dict[str, Any]:
    if facts.values:
        return {"label_values": dict(facts.values)}
    found = facts.spreads.get("all")
    if found is None:
        return {}
    values = {"lowest": found.lowest, "mean": found.mean, "highest": found.highest}
    return {f"label_{name}": value for name, value in values.items() if value is not None}
