"""The evaluation run of a candidate: what is measured of it before anybody may use it."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ml_assets.steps.library_errors import first_line
from ml_assets.steps.prepared import run_tags
from ml_assets.steps.serving.compared_rows import holdout_from, read_holdout
from ml_assets.steps.serving.comparison import compare
from ml_assets.steps.serving.replay import replay
from ml_assets.steps.serving.version_tags import DEVELOPMENT_TAG, EVALUATION_TAG

if TYPE_CHECKING:
    import pandas as pd

    from ml_assets.platform.protocol import Platform, Run, RunInfo
    from ml_assets.rules.facts import ComparisonFacts, ReplayFacts
    from ml_assets.spec.model import ModelSpec
    from ml_assets.steps.execution import Inputs
    from ml_assets.steps.handles import RunHandle
    from ml_assets.steps.serving.comparison import Champion

FIGURES = "figures"
#: Why the evaluation run lacks figures, in its tags; it has none when all were drawn.
FIGURES_ERROR_TAG = "ml_assets.figures_error"
_log = logging.getLogger("ml_assets.evidence")


@dataclass(frozen=True)
class Evaluation:
    """A finished evaluation: its run, the run that trained the model, and what was measured."""

    run: RunInfo
    trained: RunInfo
    replayed: ReplayFacts
    comparison: ComparisonFacts | None
    holdout_from: str


def evaluate(
    spec: ModelSpec,
    platform: Platform,
    inputs: Inputs,
    *,
    trained: RunHandle,
    champion: Champion | None,
) -> Evaluation:
    """Replay the package, compare it with the champion (None: no other one), and log all of it.

    Metrics of the development run (holdout, baseline, leakage) are logged again: the evaluation run
    is complete by itself. Both runs name each other.
    """
    stored = platform.tracking.info(trained.run_id)
    with platform.tracking.run(
        spec.experiment("evaluation"),
        name=f"evaluate {trained.run_id[:8]}",
        tags={
            **run_tags(spec, inputs, _versions(spec, platform, trained)),
            DEVELOPMENT_TAG: trained.run_id,
            "ml_assets.development_run_url": trained.run_url,
            "ml_assets.compared_with": str(champion.version) if champion else "",
        },
    ) as run:
        replayed = replay(spec, platform, run_id=trained.run_id, model_uri=trained.model_uri)
        holdout = read_holdout(platform, trained.run_id)
        compared = None
        if champion is not None:
            compared = compare(
                spec, platform, run, trained=trained, holdout=holdout, champion=champion
            )
        run.log(
            metrics={
                **stored.metrics,
                **_replay_metrics(replayed),
                **_comparison_metrics(compared),
            }
        )
        _log_figures(spec, run, holdout)
    platform.tracking.tag(
        trained.run_id, {EVALUATION_TAG: run.run_id, "ml_assets.evaluation_run_url": run.url}
    )
    found = platform.tracking.info(run.run_id)
    return Evaluation(found, stored, replayed, compared, holdout_from(spec, holdout))


def _versions(spec: ModelSpec, platform: Platform, trained: RunHandle) -> dict[str, int]:
    """The tables that the evaluation reads, as they are now."""
    features = {t.table: platform.tables.info(t.table).version for t in spec.feature_tables}
    return {trained.training_set: trained.training_set_version, **features}


def _replay_metrics(replayed: ReplayFacts) -> dict[str, float]:
    counts = {k: v for k, v in vars(replayed).items() if k != "changed_features"}
    changed = len(replayed.changed_features)
    return {f"replay_{k}": float(v) for k, v in {**counts, "changed_features": changed}.items()}


def _comparison_metrics(compared: ComparisonFacts | None) -> dict[str, float]:
    if compared is None:
        return {}
    found = {"compared_rows": float(compared.rows)}
    if compared.differences:
        found["compared_entities"] = float(compared.entities)
    if compared.seen_rows is not None:
        found["compared_rows_champion_may_know"] = float(compared.seen_rows)
    for name, d in compared.differences.items():
        found |= {
            f"champion_{name}": d.champion,
            f"gain_{name}": d.difference,
            f"gain_{name}_low": d.low,
            f"gain_{name}_high": d.high,
        }
    return found


def _log_figures(spec: ModelSpec, run: Run, holdout: pd.DataFrame) -> None:
    """Draw the holdout. No gate looks at figures: a trained candidate is not lost for a picture.

    Figures that were drawn before one failed are logged; the error goes into the run's tags.
    """
    from ml_assets.evidence.figures import write_figures

    with tempfile.TemporaryDirectory() as folder:
        try:
            write_figures(spec, holdout, Path(folder))
        except Exception as error:  # noqa: BLE001 - the tag and the log say it
            _log.exception("%s: a figure of the evaluation could not be drawn", spec.name)
            run.log(tags={FIGURES_ERROR_TAG: f"{type(error).__name__}: {first_line(error)}"})
        if any(Path(folder).iterdir()):
            run.log_folder(Path(folder), FIGURES)
