"""``promote`` and ``rollback``: what a person may do, must give a reason for, and has to force."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ml_assets.spec.errors import DataError, PromotionError
from ml_assets.steps.predict import champion_version
from ml_assets.steps.serving.moves import Desk
from ml_assets.steps.serving.promotion import promote, rollback
from ml_assets.steps.serving.serving_history import history, standing
from ml_assets.steps.serving.version_tags import class_list, target
from ml_assets_tests import tiny
from ml_assets_tests.steps.helpers import measure
from ml_assets_tests.steps.serving.promotions import (
    BETTER,
    GENEROUS,
    NAME,
    again,
    aliases,
    desk,
    verdict,
)

if TYPE_CHECKING:
    from ml_assets.spec.model import ModelSpec
    from ml_assets_tests.steps.conftest import Shop


class TestByHand:
    def test_rollback_restores_the_champion_before(self, promoted: Shop) -> None:
        shop, outcomes = promoted, promoted.outcomes
        move = rollback(desk(shop.platform), reason="too many alarms", who="bo")
        assert (move.version, move.before) == (1, 2)
        assert aliases(shop.platform) == (1, 2)
        newest, *_ = history(desk(shop.platform))
        assert (newest.action, newest.version, newest.who) == ("rollback", "1", "bo")
        assert newest.reason == "too many alarms"
        assert champion_version(tiny.spec(), shop.platform) == 1
        handle = outcomes["model_version"].handle
        assert handle is not None
        facts = measure(tiny.spec(), shop.platform, "model_version", handle)
        assert (facts.version, facts.champion, facts.rollback_to) == (1, 1, 0)

    def test_after_a_rollback_the_next_model_is_compared_with_the_restored_champion(
        self, promoted: Shop
    ) -> None:
        shop = promoted
        rollback(desk(shop.platform), reason="too many alarms", who="bo")
        outcomes = again(shop, shop.handles, estimator=BETTER, promotion=GENEROUS)
        outcome = outcomes["model_version"]
        assert verdict(outcome, "promotion_beats_champion").numbers["champion"] == 1
        assert aliases(shop.platform) == (3, 1)
        rollback(desk(shop.platform), reason="still", who="bo")
        assert aliases(shop.platform) == (1, 3)

    def test_there_is_nothing_before_the_first(self, shop: Shop) -> None:
        with pytest.raises(PromotionError, match="it is the first champion"):
            rollback(desk(shop.platform), reason="too many alarms", who="bo")
        shop.platform.registry.tag(NAME, 1, {"ml_assets.previous_champion": "7"})
        with pytest.raises(
            PromotionError, match="version 7, the champion before it, does not exist"
        ):
            rollback(desk(shop.platform), reason="too many alarms", who="bo")

    def test_a_refused_version_needs_force(self, refused: Shop) -> None:
        shop = refused
        with pytest.raises(
            PromotionError, match=r"(?s)promotion_beats_champion.*--force"
        ) as caught:
            promote(desk(shop.platform), version=2, reason="a new law", who="bo")
        assert caught.value.rule == "promotion_absolute"
        assert aliases(shop.platform) == (1, 2)
        move = promote(desk(shop.platform), version=None, reason="a new law", who="bo", force=True)
        assert move is not None
        assert (move.version, move.before, move.forced) == (2, 1, True)
        assert aliases(shop.platform) == (2, 1)
        assert champion_version(tiny.spec(), shop.platform) == 2
        found = standing(desk(shop.platform))
        assert (found.version, found.gates, found.rollback_to) == (2, "forced", 1)
        assert found.moved is not None
        assert (found.moved.who, found.moved.forced) == ("bo", True)

    def test_a_version_that_passed_needs_none(self, promoted: Shop) -> None:
        shop = promoted
        move = promote(desk(shop.platform), version=1, reason="as before", who="bo")
        assert move is not None
        assert not move.forced
        assert aliases(shop.platform) == (1, 2)
        assert rollback(desk(shop.platform), reason="back", who="bo").version == 2

    def test_the_champion_is_promoted_already(self, shop: Shop) -> None:
        assert promote(desk(shop.platform), version=1, reason="again", who="bo") is None
        assert len(history(desk(shop.platform))) == 1

    def test_refusals_that_teach(self, shop: Shop) -> None:
        at = desk(shop.platform)
        with pytest.raises(DataError, match="no such version; stored: 1"):
            promote(at, version=9, reason="why not", who="bo")
        with pytest.raises(PromotionError, match="an empty reason"):
            promote(at, version=1, reason="  ", who="bo")
        with pytest.raises(PromotionError, match="an empty reason"):
            rollback(at, reason="", who="bo")
        other = Desk(tiny.spec(model="saver"), at.registry, at.tracking)
        with pytest.raises(PromotionError, match="a version of shop/spender"):
            promote(other, version=1, reason="mine", who="bo", force=True)
        empty = Desk(tiny.spec(registered_model="shop.models.none"), at.registry, at.tracking)
        for command in (
            lambda: promote(empty, version=None, reason="first", who="bo"),
            lambda: rollback(empty, reason="back", who="bo"),
            lambda: standing(empty),
        ):
            with pytest.raises(PromotionError, match="materialize model_version"):
                command()
        assert history(Desk(tiny.spec(model="nobody"), at.registry, at.tracking)) == ()


#: Tags of a version that was made when the declaration was another one.
LEVELS = {
    "ml_assets.target": "multiclass_classification 12345678",
    "ml_assets.classes": '["low", "high"]',
}


class TestAVersionThatPredictsSomethingElse:
    """Its gates passed when the declaration was another one."""

    def test_is_refused_with_both_declarations(self, promoted: Shop) -> None:
        at = desk(promoted.platform)
        at.registry.tag(NAME, 1, LEVELS)
        with pytest.raises(PromotionError) as caught:
            promote(at, version=1, reason="as before", who="bo")
        assert caught.value.rule == "predictions_schema"
        assert (
            'multiclass_classification of ["low", "high"]; declared is binary_classification'
            in str(caught.value)
        )
        assert "--version 1 --force" in str(caught.value)
        assert aliases(promoted.platform) == (2, 1)

    def test_is_promoted_by_force_and_says_so(self, promoted: Shop) -> None:
        at = desk(promoted.platform)
        at.registry.tag(NAME, 1, LEVELS)
        move = promote(at, version=1, reason="the old levels", who="bo", force=True)
        assert move is not None
        assert move.forced
        assert "declared is binary_classification" in move.other
        found = standing(at)
        assert (found.version, found.gates, found.other) == (1, "forced", move.other)

    def test_with_other_classes_is_another_one(self, promoted: Shop) -> None:
        """The same model type; only the list of classes was changed."""
        mine = promoted.platform
        then, now = tiny.multiclass(), changed_levels()
        at = Desk(now, mine.registry, mine.tracking)
        version = register(at, then)
        with pytest.raises(PromotionError, match=r'"little", "some", "much".*"some", "little"'):
            promote(at, version=version, reason="as before", who="bo")
        before = Desk(then, mine.registry, mine.tracking)
        assert promote(before, version=version, reason="as declared", who="bo") is not None

    def test_is_no_target_of_a_rollback(self, promoted: Shop) -> None:
        at = desk(promoted.platform)
        at.registry.tag(NAME, 1, LEVELS)
        with pytest.raises(PromotionError, match="predicts something else") as caught:
            rollback(at, reason="too many alarms", who="bo")
        assert caught.value.rule == "promotion_rollback_target"
        assert "predicts something else" in standing(at).rollback_trouble
        assert aliases(promoted.platform) == (2, 1)
        assert at.tags(2).get("ml_assets.rolled_back", "") == ""

    def test_is_restored_where_the_champion_predicts_the_same(self, promoted: Shop) -> None:
        """A class was renamed in the declaration: both serving versions are of before."""
        at = desk(promoted.platform)
        for version in (1, 2):
            at.registry.tag(NAME, version, LEVELS)
        assert rollback(at, reason="too many alarms", who="bo").version == 1
        assert aliases(promoted.platform) == (1, 2)


def changed_levels() -> ModelSpec:
    label = {**tiny.multiclass_mapping()["label"], "classes": ["some", "little", "much"]}
    return tiny.multiclass(label=label)


def register(at: Desk, spec: ModelSpec) -> int:
    """Register a version that passed, with the tags of its declaration."""
    with at.tracking.run(spec.experiment("development"), name="train", tags={}) as run:
        pass
    tags = {
        "ml_assets.name": spec.name,
        "ml_assets.gates": "passed",
        "ml_assets.target": target(spec),
        "ml_assets.classes": class_list(spec),
    }
    return at.registry.register(
        spec.registered_model, model_uri=f"runs:/{run.run_id}/m", run_id=run.run_id, tags=tags
    )


def test_a_second_rollback_does_not_restore_what_the_first_took_back(promoted: Shop) -> None:
    """Version 1 was promoted by hand after version 2: each was the champion before the other one."""
    at = desk(promoted.platform)
    promote(at, version=1, reason="as before", who="bo")
    assert rollback(at, reason="too many alarms", who="bo").version == 2
    with pytest.raises(PromotionError, match=r"was taken back itself \(bo: too many alarms\)"):
        rollback(at, reason="still", who="bo")
    assert aliases(promoted.platform) == (2, 1)
    assert at.tags(2).get("ml_assets.rolled_back", "") == ""


class TestTheRegistryChangedByHand:
    def test_a_refused_version_is_no_target_of_a_rollback(self, refused: Shop) -> None:
        """Somebody set its alias; it never served, and would not after a rollback."""
        at = desk(refused.platform)
        at.registry.set_alias(NAME, "champion", 2)
        promote(at, version=1, reason="the good one", who="bo")
        with pytest.raises(PromotionError, match=r"ml_assets\.gates=refused: it would not serve"):
            rollback(at, reason="back", who="bo")
        assert aliases(refused.platform) == (1, 2)
        handle = refused.outcomes["model_version"].handle
        assert handle is not None
        facts = measure(tiny.spec(), refused.platform, "model_version", handle)
        assert "would not serve" in facts.rollback_trouble

    def test_a_deleted_champion_is_no_champion(self, promoted: Shop) -> None:
        """The next version is promoted by its gates, and is the first one again."""
        shop = promoted
        shop.platform.registry.store.client.delete_model_version(NAME, "2")
        at = desk(shop.platform)
        assert aliases(shop.platform) == (None, 1)
        with pytest.raises(PromotionError, match="no alias 'champion'"):
            rollback(at, reason="back", who="bo")
        outcome = again(shop, shop.handles)["model_version"]
        assert outcome.stopped == ()
        assert aliases(shop.platform) == (3, 1)
        with pytest.raises(PromotionError, match="it is the first champion"):
            rollback(at, reason="back", who="bo")

    def test_a_deleted_version_before_the_champion_is_named(self, promoted: Shop) -> None:
        promoted.platform.registry.store.client.delete_model_version(NAME, "1")
        at = desk(promoted.platform)
        with pytest.raises(PromotionError, match=r"version 1, .* does not exist any more"):
            rollback(at, reason="back", who="bo")
        assert aliases(promoted.platform) == (2, None)

    def test_an_alias_without_a_record_is_promoted_over_and_restored(self, promoted: Shop) -> None:
        at = desk(promoted.platform)
        at.registry.set_alias(NAME, "champion", 1)
        promote(at, version=2, reason="on purpose", who="bo")
        assert rollback(at, reason="back", who="bo").version == 1
