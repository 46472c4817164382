"""``training_set``: the point-in-time join of the labels with every feature table."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ml_assets.platform.protocol import AS_OF_PREFIX, MATCHED_PREFIX, SPLIT_COLUMN
from ml_assets.rules.facts import TrainingSetFacts
from ml_assets.spec.catalog import TableLayout, describe
from ml_assets.spec.errors import DataError
from ml_assets.spec.grants import granted
from ml_assets.steps.measuring.label_facts import known_class
from ml_assets.steps.measuring.leakage import measure_leakage
from ml_assets.steps.measuring.measure import (
    column_counts,
    column_facts,
    column_types,
    from_micros,
    grouped,
    lookup_counts,
    lookup_facts,
)
from ml_assets.steps.measuring.split import split_cuts
from ml_assets.steps.prepared import PreparedTable, planned, refuse_stale
from ml_assets.steps.transforms import refuse_empty, require_columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyspark.sql import DataFrame

    from ml_assets.platform.protocol import Platform
    from ml_assets.spec.catalog import TableInfo
    from ml_assets.spec.model import ModelSpec
    from ml_assets.steps.execution import Inputs


def build(spec: ModelSpec, platform: Platform, inputs: Inputs) -> PreparedTable:
    """Join the stored labels and features as they are now, and record their versions."""
    refuse_clashes(spec)
    refuse_stale(spec, inputs)
    names = [spec.label.table, *(t.table for t in spec.feature_tables)]
    versions = {name: _stored(platform, name).version for name in names}
    labels = platform.tables.read(spec.label.table, versions[spec.label.table])
    cuts = split_cuts(labels, spec.label.event_time, spec.split)
    if cuts is None:
        refuse_empty(0, where=spec.label.table)
    layout = granted(training_layout(spec), spec.grants)
    staged = platform.features.stage_training_set(spec, layout, cuts, versions)  # type: ignore[arg-type]
    try:
        facts = measure_frame(staged.frame, spec, planned(layout, staged), staged=True)
    except BaseException:
        staged.discard()
        raise
    return PreparedTable(spec, inputs, staged, facts, versions, shown=_shown(facts))


def measure(spec: ModelSpec, platform: Platform, _: Inputs) -> TrainingSetFacts:
    """Measure the stored training set, whoever wrote it.

    Raises
    ------
    DataError
        When there is no such table, or it lacks a column that the measurement needs.
    """
    frame = platform.tables.read(spec.training_set)
    needed = [spec.label.event_time, spec.label.name, SPLIT_COLUMN]
    require_columns(frame, needed, where=spec.training_set)
    return measure_frame(frame, spec, platform.tables.info(spec.training_set), staged=False)


def feature_columns(spec: ModelSpec, columns: Sequence[str]) -> list[str]:
    """List the columns of a stored training set that a model would be trained on, in order."""
    label = spec.label
    index = columns.index(SPLIT_COLUMN) if SPLIT_COLUMN in columns else len(columns)
    first = [c for c in columns[:index] if c not in {*spec.label_keys, label.name}]
    return [c for c in first if not c.startswith((AS_OF_PREFIX, MATCHED_PREFIX))]


def refuse_clashes(spec: ModelSpec) -> None:
    """Refuse a feature that has the name of a column of the label table.

    Such a feature could not stand beside it in one frame, and at scoring time the column that
    comes with the keys would silently replace the looked-up feature.

    Raises
    ------
    DataError
        With the rule that the name breaks (``ml06_label_not_in_features``,
        ``ml06_keys_in_features``).
    """
    label = spec.label
    for table in spec.feature_tables:
        for name in table.columns:
            is_label = name.lower() == label.name.lower()
            if is_label or name.lower() in {k.lower() for k in spec.label_keys}:
                raise DataError(
                    f"feature_tables.{table.name}.columns.{name}",
                    found=f"a feature called like the {'label' if is_label else 'label key'} {name!r}",
                    expected="features that are neither the label nor a key",
                    fix="rename the feature in the transform, or remove it when it is the outcome",
                    rule="ml06_label_not_in_features" if is_label else "ml06_keys_in_features",
                )


def measure_frame(
    frame: DataFrame, spec: ModelSpec, info: TableInfo, *, staged: bool
) -> TrainingSetFacts:
    """Take all facts of a training set in one pass over it, grouped by part and class.

    What single features give away is measured on a sample of the training rows: one small query more.
    """
    from pyspark.sql import functions as F

    types = column_types(frame)
    features = feature_columns(spec, list(types))
    time = F.unix_micros(F.col(f"`{spec.label.event_time}`"))
    counts = {
        "rows": F.count(F.lit(1)),
        "first": F.min(time),
        "last": F.max(time),
        **column_counts(types, features),
        **lookup_counts(spec, list(types), spec.label.event_time),
    }
    groups = {"part": F.col(f"`{SPLIT_COLUMN}`")}
    if spec.label_classes is not None:
        groups["label"] = known_class(spec, F.col(f"`{spec.label.name}`"))
    parts = grouped(frame, groups, counts)
    facts = _facts(spec, info, types, features, parts, staged=staged)
    trained = facts.split_rows.get("train", 0)
    return replace(facts, leakage=measure_leakage(frame, spec, types, features, trained))


def _facts(
    spec: ModelSpec,
    info: TableInfo,
    types: Mapping[str, str],
    features: Sequence[str],
    parts: list[dict[str, Any]],
    *,
    staged: bool,
) -> TrainingSetFacts:
    rows = sum(p["rows"] for p in parts)
    names = sorted({str(p["part"]) for p in parts})
    totals = {k: sum(p[k] for p in parts) for k in column_counts(types, features)}
    last = [p["last"] for p in parts if p["part"] == "train"]
    first = [p["first"] for p in parts if p["part"] == "holdout"]
    return TrainingSetFacts(
        table=info,
        rows=rows,
        columns=column_facts(types, features, totals) if parts else (),
        split_rows={n: sum(p["rows"] for p in parts if str(p["part"]) == n) for n in names},
        split_values=_values(parts, names) if spec.label_classes is not None else {},
        last_train=from_micros(max(last)) if last else None,
        first_holdout=from_micros(min(first)) if first else None,
        lookups=lookup_facts(spec, rows, parts),
        staged=staged,
    )


def _values(parts: list[dict[str, Any]], names: Sequence[str]) -> dict[str, dict[str, int]]:
    return {n: {str(p["label"]): p["rows"] for p in parts if str(p["part"]) == n} for n in names}


def training_layout(spec: ModelSpec) -> TableLayout:
    """Derive how the training set is stored."""
    comments = {n: c.comment for t in spec.feature_tables for n, c in t.columns.items()}
    for table in spec.feature_tables:
        if table.event_time:
            known = f"event time of the matched row of {table.table}, UTC"
            comments[AS_OF_PREFIX + table.name] = known
        else:
            comments[MATCHED_PREFIX + table.name] = f"whether {table.table} had the key"
    return TableLayout(
        name=spec.training_set,
        primary_keys=spec.label.keys,
        event_time=spec.label.event_time,
        description=describe(
            f"Training set of {spec.name}: {spec.description}",
            f"Point-in-time join of {spec.label.table} with {', '.join(t.table for t in spec.feature_tables)}; the last {spec.split.holdout:.0%} by time are the holdout.",
        ),
        tags=dict(spec.label.tags),
        comments={
            **comments,
            spec.label.name: "label",
            SPLIT_COLUMN: "train, embargo or holdout, by event time",
        },
        not_null=(spec.label.event_time,),
    )


def _stored(platform: Platform, name: str) -> TableInfo:
    info = platform.tables.info(name)
    if not info.exists:
        raise DataError(
            name,
            found="no such table",
            expected="a stored table",
            fix="materialize the asset that writes it first",
            rule="ml01_table_registered",
        )
    return info


def _shown(facts: TrainingSetFacts) -> dict[str, Any]:
    return {
        **{f"{part}_rows": n for part, n in facts.split_rows.items()},
        **{f"coverage_{x.name}": round(x.coverage, 6) for x in facts.lookups},
    }
