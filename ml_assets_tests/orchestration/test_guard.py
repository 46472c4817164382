"""A step refuses to start on an input whose latest verdict is red, also in a later run."""

from __future__ import annotations

from ml_assets.orchestration.guard import red_inputs
from ml_assets_tests.orchestration.fakes import (
    Bench,
    MakeBench,
    World,
    failure_text,
    make_spec,
    materialized,
)


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
    assert "execute the check keys_unique alone" in text


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
    reds = red_inputs(bench.instance, bench.spec, ["features/activity"], bench.world.recipe())
    assert [red.check for red in reds] == ["keys_unique"]


def test_nothing_is_red_before_anything_was_judged(make_bench: MakeBench) -> None:
    bench = make_bench(World())
    inputs = ["features/activity", "labels"]
    assert red_inputs(bench.instance, bench.spec, inputs, bench.world.recipe()) == []
