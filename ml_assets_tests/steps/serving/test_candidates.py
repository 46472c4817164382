"""A new version: promoted when it is the first or not worse, else refused; and what is recorded of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ml_assets.steps.handles import PredictionsHandle, VersionHandle
from ml_assets.steps.serving.serving_history import history
from ml_assets_tests import tiny
from ml_assets_tests.steps.serving.promotions import NAME, STRICT, again, aliases, desk, verdict

if TYPE_CHECKING:
    from ml_assets_tests.steps.conftest import Shop


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
