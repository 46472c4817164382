"""Moving the champion alias, within a deployment run that says who moved it, when and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ml_assets.spec.errors import OvertakenError
from ml_assets.steps.serving.version_tags import (
    ACTION_TAG,
    BEFORE_TAG,
    CHALLENGER,
    CHAMPION,
    FORCED_TAG,
    REASON_TAG,
    VERSION_TAG,
    WHO_TAG,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ml_assets.platform.protocol import Registry, Run, Tracking
    from ml_assets.spec.model import ModelSpec

Action = Literal["promote", "rollback"]


@dataclass(frozen=True)
class Desk:
    """Where the versions of one model are, and their runs."""

    spec: ModelSpec
    registry: Registry
    tracking: Tracking

    @property
    def name(self) -> str:
        """The registered model."""
        return self.spec.registered_model

    def champion(self) -> int | None:
        """The version that serves."""
        return self.registry.version_of(self.name, CHAMPION)

    def tags(self, version: int) -> Mapping[str, str]:
        """The tags of a version."""
        return self.registry.tags(self.name, version)


@dataclass(frozen=True)
class Move:
    """One move of the champion alias: to ``version``, from ``before`` (None: from nowhere).

    ``forced`` says that a person overrules what is known of the version; ``other`` what it predicts,
    when that is something else than the declaration says (empty: it is not).
    """

    action: Action
    version: int
    before: int | None
    who: str
    reason: str
    forced: bool = False
    other: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def run_tags(self) -> dict[str, str]:
        """What its deployment run says."""
        return {
            ACTION_TAG: self.action,
            VERSION_TAG: str(self.version),
            BEFORE_TAG: str(self.before or ""),
            WHO_TAG: self.who,
            REASON_TAG: self.reason,
            **({FORCED_TAG: "true"} if self.forced else {}),
            "mlflow.user": self.who,
            **self.tags,
        }


def move_champion(desk: Desk, move: Move) -> Run:
    """Move the alias within a deployment run; the version that loses it becomes the challenger.

    Where a registry cannot keep others away, two who read the alias before either writes both move it,
    and the last one wins. It is looked at again when all is written: who was overtaken until then is
    told so. Who is overtaken later is not; the deployment runs of both say what happened.

    Raises
    ------
    PromotionError
        With the rule ``promotion_compare_and_set`` when the champion is not ``move.before`` any more;
        as ``OvertakenError`` when it is not ``move.version`` afterwards. The run is FAILED then, and the
        alias stays where it is.
    """
    with desk.tracking.run(
        desk.spec.experiment("deployment"),
        name=f"{move.action} version {move.version}",
        tags=move.run_tags,
    ) as run:
        desk.registry.move_alias(desk.name, CHAMPION, move.version, expected=move.before)
        if move.before is not None:
            desk.registry.set_alias(desk.name, CHALLENGER, move.before)
        elif desk.registry.version_of(desk.name, CHALLENGER) == move.version:
            desk.registry.remove_alias(desk.name, CHALLENGER)
        _refuse_overtaken(desk, move)
    return run


def _refuse_overtaken(desk: Desk, move: Move) -> None:
    """Look again whether the move is still the last one."""
    if (found := desk.champion()) == move.version:
        return
    raise OvertakenError(
        f"registered model {desk.name}, alias {CHAMPION!r}",
        found="it points to no version" if found is None else f"it points to version {found}",
        expected=f"version {move.version}, which it was moved to just now: somebody else moved it at "
        "the same time",
        fix=f"look who did: ml-assets history {desk.spec.name}; then do it again, if it is still right",
        rule="promotion_compare_and_set",
    )
