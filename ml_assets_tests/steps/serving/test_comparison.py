"""The comparison with the champion: which rows, what is drawn, and what becomes of what goes wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

from ml_assets.steps.handles import VersionHandle
from ml_assets.steps.serving.compared_rows import drawn_units
from ml_assets_tests import tiny
from ml_assets_tests.steps.serving.promotions import NAME, again, verdict

if TYPE_CHECKING:
    from ml_assets_tests.steps.conftest import Shop


class TestTheChampion:
    def test_one_of_another_kind_is_not_compared_and_not_promoted(self, shop: Shop) -> None:
        shop.platform.registry.tag(NAME, 1, {"ml_assets.target": "regression"})
        outcome = again(shop, shop.handles)["model_version"]
        assert [v.check for v in outcome.stopped] == ["promotion_beats_champion"]
        assert (
            "it predicts something else (regression; declared is binary_classification)"
            in outcome.stopped[0].message
        )

    def test_champion_that_cannot_be_scored_is_red_with_the_cause(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        features, load = shop.platform.features, shop.platform.features.load_model

        def broken(uri: str) -> object:
            if uri.endswith("/1"):
                raise OSError("the package of version 1 is gone")
            return load(uri)

        monkeypatch.setattr(features, "load_model", broken)
        with caplog.at_level("ERROR", logger="ml_assets.serving"):
            outcome = again(shop, shop.handles)["model_version"]
        assert [v.check for v in outcome.stopped] == ["promotion_beats_champion"]
        assert "OSError: the package of version 1 is gone" in outcome.stopped[0].message
        handle = outcome.handle
        assert isinstance(handle, VersionHandle)
        tracking = shop.platform.tracking
        kept = tracking.download(handle.run_id, "champion_error.txt").read_text()
        assert "champion_error.txt" in outcome.stopped[0].message
        assert kept.startswith("Traceback")
        assert "in broken" in kept
        tags = tracking.info(handle.run_id).tags
        assert tags["ml_assets.champion_error"] == "OSError: the package of version 1 is gone"
        (record,) = (r for r in caplog.records if r.name == "ml_assets.serving")
        assert record.exc_info is not None
        assert record.exc_info[0] is OSError
        assert "version 1, the champion" in record.getMessage()

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


class TestWhatIsDrawn:
    def test_is_a_customer_with_all_the_days(self, won: Shop) -> None:
        found = verdict(won.outcomes["model_version"], "promotion_beats_champion")
        assert found.numbers["compared_entities"] == 40
        assert found.numbers["interval_widened_by"] == pytest.approx(1.045, abs=0.001)
        assert "320 rows of 40 entities, 1,000 draws, widened by 5%: few entities" in found.message
        handle = won.outcomes["model_version"].handle
        assert isinstance(handle, VersionHandle)
        logged = won.platform.tracking.info(handle.run_id).metrics
        assert (logged["compared_rows"], logged["compared_entities"]) == (320, 40)

    def test_all_keys_but_the_time_make_an_entity(self) -> None:
        label = {**tiny.mapping()["label"], "keys": ["customer", "city"]}
        spec = tiny.spec(label=label)
        rows = frame(customer=["a", "b", "a", "a"], city=["x", "x", None, None])
        units, entities = drawn_units(spec, rows)
        assert (units.of_row.tolist(), units.count, entities) == ([0, 1, 2, 2], 3, 3)

    def test_of_one_customer_are_blocks_of_days(self) -> None:
        units, entities = drawn_units(tiny.spec(), frame(customer=["a"] * 30))
        assert (units.count, entities) == (10, 1)
        assert units.of_row.tolist() == [i // 3 for i in reversed(range(30))]  # newest first


def frame(**keys: list[str | None]) -> pd.DataFrame:
    """Holdout rows, the newest first."""
    days = pd.date_range("2024-01-01", periods=len(next(iter(keys.values()))), tz=None)[::-1]
    return pd.DataFrame({**keys, "asked_at": days})
