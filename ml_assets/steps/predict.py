"""``predictions``: score the declared keys with the champion, in batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml_assets.rules.facts import PredictionFacts
from ml_assets.spec.catalog import TableLayout, describe
from ml_assets.spec.errors import DataError
from ml_assets.spec.grants import granted
from ml_assets.steps.handles import PredictionsHandle
from ml_assets.steps.measure import (
    column_types,
    grouped,
    lookup_counts,
    lookup_facts,
    spread_counts,
    spread_of,
)
from ml_assets.steps.prepared import PreparedTable, planned, refused_tag, run_tags
from ml_assets.steps.register_version import CHAMPION, GATES_TAG, OWNER_TAG, REFUSED
from ml_assets.steps.transforms import call_transform, refuse_empty, require_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import Column, DataFrame

    from ml_assets.platform.protocol import Platform, Run, Tracking
    from ml_assets.rules.verdict import Verdict
    from ml_assets.spec.catalog import TableInfo
    from ml_assets.spec.model import ModelSpec
    from ml_assets.steps.execution import Inputs
    from ml_assets.steps.handles import TableHandle

VERSION_COLUMN = "model_version"


@dataclass(kw_only=True)
class PreparedPredictions(PreparedTable):
    """Staged predictions and their deployment run, which is marked by what became of them."""

    tracking: Tracking
    run_id: str
    run_url: str
    model_version: int

    def publish(self, verdicts: Sequence[Verdict]) -> TableHandle:
        """Replace the stored predictions, and name their table version in the run."""
        handle = super().publish(verdicts)
        self.tracking.tag(self.run_id, {"ml_assets.delta_version": str(handle.delta_version)})
        return handle

    def refuse(self, verdicts: Sequence[Verdict]) -> None:
        """Drop the staged predictions, and say so in the run."""
        super().refuse(verdicts)
        self.tracking.tag(self.run_id, refused_tag(verdicts))

    def handle(self, info: TableInfo) -> PredictionsHandle:
        """Name what was published, by which run and version."""
        return PredictionsHandle(
            **self.published(info),
            run_id=self.run_id,
            run_url=self.run_url,
            experiment=self.spec.experiment("deployment"),
            model_version=self.model_version,
        )


def build(spec: ModelSpec, platform: Platform, inputs: Inputs) -> PreparedPredictions:
    """Stage the champion's scores of the declared keys and measure them.

    Raises
    ------
    DataError
        When there is no champion, or the keys lack a column.
    """
    champion = champion_version(spec, platform)
    keys, versions = scoring_keys(spec, platform)
    versions |= {t.table: platform.tables.info(t.table).version for t in spec.feature_tables}
    with platform.tracking.run(
        spec.experiment("deployment"),
        name=f"score with version {champion}",
        tags={**run_tags(spec, inputs, versions), "ml_assets.model_version": str(champion)},
    ) as run:
        prepared = _score(spec, platform, inputs, keys=keys, run=run, champion=champion)
    prepared.versions = versions
    return prepared


def measure(spec: ModelSpec, platform: Platform, inputs: Inputs) -> PredictionFacts:
    """Measure the stored predictions against today's keys and champion.

    Raises
    ------
    DataError
        When there is no such table.
    """
    table, handle = spec.scoring.table, inputs.handles[inputs.asset]
    assert isinstance(handle, PredictionsHandle)  # noqa: S101 - the graph declares this type
    frame = platform.tables.read(table)
    require_columns(frame, ["prediction", VERSION_COLUMN], where=table)
    keys, _ = scoring_keys(spec, platform)
    experiment = platform.tracking.info(handle.run_id).experiment
    info = platform.tables.info(table)
    return measure_frame(
        frame,
        spec,
        info,
        keys=keys,
        experiment=experiment,
        champion=platform.registry.version_of(spec.registered_model, CHAMPION),
        staged=False,
    )


def champion_version(spec: ModelSpec, platform: Platform) -> int:
    """Find the version that serves.

    Raises
    ------
    DataError
        When the champion alias is not set, or points to a version that was refused or that
        belongs to another model.
    """
    champion = platform.registry.version_of(spec.registered_model, CHAMPION)
    if champion is None:
        raise DataError(
            spec.registered_model,
            found=f"no alias {CHAMPION!r}",
            expected="a version that passed every gate",
            fix="materialize model_version (executing its checks alone does not promote)",
            rule="predictions_from_champion",
        )
    tags = platform.registry.tags(spec.registered_model, champion)
    owner, gates = tags.get(OWNER_TAG, spec.name), tags.get(GATES_TAG, "")
    if gates == REFUSED or owner != spec.name:
        raise DataError(
            f"{spec.registered_model} version {champion}, alias {CHAMPION!r}",
            found=f"a version of {owner} with {GATES_TAG}={gates}",
            expected=f"a version of {spec.name} that passed every gate",
            fix="point the alias back to a version that passed, or materialize model_version",
            rule="predictions_from_champion",
        )
    return champion


def scoring_keys(spec: ModelSpec, platform: Platform) -> tuple[DataFrame, dict[str, int]]:
    """Compute the keys and as-of times to score, and the source versions they came from."""
    frame, versions = call_transform(
        spec, platform, path=spec.scoring.keys, sources=spec.scoring.sources, field="scoring.keys"
    )
    require_columns(frame, spec.label_keys, where="scoring.keys")
    return frame.select(*(f"`{k}`" for k in spec.label_keys)), versions


def _score(
    spec: ModelSpec,
    platform: Platform,
    inputs: Inputs,
    *,
    keys: DataFrame,
    run: Run,
    champion: int,
) -> PreparedPredictions:
    layout = granted(predictions_layout(spec), spec.grants)
    uri = platform.registry.uri(spec.registered_model, champion)
    staged = platform.features.stage_scores(spec, keys, uri, layout, {VERSION_COLUMN: champion})
    try:
        facts = measure_frame(
            staged.frame,
            spec,
            planned(layout, staged),
            keys=keys,
            experiment=platform.tracking.info(run.run_id).experiment,
            champion=platform.registry.version_of(spec.registered_model, CHAMPION),
            staged=True,
        )
        refuse_empty(facts.expected_rows, where="scoring.keys")
    except BaseException:
        staged.discard()
        raise
    counts = {"rows": facts.rows, "null_predictions": facts.null_predictions}
    run.log(metrics={**counts, **_distribution(facts)})
    return PreparedPredictions(
        spec,
        inputs,
        staged,
        facts,
        shown={"model_version": champion, **_shown(facts)},
        tracking=platform.tracking,
        run_id=run.run_id,
        run_url=run.url,
        model_version=champion,
    )


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
    if spec.kind.predicted_classes is None:
        counts |= spread_counts(kind, prediction)
    else:
        groups["value"] = prediction.cast("string")
    parts = grouped(frame, groups, counts)
    rows = sum(p["rows"] for p in parts)
    expected, keys_sum, distinct = keys.agg(
        F.count(F.lit(1)), key_sum(spec), F.count_distinct(key_hash(spec))
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
    )


def key_hash(spec: ModelSpec) -> Column:
    """Hash a row's keys and as-of time."""
    from pyspark.sql import functions as F

    return F.xxhash64(*(F.col(f"`{k}`") for k in spec.label_keys))


