"""What is measured of batch predictions, staged or stored: one pass over them, one over the keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml_assets.platform.protocol import PREDICTED_CLASS
from ml_assets.rules.facts import PredictionFacts
from ml_assets.steps.measuring.measure import (
    column_types,
    grouped,
    lookup_counts,
    lookup_facts,
    spread_counts,
    spread_of,
)
from ml_assets.steps.measuring.sampling import key_hash

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from ml_assets.spec.catalog import TableInfo
    from ml_assets.spec.model import ModelSpec

VERSION_COLUMN = "model_version"


def measure_frame(
    frame: DataFrame,
    spec: ModelSpec,
    info: TableInfo,
    *,
    keys: DataFrame,
    experiment: str,
    champion: int | None,
    staged: bool,
) -> PredictionFacts:
    """Count the predictions by class and by version, and compare their keys with ``keys``."""
    from pyspark.sql import functions as F

    types = column_types(frame)
    prediction, kind = F.col("prediction"), types["prediction"]
    counts = {
        "rows": F.count(F.lit(1)),
        "keys": key_sum(spec),
        "nulls": F.count_if(prediction.isNull()),
        **lookup_counts(spec, list(types), spec.label.event_time),
    }
    groups = {"version": F.col(VERSION_COLUMN).cast("string")}
    if spec.predicted_classes is None:
        counts |= spread_counts(kind, prediction)
    else:
        groups["value"] = prediction.cast("string")
    if spec.class_names:
        groups["name"] = F.col(PREDICTED_CLASS)
    parts = grouped(frame, groups, counts)
    rows = sum(p["rows"] for p in parts)
    expected, keys_sum, distinct = keys.agg(
        F.count(F.lit(1)), key_sum(spec), F.count_distinct(key_hash(spec.label_keys))
    ).collect()[0]
    return PredictionFacts(
        table=info,
        expected_rows=expected,
        same_keys=keys_sum == (sum(p["keys"] for p in parts) if parts else None),
        repeated_keys=expected - distinct,
        rows=rows,
        null_predictions=sum(p["nulls"] for p in parts),
        type=kind,
        values=_by(parts, "value"),
        versions=_by(parts, "version"),
        champion=champion,
        experiment=experiment,
        lookups=lookup_facts(spec, rows, parts),
        staged=staged,
        spread=spread_of(parts) if any("finite" in p for p in parts) else None,
        names=_names(parts),
    )


def key_sum(spec: ModelSpec) -> Column:
    """Add up the hashes: equal for two frames with the same keys, whatever their order."""
    from pyspark.sql import functions as F

    return F.sum(key_hash(spec.label_keys).cast("decimal(20,0)"))


def _by(parts: list[dict[str, Any]], name: str) -> dict[str, int]:
    values = sorted({str(p[name]) for p in parts if p.get(name) is not None})
    return {v: sum(p["rows"] for p in parts if str(p[name]) == v) for v in values}


def _names(parts: list[dict[str, Any]]) -> dict[str, tuple[str, ...]]:
    """Names of each code, null as an empty one."""
    named = [(str(p["value"]), str(p["name"] or "")) for p in parts if "name" in p]
    return {v: tuple(sorted({n for w, n in named if w == v})) for v, _ in sorted(named)}
