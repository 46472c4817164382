"""What is measured of a label table: its values in all rows, in train and in holdout."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ml_assets.rules.facts import LabelFacts
from ml_assets.steps.measuring.measure import column_types, first_keys, spread_counts, spread_of
from ml_assets.steps.measuring.split import cuts_at, part_by_cut, part_of, with_cut

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from pyspark.sql import Column, DataFrame

    from ml_assets.rules.facts import Spread
    from ml_assets.spec.catalog import TableInfo
    from ml_assets.spec.model import ModelSpec
    from ml_assets.steps.measuring.label_context import DataEnd

    Parts = list[dict[str, Any]]

MOST_VALUES = 20
PARTS = ("all", "train", "holdout")
#: Stands for every value that is no declared class: nobody knows how many there are.
OTHER = "other"
#: Of a text that somebody stored as a label, enough to recognize it.
_SHOWN = 100


@dataclass(frozen=True)
class Taken:
    """Aggregates of the parts of a label table, and where its holdout begins (microseconds)."""

    parts: Parts
    cut: int | None


def measure_frame(
    frame: DataFrame,
    spec: ModelSpec,
    info: TableInfo,
    *,
    staged: bool,
    end: DataEnd | None = None,
) -> LabelFacts:
    """Measure the label in all rows, in train and in holdout, in one pass over the table.

    Values that are no declared class, and rows whose outcome lies after ``end``, are looked at again
    when there are some. However many values there are, few come back.
    """
    types = column_types(frame)
    taken = _take(frame, spec, types[spec.label.name], end)
    parts = taken.parts
    facts = LabelFacts(
        table=info,
        rows=sum(p["n"] for p in parts),
        type=types[spec.label.name],
        nulls=sum(p["nulls"] for p in parts),
        key_nulls={k: sum(p[f"null:{k}"] for p in parts) for k in spec.label_keys},
        values=_values(parts, "all"),
        train_values=_values(parts, "train"),
        holdout_values=_values(parts, "holdout"),
        columns=tuple(types),
        staged=staged,
        spreads=_spreads(parts),
        open_rows=sum(p.get("open", 0) for p in parts),
        data_until=end.until if end else None,
        data_end=end.named if end else "",
    )
    return _looked_at_again(facts, frame, spec, taken, end)


def known_class(spec: ModelSpec, column: Column) -> Column:
    """The text of a declared class, ``OTHER`` for every other value, null for null."""
    from pyspark.sql import functions as F

    text = column.cast("string")
    classes = [str(c) for c in spec.label_classes or ()]
    return F.when(text.isin(classes), text).when(text.isNotNull(), F.lit(OTHER))


def _take(frame: DataFrame, spec: ModelSpec, kind: str, end: DataEnd | None) -> Taken:
    """Count by event time first, find the cut among the times, then add the counts up by part."""
    from pyspark.sql import functions as F

    column = F.col(f"`{spec.label.name}`")
    groups, counts = ["part"], _counts(spec, column)
    by = [F.unix_micros(F.col(f"`{spec.label.event_time}`")).alias("t")]
    if spec.label_classes is None:
        counts |= spread_counts(kind, column)
    else:
        by.append(known_class(spec, column).alias("value"))
        groups.append("value")
    found = {name: f"c{i}" for i, name in enumerate(counts)}
    moments = frame.groupBy(*by).agg(*(counts[name].alias(c) for name, c in found.items()))
    moments = with_cut(moments.withColumn("n", F.col(found["n"])), spec.split)
    merged = {name: _merged(name, c) for name, c in found.items()}
    merged["cut"] = F.min("cut")
    if end is not None:
        late = F.col("t") > F.lit(end.latest_micros(spec.label.horizon))
        merged["open"] = F.sum(F.when(late, F.col("n")).otherwise(0))
    moments = moments.withColumn("part", part_by_cut(spec.split))
    named = [column.alias(f"m{i}") for i, column in enumerate(merged.values())]
    rows = moments.groupBy(*groups).agg(*named).collect()
    parts = [dict(zip([*groups, *merged], row, strict=True)) for row in rows]
    return Taken(parts, min((p["cut"] for p in parts if p["cut"] is not None), default=None))


def _counts(spec: ModelSpec, column: Column) -> dict[str, Column]:
    from pyspark.sql import functions as F

    return {
        "n": F.count(F.lit(1)),
        "nulls": F.count_if(column.isNull()),
        **{f"null:{k}": F.count_if(F.col(f"`{k}`").isNull()) for k in spec.label_keys},
    }


def _merged(name: str, column: str) -> Column:
    from pyspark.sql import functions as F

    return {"lowest": F.min, "highest": F.max}.get(name, F.sum)(column)


def _looked_at_again(
    facts: LabelFacts, frame: DataFrame, spec: ModelSpec, taken: Taken, end: DataEnd | None
) -> LabelFacts:
    """Name the values that are no class and the first open rows; nothing when there are none."""
    from pyspark.sql import functions as F

    if facts.open_rows and end is not None:
        time = F.unix_micros(F.col(f"`{spec.label.event_time}`"))
        late = time > F.lit(end.latest_micros(spec.label.horizon))
        first = {"ml05_label_horizon_closed": first_keys(frame, spec.label_keys, late)}
        facts = replace(facts, examples=first)
    if OTHER not in facts.values:
        return facts
    others = _others(frame, spec, taken)
    return replace(
        facts,
        values=_with(facts.values, others, "n"),
        train_values=_with(facts.train_values, others, "train"),
        holdout_values=_with(facts.holdout_values, others, "holdout"),
        unlisted_rows=facts.values[OTHER] - sum(row["n"] for row in others),
    )


def _others(frame: DataFrame, spec: ModelSpec, taken: Taken) -> Parts:
    """Count the most frequent values that are no class, by part."""
    from pyspark.sql import functions as F

    column = F.col(f"`{spec.label.name}`")
    part = part_of(spec.label.event_time, cuts_at(taken.cut, spec.split))
    rows = (
        frame.where(known_class(spec, column) == OTHER)
        .groupBy(F.substring(column.cast("string"), 1, _SHOWN).alias("value"))
        .agg(
            F.count(F.lit(1)).alias("n"),
            F.count_if(part == "train").alias("train"),
            F.count_if(part == "holdout").alias("holdout"),
        )
        .orderBy(F.desc("n"), "value")
        .limit(MOST_VALUES)
        .collect()
    )
    return [row.asDict() for row in rows]


def _with(values: Mapping[str, int], others: Parts, count: str) -> dict[str, int]:
    """Put the values themselves in the place of ``OTHER``."""
    found = {row["value"]: row[count] for row in others if row[count]}
    return _ordered({**{v: n for v, n in values.items() if v != OTHER}, **found})


def _of(parts: Parts, part: str) -> Parts:
    return [p for p in parts if part in {"all", p["part"]}]


def _values(parts: Parts, part: str) -> dict[str, int]:
    """Count the classes of a part, the most frequent first; numbers were not grouped by value."""
    values: Counter[str] = Counter()
    for found in _of(parts, part):
        if found.get("value") is not None:
            values[found["value"]] += found["n"]
    return _ordered(values)


def _ordered(values: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(values.items(), key=lambda item: (-item[1], item[0])))


def _spreads(parts: Parts) -> dict[str, Spread]:
    if not any("finite" in p for p in parts):
        return {}
    return {part: spread_of(_of(parts, part)) for part in PARTS}
