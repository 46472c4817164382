"""Who serves: moving the champion alias, and the deployment runs that say who moved it, when and why.

Only the registry and the runs are needed: a person does this from any machine, without an engine.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ml_assets.spec.errors import PromotionError
from ml_assets.steps.serving.version_tags import (
    ACTION_TAG,
    BEFORE_TAG,
    CHALLENGER,
    CHAMPION,
    DEPLOYMENT_TAG,
    DEVELOPMENT_TAG,
    EVALUATION_TAG,
    FORCED,
    FORCED_TAG,
    GATES_TAG,
    NOT_YET,
    OWNER_TAG,
    PASSED,
    PREVIOUS_TAG,
    REASON_TAG,
    REASONS_TAG,
    REFUSED,
    ROLLED_BACK_TAG,
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
    """One move of the champion alias: to ``version``, from ``before`` (None: from nowhere)."""

    action: Action
    version: int
    before: int | None
    who: str
    reason: str
    forced: bool = False
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

    Raises
    ------
    PromotionError
        With the rule ``promotion_compare_and_set`` when the champion is not ``move.before`` any more;
        the run is FAILED then, and the alias stays.
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
    return run


def promote(
    desk: Desk, *, version: int | None, reason: str, who: str, force: bool = False
) -> Move | None:
    """Make a version (the latest when none is named) the champion; None when it is already.

    A refused version whose alias somebody set by hand does not serve: it is promoted like any other,
    and what was the champion before it is not known.

    Raises
    ------
    PromotionError
        When there is no version, no reason, or the version did not pass its gates and ``force`` is
        not given; or when somebody else moves the alias at the same time.
    DataError
        When the version does not exist.
    """
    _refuse_silence(reason, "promote")
    versions = desk.registry.versions(desk.name)
    if not versions:
        raise _nothing(desk, "no version is registered", "a registered version")
    chosen = max(versions) if version is None else version
    tags, before = desk.tags(chosen), desk.champion()
    _refuse_stranger(desk, chosen, tags)
    said = {PREVIOUS_TAG: str(before or ""), ROLLED_BACK_TAG: ""}
    if before == chosen:
        if tags.get(GATES_TAG) != REFUSED:
            return None
        before, said = None, {ROLLED_BACK_TAG: ""}
    forced = _must_force(desk, chosen, tags, force=force)
    if forced:
        said |= {GATES_TAG: FORCED, FORCED_TAG: f"{who}: {reason}"}
    desk.registry.tag(desk.name, chosen, said)
    move = Move("promote", chosen, before, who, reason, forced, _links(desk, tags))
    run = move_champion(desk, move)
    desk.registry.tag(desk.name, chosen, {DEPLOYMENT_TAG: run.run_id})
    return move


def rollback(desk: Desk, *, reason: str, who: str) -> Move:
    """Make the champion before this one the champion again.

    Versions remember who was before them, so that a second rollback goes one further back.

    Raises
    ------
    PromotionError
        When there is no champion, no reason, no record of an earlier champion, or it is gone.
    """
    _refuse_silence(reason, "rollback")
    champion = desk.champion()
    if champion is None:
        raise _nothing(desk, f"no alias {CHAMPION!r}", "a champion")
    target = recorded(desk.tags(champion))
    if not target:
        raise PromotionError(
            f"{desk.name}, champion version {champion}",
            found="it is the first champion: nothing to roll back to"
            if target == 0
            else "no record of the champion before it: the alias was set by hand",
            expected=f"the tag {PREVIOUS_TAG} with a version",
            fix=f"name a version yourself: ml-assets promote {desk.spec.name} --version N --reason …",
            rule="promotion_rollback_target",
        )
    stored = desk.registry.versions(desk.name)
    if target not in stored:
        raise PromotionError(
            f"{desk.name}, champion version {champion}",
            found=f"version {target}, the champion before it, does not exist any more",
            expected=f"one of {', '.join(map(str, stored))}",
            fix=f"name one of them: ml-assets promote {desk.spec.name} --version N --reason …",
            rule="promotion_rollback_target",
        )
    move = Move("rollback", target, champion, who, reason, tags=_links(desk, desk.tags(target)))
    # First: were it lost between the two, the next build would promote the version again.
    desk.registry.tag(desk.name, champion, {ROLLED_BACK_TAG: f"{who}: {reason}"})
    try:
        run = move_champion(desk, move)
    except PromotionError:
        desk.registry.tag(desk.name, champion, {ROLLED_BACK_TAG: ""})
        raise
    desk.registry.tag(desk.name, target, {DEPLOYMENT_TAG: run.run_id})
    return move


def recorded(tags: Mapping[str, str]) -> int | None:
    """Read which champion was before a version: 0 when it was the first, None without a record.

    >>> recorded({"ml_assets.previous_champion": "3"}), recorded({}), recorded({"ml_assets.gates": "passed"})
    (3, None, None)
    """
    said = tags.get(PREVIOUS_TAG)
    if said is None:
        return None
    return int(said) if said.isdigit() else 0


def _refuse_stranger(desk: Desk, version: int, tags: Mapping[str, str]) -> None:
    """Refuse what another model registered under the same name, or nobody of ours."""
    owner = tags.get(OWNER_TAG, "")
    if owner != desk.spec.name:
        raise PromotionError(
            f"{desk.name} version {version}",
            found=f"a version of {owner or 'something that ml_assets did not register'}",
            expected=f"a version of {desk.spec.name}",
            fix=f"choose another version; ml-assets champion {desk.spec.name} shows what there is",
            rule="predictions_from_champion",
        )


def _must_force(desk: Desk, version: int, tags: Mapping[str, str], *, force: bool) -> bool:
    """Whether a promotion goes against what was measured; refuse it unless that is asked for."""
    if tags.get(GATES_TAG) in {PASSED, NOT_YET}:
        return False
    if force:
        return True
    why = tags.get(REASONS_TAG) or "no record of its gates"
    raise PromotionError(
        f"{desk.name} version {version}",
        found=f"it did not pass its gates: {why}",
        expected="a version that passed, or a person who answers for it",
        fix=f"choose another version, or: ml-assets promote {desk.spec.name} --version {version} "
        "--force --reason …",
        rule="promotion_absolute",
    )


def _links(desk: Desk, tags: Mapping[str, str]) -> dict[str, str]:
    """Tie a deployment run to the runs that measured and made the version."""
    links = {k: tags[k] for k in (EVALUATION_TAG, DEVELOPMENT_TAG) if k in tags}
    return {
        "ml_assets.project": desk.spec.project,
        "ml_assets.model": desk.spec.model,
        "ml_assets.spec_hash": tags.get("ml_assets.spec_hash", ""),
        **links,
    }


def _refuse_silence(reason: str, command: str) -> None:
    if not reason.strip():
        raise PromotionError(
            f"ml-assets {command}",
            found="an empty reason",
            expected="why the champion is changed, in words",
            fix='add --reason "…": it is kept in the deployment run',
        )


def _nothing(desk: Desk, found: str, expected: str) -> PromotionError:
    return PromotionError(
        f"registered model {desk.name}",
        found=found,
        expected=expected,
        fix=f"materialize model_version of {desk.spec.name}",
    )
