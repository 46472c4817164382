"""Two who promote at the same moment: one wins, the other one is told."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from ml_assets.platform.mlflow_registry import MlflowRegistry
from ml_assets.spec.errors import PromotionError
from ml_assets.steps import register_version
from ml_assets.steps.serving.moves import Desk, Move, move_champion
from ml_assets.steps.serving.promotion import promote
from ml_assets.steps.serving.serving_history import history
from ml_assets_tests import tiny
from ml_assets_tests.steps.serving.promotions import (
    BETTER,
    GENEROUS,
    LOOSE,
    NAME,
    WORSE,
    again,
    aliases,
    desk,
)

if TYPE_CHECKING:
    from ml_assets_tests.steps.conftest import Shop


class TestSomebodyElsePromotesMeanwhile:
    def test_the_step_leaves_their_champion_and_is_red(
        self, refused: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shop = refused
        compare = register_version.evaluate

        def slow(*arguments: object, **named: object) -> object:
            found = compare(*arguments, **named)  # type: ignore[arg-type]
            promote(desk(shop.platform), version=2, reason="now", who="bo", force=True)
            return found

        monkeypatch.setattr(register_version, "evaluate", slow)
        outcome = again(shop, shop.handles, estimator=BETTER, promotion=GENEROUS)["model_version"]
        (stopped,) = outcome.stopped
        assert stopped.check == "promotion_compare_and_set"
        assert "it is version 2 now" in stopped.message
        assert aliases(shop.platform) == (2, 3)
        assert [e.status for e in history(desk(shop.platform))] == [
            "FAILED",
            "FINISHED",
            "FINISHED",
        ]

    def test_of_two_at_once_one_wins(self, refused: Shop) -> None:
        shop = refused
        again(shop, shop.handles, estimator=WORSE, gates=LOOSE)  # version 3
        barrier, lost = threading.Barrier(2), []

        def move(version: int) -> None:
            barrier.wait()
            try:
                move_champion(desk(shop.platform), Move("promote", version, 1, "bo", "race"))
            except PromotionError as error:
                lost.append((version, error.rule))

        threads = [threading.Thread(target=move, args=(v,)) for v in (2, 3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        ((loser, rule),) = lost
        assert rule == "promotion_compare_and_set"
        assert aliases(shop.platform) == (5 - loser, 1)


class TestWithoutALock:
    """As in Unity Catalog: a registry that can read and write, and keep nobody away meanwhile."""

    def test_who_is_overtaken_after_the_second_read_is_told_too(
        self, refused: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Both read version 1; the other one writes after this one has looked again."""
        shop = refused
        registry = MlflowRegistry(shop.platform.registry.store)
        at = Desk(tiny.spec(), registry, shop.platform.tracking)
        again(shop, shop.handles, estimator=WORSE, gates=LOOSE)  # version 3
        set_alias = registry.set_alias

        def late(name: str, alias: str, version: int) -> None:
            set_alias(name, alias, version)
            if alias == "challenger":
                set_alias(name, "champion", 3)  # what the other one decided before

        monkeypatch.setattr(registry, "set_alias", late)
        with pytest.raises(PromotionError, match="it points to version 3") as caught:
            promote(at, version=2, reason="a new law", who="bo", force=True)
        assert caught.value.rule == "promotion_compare_and_set"
        assert "ml-assets history shop/spender" in caught.value.fix
        assert aliases(shop.platform) == (3, 1)
        newest, *_ = history(at)
        assert (newest.version, newest.status) == ("2", "FAILED")
        tags = registry.tags(NAME, 2)
        assert tags["ml_assets.gates"] == "refused"
        assert tags["ml_assets.forced"] == ""

    def test_a_version_is_not_forced_by_a_move_that_failed(
        self, refused: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its alias, set by hand later, does not make it serve."""
        at = desk(refused.platform)
        monkeypatch.setattr(Desk, "champion", lambda _: 7)  # read before somebody moved it to 1
        with pytest.raises(PromotionError, match="it points to version 1"):
            promote(at, version=2, reason="a new law", who="bo", force=True)
        assert at.tags(2)["ml_assets.gates"] == "refused"
