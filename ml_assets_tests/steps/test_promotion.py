"""Promotion on the tiny shop: who serves after what, and what is recorded of it."""

from __future__ import annotations

import json
import shutil
import threading
from typing import TYPE_CHECKING

import pytest

from ml_assets.platform.embedded import EmbeddedPlatform
from ml_assets.spec.errors import DataError, PromotionError
from ml_assets.steps import register_version
from ml_assets.steps.handles import PredictionsHandle, VersionHandle
from ml_assets.steps.predict import champion_version
from ml_assets.steps.serving.promotion import Desk, Move, move_champion, promote, rollback
from ml_assets.steps.serving.serving_history import history, standing
from ml_assets_tests import tiny
from ml_assets_tests.steps.conftest import Shop
from ml_assets_tests.steps.helpers import measure, red, run_steps

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

    from ml_assets.rules.verdict import Verdict
    from ml_assets.steps.execution import Outcome
    from ml_assets.steps.handles import Handle

NAME = "shop.models.spender"
#: So strict that nothing but an equal model passes; and a model that knows next to nothing.
STRICT = {"margin": 0.0}
WORSE = {"class": "xgboost.XGBClassifier", "params": {"n_estimators": 1, "max_depth": 1}}
BETTER = {"class": "xgboost.XGBClassifier", "params": {"n_estimators": 60, "max_depth": 3}}
LOOSE = {"roc_auc": {"min": 0.5}}
#: An interval of few rows is wide: the better one may still look a little worse.
GENEROUS = {"margin": 0.2}


def desk(platform: EmbeddedPlatform) -> Desk:
    return Desk(tiny.spec(), platform.registry, platform.tracking)


def again(
    shop: Shop, handles: dict[str, Handle], until: str = "model_version", **changes: object
) -> dict[str, Outcome]:
    """Train another model on the stored training set, and go on from there."""
    for asset in ("trained_model", "model_version", "predictions"):
        handles.pop(asset, None)
    return run_steps(tiny.spec(**changes), shop.platform, handles=handles, until=until)


