"""Whether a version may serve: whose it is, what its gates said, and whether it predicts what is declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_assets.steps.serving.version_tags import (
    CHAMPION,
    CLASSES_TAG,
    FORCED,
    GATES_TAG,
    NOT_YET,
    OWNER_TAG,
    PASSED,
    ROLLED_BACK_TAG,
    TARGET_TAG,
    class_list,
    target,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ml_assets.platform.protocol import Registry
    from ml_assets.spec.model import ModelSpec


def serves(spec: ModelSpec, tags: Mapping[str, str]) -> bool:
    """Whether the version with these tags is one of this model that passed, or was forced."""
    mine = tags.get(OWNER_TAG, spec.name) == spec.name
    return mine and tags.get(GATES_TAG, "") in {PASSED, FORCED, NOT_YET}


def standing_of(spec: ModelSpec, tags: Mapping[str, str]) -> str:
    """Say whose a version is, and what its gates said."""
    gates = tags.get(GATES_TAG) or "nothing"
    return f"a version of {tags.get(OWNER_TAG, spec.name)} with {GATES_TAG}={gates}"


def other_target(spec: ModelSpec, tags: Mapping[str, str]) -> str:
    """Say what a version predicts when it is something else than the declaration says; else empty.

    A version of earlier days that does not say what it predicts is taken for one that predicts it.
    """
    theirs = tags.get(TARGET_TAG) or target(spec)
    if theirs == target(spec):
        return ""
    kind, _, hashed = theirs.partition(" ")
    classes = tags.get(CLASSES_TAG) or (
        f"a list of classes with the hash {hashed}" if hashed else ""
    )
    return f"{_said(kind, classes)}; declared is {_said(spec.model_type, class_list(spec))}"


def _said(kind: str, classes: str) -> str:
    """Name what is predicted.

    >>> _said("multiclass_classification", '["little", "much"]'), _said("regression", "")
    ('multiclass_classification of ["little", "much"]', 'regression')
    """
    return f"{kind} of {classes}" if classes else kind


def rollback_trouble(spec: ModelSpec, registry: Registry, version: int) -> str:
    """Say why a rollback to a version would not make it serve, as the end of a sentence; else empty."""
    name = spec.registered_model
    if version not in registry.versions(name):
        return "does not exist any more"
    tags = registry.tags(name, version)
    if not serves(spec, tags):
        return f"is {standing_of(spec, tags)}: it would not serve"
    if taken_back := tags.get(ROLLED_BACK_TAG):
        return f"was taken back itself ({taken_back})"
    if (other := other_target(spec, tags)) and not _served_now(registry, name, tags):
        return f"predicts something else ({other})"
    return ""


def _served_now(registry: Registry, name: str, tags: Mapping[str, str]) -> bool:
    """Whether the champion predicts the same, so that a rollback changes nothing in what is predicted."""
    champion = registry.version_of(name, CHAMPION)
    return champion is not None and registry.tags(name, champion).get(TARGET_TAG) == tags.get(
        TARGET_TAG
    )
