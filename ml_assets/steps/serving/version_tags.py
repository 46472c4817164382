"""What a registered version says of itself: the names of its tags and aliases, and their values."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ml_assets.platform.protocol import Platform
    from ml_assets.spec.model import ModelSpec

_MAX_CLASSES = 300

#: The version that serves, and the one that lost the latest comparison or was replaced in it.
CHAMPION, CHALLENGER = "champion", "challenger"

OWNER_TAG = "ml_assets.name"
SPEC_TAG = "ml_assets.spec_hash"
TARGET_TAG = "ml_assets.target"
#: The declared classes behind the hash in ``TARGET_TAG``, for people; empty where there are none.
CLASSES_TAG = "ml_assets.classes"
HOLDOUT_TAG = "ml_assets.holdout_from"
EVALUATION_TAG = "ml_assets.evaluation_run_id"
DEVELOPMENT_TAG = "ml_assets.development_run_id"
DEPLOYMENT_TAG = "ml_assets.deployment_run_id"
#: The champion that was replaced by this version; empty: there was none.
PREVIOUS_TAG = "ml_assets.previous_champion"

GATES_TAG = "ml_assets.gates"
PASSED, REFUSED, FORCED = "passed", "refused", "forced"
#: What earlier versions of this code wrote between registering and promoting.
NOT_YET = "passed, not promoted yet"
#: Which checks refused it, each with its message.
REASONS_TAG = "ml_assets.refused"
#: Who made it the champion against its gates, and why; who took it back, and why.
FORCED_TAG, ROLLED_BACK_TAG = "ml_assets.forced", "ml_assets.rolled_back"

ACTION_TAG, REASON_TAG, WHO_TAG = (
    "ml_assets.action",
    "ml_assets.reason",
    "ml_assets.started_by",
)
VERSION_TAG, BEFORE_TAG = "ml_assets.model_version", "ml_assets.champion_before"


def target(spec: ModelSpec) -> str:
    """Say what a model predicts: scores of two versions compare only when it is the same.

    The type and, where the spec names classes, eight hex digits of their list.
    """
    if not spec.kind.declared_classes:
        return spec.model_type
    text = repr(spec.label.classes)
    return f"{spec.model_type} {hashlib.sha256(text.encode()).hexdigest()[:8]}"


def class_list(spec: ModelSpec) -> str:
    """Write the declared classes for people: as JSON, cut off when they are many; empty without."""
    if not spec.class_names:
        return ""
    text = json.dumps([*spec.class_names], ensure_ascii=False)
    return text if len(text) <= _MAX_CLASSES else f"{text[: _MAX_CLASSES - 1]}…"


def development_run(platform: Platform, tags: Mapping[str, str]) -> str:
    """Find the run that trained a version, by its tags or its evaluation's; empty when neither says.

    Raises
    ------
    DataError
        When the evaluation run is asked and does not exist any more.
    """
    if DEVELOPMENT_TAG in tags or EVALUATION_TAG not in tags:
        return tags.get(DEVELOPMENT_TAG, "")
    return platform.tracking.info(tags[EVALUATION_TAG]).tags.get(DEVELOPMENT_TAG, "")


def scoring_tags(champion: int, version_tags: Mapping[str, str]) -> dict[str, str]:
    """Say in a deployment run what it does, and which runs made the version that it uses."""
    links = (EVALUATION_TAG, DEVELOPMENT_TAG, DEPLOYMENT_TAG)
    return {
        ACTION_TAG: "score",
        REASON_TAG: "the predictions were materialized",
        VERSION_TAG: str(champion),
        **{tag: version_tags[tag] for tag in links if tag in version_tags},
    }
