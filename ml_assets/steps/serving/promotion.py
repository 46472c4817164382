"""Who serves: promoting a version by hand, and going back to the one before.

Only the registry and the runs are needed: a person does this from any machine, without an engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_assets.spec.errors import OvertakenError, PromotionError
from ml_assets.steps.serving.may_serve import other_target, rollback_trouble
from ml_assets.steps.serving.moves import Move, move_champion
from ml_assets.steps.serving.version_tags import (
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
    REASONS_TAG,
    REFUSED,
    ROLLED_BACK_TAG,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ml_assets.steps.serving.moves import Desk

#: What is said of a version that a tag does not speak of yet: tags cannot be taken away again.
_UNSAID = {GATES_TAG: REFUSED, FORCED_TAG: "", ROLLED_BACK_TAG: ""}


def promote(
    desk: Desk, *, version: int | None, reason: str, who: str, force: bool = False
) -> Move | None:
    """Make a version (the latest when none is named) the champion; None when it is already.

    A refused version whose alias somebody set by hand does not serve: it is promoted like any other,
    and what was the champion before it is not known.

    Raises
    ------
    PromotionError
        When there is no version, no reason, or ``force`` is not given and the version did not pass
        its gates or predicts something else than the declaration says; or when somebody else moves
        the alias at the same time. The version's tags are then as they were.
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
    other = other_target(desk.spec, tags)
    forced = _must_force(desk, chosen, tags, other, force=force)
    if forced:
        said |= {GATES_TAG: FORCED, FORCED_TAG: f"{who}: {reason}"}
    desk.registry.tag(desk.name, chosen, said)
    move = Move("promote", chosen, before, who, reason, forced, other, _links(desk, tags))
    try:
        run = move_champion(desk, move)
    except PromotionError:
        before_it = {**_UNSAID, **tags}
        desk.registry.tag(desk.name, chosen, {k: before_it[k] for k in said if k in before_it})
        raise
    desk.registry.tag(desk.name, chosen, {DEPLOYMENT_TAG: run.run_id})
    return move


def rollback(desk: Desk, *, reason: str, who: str) -> Move:
    """Make the champion before this one the champion again.

    Versions remember who was before them, so that a second rollback goes one further back.

    Raises
    ------
    PromotionError
        When there is no champion, no reason, no record of an earlier champion, or it would not serve:
        it is gone, was refused, was taken back itself, or predicts something else than the declaration
        says.
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
    if trouble := rollback_trouble(desk.spec, desk.registry, target):
        stored = ", ".join(str(v) for v in desk.registry.versions(desk.name))
        raise PromotionError(
            f"{desk.name}, champion version {champion}",
            found=f"version {target}, the champion before it, {trouble}",
            expected=f"a version that would serve, of {stored}",
            fix=f"name one yourself: ml-assets promote {desk.spec.name} --version N --reason … (with "
            "--force where it was refused or predicts something else)",
            rule="promotion_rollback_target",
        )
    move = Move("rollback", target, champion, who, reason, tags=_links(desk, desk.tags(target)))
    # First: were it lost between the two, the next build would promote the version again.
    desk.registry.tag(desk.name, champion, {ROLLED_BACK_TAG: f"{who}: {reason}"})
    try:
        run = move_champion(desk, move)
    except OvertakenError:
        raise  # It was taken back; that somebody promoted another one since does not change it.
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


def _must_force(
    desk: Desk, version: int, tags: Mapping[str, str], other: str, *, force: bool
) -> bool:
    """Whether a promotion goes against what is known; refuse it unless that is asked for."""
    passed = tags.get(GATES_TAG) in {PASSED, NOT_YET}
    if passed and not other:
        return False
    if force:
        return True
    command = f"ml-assets promote {desk.spec.name} --version {version} --force --reason …"
    if other:
        raise PromotionError(
            f"{desk.name} version {version}",
            found=f"it predicts something else than the declaration says: {other}",
            expected="a version of what is declared: predictions are checked against the declaration",
            fix="choose another version, or declare again what this one predicts (then no force is "
            f"needed); a person who answers for it: {command}",
            rule="predictions_schema",
        )
    raise PromotionError(
        f"{desk.name} version {version}",
        found=f"it did not pass its gates: {tags.get(REASONS_TAG) or 'no record of its gates'}",
        expected="a version that passed, or a person who answers for it",
        fix=f"choose another version, or: {command}",
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
