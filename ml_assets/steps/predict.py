"""``predictions``: score the declared keys with the champion, in batches."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ml_assets.platform.protocol import PREDICTED_CLASS
from ml_assets.spec.catalog import TableLayout, describe
from ml_assets.spec.errors import DataError
from ml_assets.spec.grants import granted
from ml_assets.steps.handles import PredictionsHandle
from ml_assets.steps.measuring.batch_drift import measure_drift
from ml_assets.steps.measuring.measured_predictions import VERSION_COLUMN, measure_frame
from ml_assets.steps.prepared import PreparedTable, planned, refused_tag, run_tags
from ml_assets.steps.serving.may_serve import serves, standing_of
from ml_assets.steps.serving.version_tags import CHAMPION, scoring_tags
from ml_assets.steps.transforms import call_transform, refuse_empty, require_columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyspark.sql import DataFrame

    from ml_assets.platform.protocol import Platform, Run, Tracking
    from ml_assets.rules.facts import PredictionFacts
    from ml_assets.rules.verdict import Verdict
    from ml_assets.spec.catalog import TableInfo
    from ml_assets.spec.model import ModelSpec
    from ml_assets.steps.execution import Inputs
    from ml_assets.steps.handles import TableHandle


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
    champion, made_by = serving_version(spec, platform)
    keys, versions = scoring_keys(spec, platform)
    versions |= {t.table: platform.tables.info(t.table).version for t in spec.feature_tables}
    with platform.tracking.run(
        spec.experiment("deployment"),
        name=f"score with version {champion}",
        tags={**run_tags(spec, inputs, versions), **scoring_tags(champion, made_by)},
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
    named = [PREDICTED_CLASS] if spec.class_names else []
    require_columns(frame, ["prediction", *named, VERSION_COLUMN], where=table)
    keys, _ = scoring_keys(spec, platform)
    info, run_id = platform.tables.info(table), handle.run_id
    return _measured(spec, platform, frame, info, keys=keys, run_id=run_id, staged=False)


def champion_version(spec: ModelSpec, platform: Platform) -> int:
    """Find the version that serves; raises as ``serving_version`` does."""
    return serving_version(spec, platform)[0]


def serving_version(spec: ModelSpec, platform: Platform) -> tuple[int, Mapping[str, str]]:
    """Find the version that serves, and its tags.

    Raises
    ------
    DataError
        When the champion alias is not set, or points to a version that was refused, that belongs to
        another model, or that says nothing of its gates.
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
    if not serves(spec, tags):
        raise DataError(
            f"{spec.registered_model} version {champion}, alias {CHAMPION!r}",
            found=standing_of(spec, tags),
            expected=f"a version of {spec.name} that passed every gate",
            fix=f"ml-assets promote {spec.name} --version N --reason … with a version that passed, "
            "or materialize model_version",
            rule="predictions_from_champion",
        )
    return champion, tags


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
        info = planned(layout, staged)
        facts = _measured(
            spec,
            platform,
            staged.frame,
            info,
            keys=keys,
            run_id=run.run_id,
            staged=True,
            version=champion,
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


def _measured(
    spec: ModelSpec,
    platform: Platform,
    frame: DataFrame,
    info: TableInfo,
    *,
    keys: DataFrame,
    run_id: str,
    staged: bool,
    version: int | None = None,
) -> PredictionFacts:
    """Take all facts; ``version`` made the predictions (None: look at those of today's champion)."""
    run = platform.tracking.info(run_id)
    facts = measure_frame(
        frame,
        spec,
        info,
        keys=keys,
        experiment=run.experiment,
        champion=platform.registry.version_of(spec.registered_model, CHAMPION),
        staged=staged,
    )
    version = version or facts.champion
    drift = measure_drift(spec, platform, frame, rows=facts.rows, version=version)
    return replace(facts, run_tags=run.tags, drift=drift)


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
            **({PREDICTED_CLASS: "class of the prediction"} if spec.class_names else {}),
            VERSION_COLUMN: f"version of {spec.registered_model} that made the prediction",
        },
        not_null=(spec.label.event_time,),
    )


def _distribution(facts: PredictionFacts) -> dict[str, float]:
    """Share of each class, or the range and mean of numbers."""
    if facts.spread is None:
        return {f"share_{v}": n / facts.rows for v, n in facts.values.items() if facts.rows}
    found = {name: getattr(facts.spread, name) for name in ("lowest", "mean", "highest")}
    return {f"predicted_{name}": value for name, value in found.items() if value is not None}


def _shown(facts: PredictionFacts) -> dict[str, float]:
    if facts.spread is not None:
        return _distribution(facts)
    return {
        f"predicted_{' '.join(facts.names.get(v, ())) or v}": n for v, n in facts.values.items()
    }
