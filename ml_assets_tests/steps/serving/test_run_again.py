"""``model_version`` again, of a run that has a version: nothing is made or moved twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ml_assets.spec.errors import DataError
from ml_assets.steps import register_version
from ml_assets.steps.handles import VersionHandle
from ml_assets.steps.predict import champion_version
from ml_assets.steps.serving.promotion import promote, rollback
from ml_assets.steps.serving.serving_history import history
from ml_assets_tests import tiny
from ml_assets_tests.steps.helpers import measure, red, run_steps
from ml_assets_tests.steps.serving.promotions import (
    BETTER,
    GENEROUS,
    LOOSE,
    NAME,
    WORSE,
    again,
    aliases,
    desk,
    verdict,
)

if TYPE_CHECKING:
    from ml_assets.steps.execution import Outcome
    from ml_assets_tests.steps.conftest import Shop


class TestTheSameRunAgain:
    def again(self, shop: Shop, outcomes: dict[str, Outcome], **changes: object) -> Outcome:
        handles = {**shop.handles, "trained_model": outcomes["trained_model"].handle}
        handles.pop("model_version", None)
        found = run_steps(
            tiny.spec(**changes), shop.platform, handles=handles, until="model_version"
        )
        return found["model_version"]

    def test_of_the_champion_changes_nothing(self, shop: Shop) -> None:
        outcome = self.again(shop, shop.outcomes)
        assert "version 1 is the champion" in verdict(outcome, "promotion_beats_champion").message
        assert shop.platform.registry.versions(NAME) == (1,)
        assert len(history(desk(shop.platform))) == 1

    def test_of_a_refused_one_makes_no_second_version(self, refused: Shop) -> None:
        shop, outcomes = refused, refused.outcomes
        outcome = self.again(shop, outcomes, estimator=WORSE, gates=LOOSE)
        assert red(outcome.verdicts)
        assert shop.platform.registry.versions(NAME) == (1, 2)
        assert aliases(shop.platform) == (1, 2)

    def test_that_died_between_registering_and_promoting_is_promoted(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def dies(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(register_version, "move_champion", dies)
            handles = shop.handles
            with pytest.raises(KeyboardInterrupt):
                again(shop, handles, estimator=BETTER, promotion=GENEROUS)
        assert aliases(shop.platform) == (1, None)
        assert shop.platform.registry.versions(NAME) == (1, 2)
        handles.pop("model_version", None)
        run_steps(
            tiny.spec(estimator=BETTER, promotion=GENEROUS), shop.platform, handles=handles,
            until="model_version",
        )  # fmt: skip
        assert shop.platform.registry.versions(NAME) == (1, 2)
        assert aliases(shop.platform) == (2, 1)

    def test_that_was_rolled_back_is_not_promoted_by_itself(self, promoted: Shop) -> None:
        shop, outcomes = promoted, promoted.outcomes
        rollback(desk(shop.platform), reason="too many alarms", who="bo")
        outcome = self.again(shop, outcomes, estimator=BETTER, promotion=GENEROUS)
        (stopped,) = outcome.stopped
        assert stopped.check == "promotion_beats_champion"
        assert "rolled back (bo: too many alarms)" in stopped.message
        assert aliases(shop.platform) == (1, 2)

    def test_that_was_forced_goes_on_serving(self, refused: Shop) -> None:
        shop, outcomes = refused, refused.outcomes
        promote(desk(shop.platform), version=2, reason="a new law", who="bo", force=True)
        gates = {"roc_auc": {"min": 0.999}}
        outcome = self.again(shop, outcomes, estimator=WORSE, gates=gates)
        assert outcome.stopped == ()
        (warned,) = (v for v in outcome.verdicts if not v.passed)
        assert (warned.check, warned.severity) == ("promotion_absolute", "warn")
        assert "forced by bo: a new law" in warned.message
        assert champion_version(tiny.spec(), shop.platform) == 2

    def test_of_a_refused_one_whose_alias_was_set_by_hand_stays_refused(
        self, refused: Shop
    ) -> None:
        shop, outcomes = refused, refused.outcomes
        shop.platform.registry.set_alias(NAME, "champion", 2)
        self.again(shop, outcomes, estimator=WORSE, gates=LOOSE)
        tags = shop.platform.registry.tags(NAME, 2)
        assert tags["ml_assets.gates"] == "refused"
        assert "promotion_beats_champion" in tags["ml_assets.refused"]
        with pytest.raises(DataError, match=r"ml_assets\.gates=refused"):
            champion_version(tiny.spec(), shop.platform)

    def test_of_the_champion_that_loses_the_alias_meanwhile_is_red(
        self, promoted: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shop, outcomes = promoted, promoted.outcomes
        measured = register_version.evaluate

        def slow(*arguments: object, **named: object) -> object:
            found = measured(*arguments, **named)  # type: ignore[arg-type]
            rollback(desk(shop.platform), reason="too many alarms", who="bo")
            return found

        monkeypatch.setattr(register_version, "evaluate", slow)
        outcome = self.again(shop, outcomes, estimator=BETTER, promotion=GENEROUS)
        assert "promotion_compare_and_set" in [v.check for v in outcome.stopped]
        assert aliases(shop.platform) == (1, 2)


class TestAStrangerAsChampion:
    def test_is_measured_as_none_of_ours(self, shop: Shop) -> None:
        registry, handle = shop.platform.registry, shop.outcomes["model_version"].handle
        assert isinstance(handle, VersionHandle)
        uri = registry.uri(NAME, 1)
        version = registry.register(NAME, model_uri=uri, run_id="", tags={})
        registry.set_alias(NAME, "champion", version)
        with pytest.raises(DataError, match="no evaluation run in its tags"):
            measure(tiny.spec(), shop.platform, "model_version", handle)
        with pytest.raises(DataError, match=r"ml_assets\.gates=nothing"):
            champion_version(tiny.spec(), shop.platform)