@pytest.fixture(scope="module")
def lost(finished: Shop, tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> Shop:
    """After a worse model came second: version 2, refused. Not to be changed by a test."""
    shop = copied(finished, tmp_path_factory.mktemp("lost") / "home", spark)
    outcomes = again(shop, shop.handles, "predictions", estimator=WORSE, gates=LOOSE)
    return Shop(shop.platform, {**shop.outcomes, **outcomes})


@pytest.fixture(scope="module")
def won(finished: Shop, tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> Shop:
    """After a better model came second: version 2, champion. Not to be changed by a test."""
    shop = copied(finished, tmp_path_factory.mktemp("won") / "home", spark)
    outcomes = again(shop, shop.handles, estimator=BETTER, promotion=GENEROUS)
    return Shop(shop.platform, {**shop.outcomes, **outcomes})


@pytest.fixture
def refused(lost: Shop, home: Path, spark: SparkSession) -> Shop:
    """A copy of ``lost``."""
    return copied(lost, home, spark)


@pytest.fixture
def promoted(won: Shop, home: Path, spark: SparkSession) -> Shop:
    """A copy of ``won``."""
    return copied(won, home, spark)


def copied(shop: Shop, home: Path, spark: SparkSession) -> Shop:
    """Copy a shop; MLflow's artifacts are only added to and stay where they are."""
    shutil.copytree(shop.platform.home, home, ignore=shutil.ignore_patterns("mlartifacts"))
    return Shop(EmbeddedPlatform(home=home, spark=spark), shop.outcomes)


def verdict(outcome: Outcome, check: str) -> Verdict:
    return next(v for v in outcome.verdicts if v.check == check)


def aliases(platform: EmbeddedPlatform) -> tuple[int | None, int | None]:
    registry = platform.registry
    return registry.version_of(NAME, "champion"), registry.version_of(NAME, "challenger")


class TestTheFirstVersion:
    def test_is_promoted_and_its_checks_say_that_nothing_was_before(self, finished: Shop) -> None:
        outcome = finished.outcomes["model_version"]
        assert aliases(finished.platform) == (1, None)
        assert (
            "the first one: there was none to compare with"
            in verdict(outcome, "promotion_beats_champion").message
        )
        assert "version 1" in verdict(outcome, "promotion_compare_and_set").message
        assert "nothing to roll back to" in verdict(outcome, "promotion_rollback_target").message

    def test_is_recorded_in_the_deployment_experiment(self, finished: Shop) -> None:
        (event,) = history(desk(finished.platform))
        assert (event.action, event.version, event.before) == ("promote", "1", "")
        assert event.who == "ann"
        assert event.reason.startswith("every gate holds")

    def test_its_runs_lead_to_each_other(self, finished: Shop) -> None:
        tracking = finished.platform.tracking
        tags = finished.platform.registry.tags(NAME, 1)
        evaluation = tracking.info(tags["ml_assets.evaluation_run_id"])
        development = tracking.info(evaluation.tags["ml_assets.development_run_id"])
        deployment = tracking.info(evaluation.tags["ml_assets.deployment_run_id"])
        assert development.tags["ml_assets.evaluation_run_id"] == evaluation.run_id
        assert development.tags["ml_assets.evaluation_run_url"] == evaluation.url
        assert deployment.tags["ml_assets.evaluation_run_id"] == evaluation.run_id
        assert deployment.tags["ml_assets.development_run_id"] == development.run_id
        assert deployment.experiment == "/Shared/shop_ml_spender_deployment"
        for name, value in development.metrics.items():
            assert evaluation.metrics[name] == value

    def test_every_run_names_the_versions_of_all_its_inputs(self, finished: Shop) -> None:
        tracking, tables = finished.platform.tracking, finished.platform.tables
        expected = {
            "trained_model": {"shop.training.spender", "shop.labels.spender"},
            "model_version": {"shop.training.spender"},
            "predictions": {"shop.raw.visits"},
        }
        for asset, own in expected.items():
            run = tracking.info(finished.outcomes[asset].handle.run_id)
            versions = json.loads(run.tags["ml_assets.input_versions"])
            assert set(versions) == own | {"shop.features.activity", "shop.features.profile"}
            assert all(tables.info(name).version >= v >= 0 for name, v in versions.items())
            assert verdict(finished.outcomes[asset], "ml04_run_traceable").passed

    def test_its_figures_are_stored(self, finished: Shop) -> None:
        handle = finished.outcomes["model_version"].handle
        assert isinstance(handle, VersionHandle)
        folder = finished.platform.tracking.download(handle.run_id, "figures")
        assert {p.suffix for p in folder.iterdir()} == {".json", ".png"}


class TestAnother:
    def test_better_one_is_promoted_and_the_former_champion_is_the_challenger(
        self, won: Shop
    ) -> None:
        shop, outcomes = won, won.outcomes
        assert [v.check for v in outcomes["model_version"].stopped] == []
        assert aliases(shop.platform) == (2, 1)
        found = verdict(outcomes["model_version"], "promotion_beats_champion")
        assert {"candidate_roc_auc", "champion_roc_auc", "difference_low"} <= set(found.numbers)
        assert found.numbers["champion"] == 1
        assert found.numbers["compared_rows"] == 320
        assert {row["metric"] for row in found.table} == set(tiny.spec().kind.metrics)
        handle = outcomes["model_version"].handle
        assert isinstance(handle, VersionHandle)
        logged = shop.platform.tracking.info(handle.run_id).metrics
        assert logged["gain_roc_auc_low"] == found.numbers["difference_low"]
        restores = verdict(outcomes["model_version"], "promotion_rollback_target")
        assert "rollback shop/spender restores version 1" in restores.message

    def test_worse_one_is_refused_and_nothing_is_scored(self, lost: Shop) -> None:
        shop, outcomes = lost, lost.outcomes
        scored = outcomes["predictions"].handle
        assert isinstance(scored, PredictionsHandle)
        assert scored.model_version == 1
        assert shop.platform.tables.info("shop.predictions.spender").version == scored.delta_version
        stopped = outcomes["model_version"].stopped
        assert [v.check for v in stopped] == ["promotion_beats_champion"]
        assert "worse" in stopped[0].message
        assert "--force" in stopped[0].fix
        assert aliases(shop.platform) == (1, 2)
        tags = shop.platform.registry.tags(NAME, 2)
        assert tags["ml_assets.gates"] == "refused"
        assert tags["ml_assets.refused"].startswith("promotion_beats_champion: roc_auc")

    def test_equal_one_is_promoted(self, shop: Shop) -> None:
        again(shop, shop.handles, promotion=STRICT)
        assert aliases(shop.platform) == (2, 1)

    def test_one_of_another_kind_is_not_compared_and_not_promoted(self, shop: Shop) -> None:
        shop.platform.registry.tag(NAME, 1, {"ml_assets.target": "regression"})
        outcome = again(shop, shop.handles)["model_version"]
        assert [v.check for v in outcome.stopped] == ["promotion_beats_champion"]
        assert "it predicts something else (regression)" in outcome.stopped[0].message

    def test_champion_that_cannot_be_scored_is_red_with_the_cause(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        features, load = shop.platform.features, shop.platform.features.load_model

        def broken(uri: str) -> object:
            if uri.endswith("/1"):
                raise OSError("the package of version 1 is gone")
            return load(uri)

        monkeypatch.setattr(features, "load_model", broken)
        outcome = again(shop, shop.handles)["model_version"]
        assert [v.check for v in outcome.stopped] == ["promotion_beats_champion"]
        assert "OSError: the package of version 1 is gone" in outcome.stopped[0].message

    @pytest.mark.parametrize(
        ("begins", "rows", "said"),
        [
            ("2024-01-22T12:00:00", 200, "37.5% of the 320 holdout rows"),
            ("2024-02-22T12:00:00", 320, "which flatters it"),
            ("2024-01-01T12:00:00", 320, ""),
        ],
    )
    def test_rows_that_the_champion_may_know_are_left_out_when_enough_remain(
        self, shop: Shop, begins: str, rows: int, said: str
    ) -> None:
        shop.platform.registry.tag(NAME, 1, {"ml_assets.holdout_from": begins})
        outcome = again(shop, shop.handles)["model_version"]
        found = verdict(outcome, "promotion_beats_champion")
        assert found.numbers["compared_rows"] == rows
        assert said in found.message


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