def key_sum(spec: ModelSpec) -> Column:
    """Add up the hashes: equal for two frames with the same keys, whatever their order."""
    from pyspark.sql import functions as F

    return F.sum(key_hash(spec).cast("decimal(20,0)"))


def predictions_layout(spec: ModelSpec) -> TableLayout:
    """Derive how the predictions are stored."""
    return TableLayout(
        name=spec.scoring.table,
        primary_keys=spec.label.keys,
        event_time=spec.label.event_time,
        description=describe(
            spec.scoring.business or f"Batch predictions of {spec.name}",
            f"Scored by models:/{spec.registered_model}@{CHAMPION} with features as of {spec.label.event_time}.",
        ),
        tags=dict(spec.label.tags),
        comments={
            "prediction": f"predicted {spec.label.name}",
            VERSION_COLUMN: f"version of {spec.registered_model} that made the prediction",
        },
        not_null=(spec.label.event_time,),
    )


def _by(parts: list[dict[str, Any]], name: str) -> dict[str, int]:
    values = sorted({str(p[name]) for p in parts if p.get(name) is not None})
    return {v: sum(p["rows"] for p in parts if str(p[name]) == v) for v in values}


def _distribution(facts: PredictionFacts) -> dict[str, float]:
    """Share of each class, or the range and mean of numbers."""
    if facts.spread is None:
        return {f"share_{v}": n / facts.rows for v, n in facts.values.items() if facts.rows}
    found = {name: getattr(facts.spread, name) for name in ("lowest", "mean", "highest")}
    return {f"predicted_{name}": value for name, value in found.items() if value is not None}


def _shown(facts: PredictionFacts) -> dict[str, float]:
    if facts.spread is not None:
        return _distribution(facts)
    return {f"predicted_{v}": n for v, n in facts.values.items()}
