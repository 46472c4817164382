"""A step refuses to start on an input whose latest verdict is red, also in a later run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from ml_assets.orchestration.guard import Red, latest_verdicts, red_inputs
from ml_assets.orchestration.names import asset_key
from ml_assets_tests.orchestration.fakes import (
    Bench,
    MakeBench,
    World,
    failure_text,
    make_spec,
    materialized,
)

if TYPE_CHECKING:
    from pathlib import Path

    from ml_assets.orchestration.resources import Sharing

ACTIVITY = "main.shop.activity"


@pytest.fixture(params=[None, "per_model", "per_asset"], ids=["here", "per_model", "per_asset"])
def sharing(request: pytest.FixtureRequest) -> Sharing | None:
    """The same holds wherever the steps run, and however they share job runs."""
    found: Sharing | None = request.param
    return found


def _after_a_green_run(make_bench: MakeBench, *red: str) -> Bench:
    bench = make_bench()
    assert bench.run().success
    bench.world.red |= set(red)
    bench.world.built.clear()
    return bench


def test_a_red_blocking_check_of_an_earlier_run_refuses_the_step(make_bench: MakeBench) -> None:
    bench = _after_a_green_run(make_bench, "keys_unique")
    bench.check("features/activity")
    result = bench.run("training_set")
    assert not result.success
    assert bench.world.built == []
    text = failure_text(result)
    assert "training_set was not started" in text
    assert "**keys_unique** on shop/churn/features/activity: keys_unique: 3 of 10." in text
    assert "materialize shop/churn/features/activity again" in text
    assert "execute its checks alone" in text


def test_executing_the_check_alone_lifts_the_refusal_when_the_stored_table_is_fine(
    make_bench: MakeBench,
) -> None:
    bench = _after_a_green_run(make_bench, "keys_unique")
    bench.run("features/activity")
    assert not bench.run("training_set").success
    bench.world.red.clear()
    bench.check("features/activity", "keys_unique")
    assert bench.run("training_set").success


def test_materializing_the_input_again_lifts_the_refusal(make_bench: MakeBench) -> None:
    bench = _after_a_green_run(make_bench, "keys_unique")
    bench.check("features/activity")
    bench.world.red.clear()
    assert bench.run("features/activity").success
    assert bench.run("training_set").success


def test_a_red_warning_refuses_nothing(make_bench: MakeBench) -> None:
    bench = _after_a_green_run(make_bench, "mostly_defaults")
    bench.check("features/activity")
    assert bench.run("training_set").success


def test_a_red_check_of_something_else_refuses_nothing(make_bench: MakeBench) -> None:
    bench = _after_a_green_run(make_bench, "complete")
    bench.check("predictions")
    assert bench.run("training_set").success


def test_a_red_check_refuses_also_when_another_check_of_the_input_is_executed(
    make_bench: MakeBench,
) -> None:
    bench = _after_a_green_run(make_bench, "keys_unique")
    bench.check("features/profile")
    bench.world.built.clear()
    other = dg.AssetCheckKey(asset_key(bench.spec, "features/profile"), "mostly_defaults")
    wanted = dg.AssetSelection.assets(asset_key(bench.spec, "training_set"))
    result = bench.select(wanted | dg.AssetSelection.checks(other))
    assert not result.success
    assert bench.world.built == []
    assert "training_set was not started" in failure_text(result)


def test_what_does_not_depend_on_a_refused_asset_is_built(make_bench: MakeBench) -> None:
    bench = _after_a_green_run(make_bench, "gates")
    bench.check("model_version")
    result = bench.run("features/activity", "predictions")
    assert not result.success
    assert bench.world.built == ["features/activity"]
    assert materialized(result) == {"features/activity"}
    assert "predictions was not started" in failure_text(result)


def test_a_single_class_label_skips_in_a_later_run_and_the_run_stays_green(
    make_bench: MakeBench,
) -> None:
    bench = _after_a_green_run(make_bench, "not_single_class")
    assert bench.run("labels").success
    result = bench.run("training_set", "trained_model")
    assert result.success
    assert materialized(result) == set()
    assert bench.world.built == ["labels"]


def test_a_single_class_label_refuses_in_a_later_run_when_the_declaration_says_fail(
    make_bench: MakeBench,
) -> None:
    bench = make_bench(spec=make_spec(on_single_class="fail"))
    bench.run()
    bench.world.red.add("not_single_class")
    bench.run("labels")
    assert "training_set was not started" in failure_text(bench.run("training_set"))


def test_a_check_that_was_planned_but_never_judged_does_not_hide_the_verdict_before_it(
    make_bench: MakeBench,
) -> None:
    bench = _after_a_green_run(make_bench, "keys_unique")
    bench.check("features/activity")
    bench.world.measure_errors["features/activity"] = RuntimeError("killed")
    bench.world.errors["features/activity"] = RuntimeError("killed")
    bench.run("features/activity")  # its checks stay planned: the build died before judging
    reds = _reds(bench, "features/activity")
    assert [red.check for red in reds] == ["keys_unique"]


def test_nothing_is_red_before_anything_was_judged(make_bench: MakeBench) -> None:
    bench = make_bench(World())
    assert _reds(bench, "features/activity", "labels") == []


def _reds(bench: Bench, *inputs: str) -> list[Red]:
    verdicts = latest_verdicts(bench.instance, bench.spec, inputs, bench.world.recipe())
    return red_inputs(bench.spec, verdicts)


class TestChangedSinceJudged:
    """A real Delta log beside verdicts that were given by hand on some version."""

    @pytest.fixture
    def bench(self, make_bench: MakeBench, home: Path) -> Bench:
        """Version 2 of a feature table is stored and judged; the other tables are not there."""
        bench = make_bench()
        assert bench.run().success
        self.home = home
        self.write(3)
        self.judge(bench, 2)
        bench.world.built.clear()
        return bench

    def write(self, times: int = 1) -> None:
        for _ in range(times):
            write_deltalake(self.path, pa.table({"person": ["a"]}), mode="overwrite")

    @property
    def path(self) -> Path:
        return self.home.joinpath("warehouse", *ACTIVITY.split("."))

    def judge(self, bench: Bench, version: int | None, *, check: str = "keys_unique") -> None:
        metadata = {} if version is None else {"delta_version": version}
        bench.instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=asset_key(bench.spec, "features/activity"),
                check_name=check,
                passed=True,
                metadata=metadata,
            )
        )

    def test_a_table_that_is_as_it_was_judged_is_accepted(self, bench: Bench) -> None:
        assert bench.run("training_set").success

    def test_a_table_that_somebody_wrote_later_is_refused(self, bench: Bench) -> None:
        self.write()
        result = bench.run("training_set")
        assert not result.success
        assert bench.world.built == []
        text = failure_text(result)
        assert "training_set" in text
        assert ACTIVITY in text
        assert "the checks judged version 2, the stored data version is 3" in text
        assert "features/activity" in text
        assert "they measure what is stored now; or materialize it again" in text

    def test_judging_what_is_stored_now_lifts_the_refusal(self, bench: Bench) -> None:
        self.write()
        self.judge(bench, 3)
        assert bench.run("training_set").success

    def test_every_check_must_have_seen_it(self, bench: Bench) -> None:
        self.write()
        self.judge(bench, 3, check="mostly_defaults")  # a warning: nothing depends on it
        assert not bench.run("training_set").success

    def test_commits_that_change_no_rows_do_not_count(self, bench: Bench) -> None:
        self.write()
        DeltaTable(self.path).alter.set_table_description("Comings and goings.")
        self.judge(bench, 3)
        assert bench.run("training_set").success
        self.judge(bench, 4)  # what a check that ran now would have measured
        assert bench.run("training_set").success

    def test_a_table_that_was_made_anew_is_refused_though_it_counts_from_zero(
        self, bench: Bench
    ) -> None:
        self.path.rename(self.path.with_name("moved_away"))
        self.write()
        text = failure_text(bench.run("training_set"))
        assert "the checks judged version 2, the stored data version is 0" in text

    def test_a_green_verdict_on_rows_that_were_dropped_is_none_on_what_is_stored(
        self, bench: Bench
    ) -> None:
        self.judge(bench, None)
        text = failure_text(bench.run("training_set"))
        assert "the checks judged what was prepared and not published" in text
