"""Who serves and who did: read from the registry and the deployment runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ml_assets.spec.errors import DataError, PromotionError
from ml_assets.steps.serving.may_serve import other_target, rollback_trouble
from ml_assets.steps.serving.promotion import recorded
from ml_assets.steps.serving.version_tags import (
    ACTION_TAG,
    BEFORE_TAG,
    CHALLENGER,
    DEPLOYMENT_TAG,
    DEVELOPMENT_TAG,
    EVALUATION_TAG,
    FORCED_TAG,
    GATES_TAG,
    REASON_TAG,
    REASONS_TAG,
    VERSION_TAG,
    WHO_TAG,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ml_assets.platform.protocol import RunInfo
    from ml_assets.steps.serving.moves import Desk

MOVES = ("promote", "rollback")
SCORING = "score"


@dataclass(frozen=True)
class Event:
    """One deployment run. ``before`` is the champion before it (None: none, or a batch of scores)."""

    action: str
    version: str
    before: str
    who: str
    reason: str
    when: datetime | None
    status: str
    run_url: str
    forced: bool = False

    @classmethod
    def of(cls, run: RunInfo) -> Event:
        """Read a deployment run."""
        tags = run.tags
        return cls(
            action=tags.get(ACTION_TAG, ""),
            version=tags.get(VERSION_TAG, ""),
            before=tags.get(BEFORE_TAG, ""),
            who=tags.get(WHO_TAG, "unknown"),
            reason=tags.get(REASON_TAG, ""),
            when=run.started,
            status=run.status,
            run_url=run.url,
            forced=FORCED_TAG in tags,
        )


@dataclass(frozen=True)
class Standing:
    """The version that serves, how it came to, and what stands around it.

    ``other`` says what it predicts when that is something else than the declaration says (empty: it
    is not). ``rollback_to`` is what a rollback would restore (0: it is the first; None: no record), and
    ``rollback_trouble`` why it would not. ``refused`` says why the challenger was refused (empty: it was
    not). ``runs`` are the pages of its runs by experiment.
    """

    version: int
    gates: str
    moved: Event | None
    metrics: Mapping[str, float] = field(default_factory=dict)
    runs: Mapping[str, str] = field(default_factory=dict)
    other: str = ""
    rollback_to: int | None = None
    rollback_trouble: str = ""
    challenger: int | None = None
    refused: str = ""


def history(desk: Desk, *, scoring: bool = False, most: int = 50) -> tuple[Event, ...]:
    """List the latest promotions and rollbacks (and batches of scores), newest first."""
    actions = (*MOVES, SCORING) if scoring else MOVES
    experiment = desk.spec.experiment("deployment")
    runs = [
        run
        for action in actions
        for run in desk.tracking.runs(experiment, {ACTION_TAG: action}, most)
    ]
    newest = sorted(runs, key=lambda r: r.started.timestamp() if r.started else 0.0, reverse=True)
    return tuple(Event.of(run) for run in newest[:most])


def standing(desk: Desk) -> Standing:
    """Describe the champion.

    Raises
    ------
    PromotionError
        When there is none.
    """
    champion = desk.champion()
    if champion is None:
        known = ", ".join(map(str, desk.registry.versions(desk.name))) or "none"
        raise PromotionError(
            f"registered model {desk.name}",
            found=f"no champion; registered versions: {known}",
            expected="a version with the alias champion",
            fix=f"materialize model_version of {desk.spec.name}, or promote a version: "
            f"ml-assets promote {desk.spec.name} --version N --reason …",
        )
    tags = desk.tags(champion)
    runs = _runs(desk, tags)
    challenger = desk.registry.version_of(desk.name, CHALLENGER)
    evaluation, deployment = runs.get("evaluation"), runs.get("deployment")
    metrics = evaluation.metrics if evaluation else {}
    before = recorded(tags)
    return Standing(
        version=champion,
        gates=tags.get(GATES_TAG, "unknown"),
        moved=Event.of(deployment) if deployment else None,
        metrics={
            k.removeprefix("holdout_"): v
            for k, v in metrics.items()
            if k.startswith("holdout_") and k != "holdout_rows"
        },
        runs={purpose: run.url for purpose, run in runs.items()},
        other=other_target(desk.spec, tags),
        rollback_to=before,
        rollback_trouble=rollback_trouble(desk.spec, desk.registry, before) if before else "",
        challenger=challenger,
        refused=desk.tags(challenger).get(REASONS_TAG, "") if challenger else "",
    )


def _runs(desk: Desk, tags: Mapping[str, str]) -> dict[str, RunInfo]:
    """Find the runs that a version names; what somebody deleted is left out."""
    found = {}
    for purpose, tag in (
        ("development", DEVELOPMENT_TAG),
        ("evaluation", EVALUATION_TAG),
        ("deployment", DEPLOYMENT_TAG),
    ):
        if not tags.get(tag):
            continue
        try:
            found[purpose] = desk.tracking.info(tags[tag])
        except DataError:  # the version still serves: its page is what is missing
            continue
    return found
