"""What must hold between the parts of a declaration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ml_assets.spec.errors import closest, did_you_mean
from ml_assets.spec.findings import Place
from ml_assets.spec.label_consistency import label_problems
from ml_assets.spec.model_types import KINDS, METRICS
from ml_assets.spec.tables import repeated
from ml_assets.spec.wording import refusal

if TYPE_CHECKING:
    from pydantic_core import PydanticCustomError

    from ml_assets.spec.model import ModelSpec


def problems_between_parts(spec: ModelSpec) -> Iterator[tuple[Place, PydanticCustomError]]:
    """Find everything that is wrong although each part is right by itself, with its place."""
    yield from _undeclared_sources(spec)
    yield from _repeats(spec)
    yield from _lookups_without_key(spec)
    yield from _metrics_of_other_types(spec)
    yield from _impossible_gates(spec)
    yield from label_problems(spec)
    yield from _not_distributable(spec)


def _undeclared_sources(spec: ModelSpec) -> Iterator[tuple[Place, PydanticCustomError]]:
    uses: list[tuple[Place, str, tuple[str, ...]]] = [
        (("feature_tables", i, "sources"), f"feature_tables.{t.name}", t.sources)
        for i, t in enumerate(spec.feature_tables)
        if t.reuse is None
    ]
    uses += [(("label", "sources"), "label", spec.label.sources)]
    uses += [(("scoring", "sources"), "scoring", spec.scoring.sources)]
    declared = ", ".join(spec.sources)
    for place, where, names in uses:
        for i, name in enumerate(names):
            if name in spec.sources:
                continue
            match = closest(name, spec.sources)
            yield (
                (*place, i),
                refusal(
                    f"{name!r}, which is not declared under sources",
                    expected=f"one of {declared}",
                    fix=f"write {match!r} (did you mean that?)"
                    if match
                    else f"declare {name} under sources, with its table",
                    message=f"{where}.sources: {name!r} is not declared under sources"
                    f"{did_you_mean(name, spec.sources)}; declared: {declared}",
                ),
            )


def _repeats(spec: ModelSpec) -> Iterator[tuple[Place, PydanticCustomError]]:
    tables = list(enumerate(spec.feature_tables))
    names: list[tuple[Place, str]] = [(("feature_tables", i, "name"), t.name) for i, t in tables]
    yield from repeated(names, "a name of its own for each feature table")
    stored: list[tuple[Place, str]] = [
        *((("sources", name, "table"), s.table) for name, s in spec.sources.items()),
        *((("feature_tables", i, "table"), t.table) for i, t in tables),
        (("label", "table"), spec.label.table),
        (("training_set",), spec.training_set),
        (("scoring", "table"), spec.scoring.table),
    ]
    yield from repeated(stored, "a table of its own for each", "ml01_table_registered")
    columns: list[tuple[Place, str]] = [
        (("feature_tables", i, "columns", column), column)
        for i, t in tables
        for column in t.columns
    ]
    yield from repeated(columns, "a name that only one feature has (rename it in the transform)")


def _lookups_without_key(spec: ModelSpec) -> Iterator[tuple[Place, PydanticCustomError]]:
    keys = spec.label.keys
    for i, table in enumerate(spec.feature_tables):
        for j, key in enumerate(table.primary_keys):
            if key in keys:
                continue
            match = closest(key, keys)
            yield (
                ("feature_tables", i, "primary_keys", j),
                refusal(
                    f"{key!r}, which is not among label.keys",
                    expected=f"keys that a label row has: {', '.join(keys)}",
                    fix=f"write {match!r} (did you mean that?)"
                    if match
                    else f"add {key} to label.keys and return it from the label's transform",
                    message=f"feature_tables.{table.name}.primary_keys: {key!r} is not among "
                    f"label.keys {list(keys)}; a label row could not look the table up",
                ),
            )


def _impossible_gates(spec: ModelSpec) -> Iterator[tuple[Place, PydanticCustomError]]:
    for metric, gate in spec.gates.items():
        highest, lowest = METRICS[metric].highest, METRICS[metric].lowest
        if highest is not None and gate.min is not None and gate.min > highest:
            share = f", for example {gate.min / 100:g}" if gate.min <= 100 else ""  # noqa: PLR2004
            reach = "is never above 1" if lowest is None else "lies between 0 and 1"
            yield (
                ("gates", metric, "min"),
                refusal(
                    f"{gate.min:g}",
                    expected=f"at most {highest:g}: {metric} {reach}",
                    fix=f"write it as a share{share}",
                    rule="promotion_absolute",
                ),
            )
        if lowest is not None and gate.max is not None and gate.max < lowest:
            yield (
                ("gates", metric, "max"),
                refusal(
                    f"{gate.max:g}",
                    expected=f"at least 0: {metric} is never negative",
                    fix="write the largest value that may serve",
                    rule="promotion_absolute",
                ),
            )
        if gate.beat_baseline and not METRICS[metric].has_baseline:
            yield (
                ("gates", metric, "beat_baseline"),
                refusal(
                    f"true for {metric}",
                    expected="min or max: a constant prediction is no yardstick for this metric",
                    fix="remove beat_baseline, and write min or max",
                    rule="promotion_absolute",
                ),
            )


def _metrics_of_other_types(spec: ModelSpec) -> Iterator[tuple[Place, PydanticCustomError]]:
    allowed = spec.kind.metrics
    for metric in spec.gates:
        if metric in allowed:
            continue
        owner = next(name for name, kind in KINDS.items() if metric in kind.metrics)
        match = closest(metric, allowed)
        other = f"write {match!r} (did you mean that?)" if match else "choose one of them"
        yield (
            ("gates", metric),
            refusal(
                f"{metric!r}, a metric of {owner}",
                expected=f"a metric of {spec.model_type}: {', '.join(allowed)}",
                fix=f"declare model_type: {owner} (did you mean that?), or {other}",
                rule="promotion_absolute",
            ),
        )


def _not_distributable(spec: ModelSpec) -> Iterator[tuple[Place, PydanticCustomError]]:
    """Only XGBoost's own estimators have a counterpart that is fitted on a cluster."""
    if spec.estimator.distributed is None:
        return
    own = spec.kind.estimator
    if spec.kind.spark_estimator is None:
        yield (
            ("estimator", "distributed"),
            refusal(
                f"distributed training with model_type: {spec.model_type}",
                expected="training on one node: no estimator of this type is fitted on a cluster",
                fix="remove distributed",
            ),
        )
    elif spec.estimator_class.replace("xgboost.sklearn.", "xgboost.") != own:
        yield (
            ("estimator", "distributed"),
            refusal(
                f"distributed training of {spec.estimator_class}",
                expected=f"class: {own}, which XGBoost can fit on a Spark cluster",
                fix=f"declare class: {own}, or remove distributed",
            ),
        )
    if spec.estimator.encoding != "ordinal":
        yield (
            ("estimator", "encoding"),
            refusal(
                f"{spec.estimator.encoding!r} with distributed training",
                expected="ordinal, the encoding that is computed on the cluster",
                fix="remove encoding, or remove distributed",
            ),
        )
