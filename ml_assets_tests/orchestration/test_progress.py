"""What a person reads in the terminal while one step makes all assets of a model."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from ml_assets.orchestration.demo.progress import Progress
from ml_assets.orchestration.demo.run import graph_order, steps_by_asset
from ml_assets.orchestration.demo.show import show_summary
from ml_assets_tests.orchestration.fakes import World

if TYPE_CHECKING:
    from ml_assets.orchestration.demo.summary import RunSummary
    from ml_assets.orchestration.resources import Sharing
    from ml_assets_tests.orchestration.fakes import Bench, MakeBench


@pytest.fixture(params=[None, "per_model", "per_asset"], ids=["here", "per_model", "per_asset"])
def sharing(request: pytest.FixtureRequest) -> Sharing | None:
    """The same lines, however many steps there are."""
    found: Sharing | None = request.param
    return found


def watch(bench: Bench) -> tuple[list[str], RunSummary]:
    """Run a model and look at its lines, without those that say that something starts."""
    job = bench.definitions().resolve_job_def("shop__churn")
    text = io.StringIO()
    progress = Progress(Console(file=text, width=200), steps_by_asset(job))
    result = job.execute_in_process(instance=bench.instance, raise_on_error=False)
    for entry in bench.instance.all_logs(result.run_id):
        progress(entry)
    assert list(progress.steps) == graph_order(job)
    summary = progress.summary(result.run_id)
    show_summary(Console(file=text, width=200), summary)
    return [line for line in text.getvalue().splitlines() if "…" not in line], summary


def test_a_line_for_each_asset(make_bench: MakeBench) -> None:
    lines, summary = watch(make_bench())
    told = [line for line in lines if "/8 ✓" in line]
    assert [line.split()[0] for line in told] == [f"{n}/8" for n in range(1, 9)]
    assert {line.split()[2] for line in told} >= {"labels", "predictions", "features/activity"}
    assert sum("2 checks passed" in line for line in told) == 3
    assert summary.good


def test_a_red_check_is_told_once_and_what_was_not_made_is_said(make_bench: MakeBench) -> None:
    lines, summary = watch(make_bench(World(red={"no_leak"})))
    text = "\n".join(lines)
    assert not summary.good
    (red,) = [line for line in lines if "✗ " in line and "training_set" in line and "/8" in line]
    assert "red: no_leak" in red
    assert "✗ no_leak on training_set" in text
    assert not [line for line in lines if line.startswith("✗") and line.endswith("failed")]
    assert not [line for line in lines if "/8 ✓ " in line and "trained_model" in line]


def test_an_error_is_told_once(make_bench: MakeBench) -> None:
    lines, _ = watch(make_bench(World(errors={"labels": ZeroDivisionError("by me")})))
    assert sum(line.endswith("failed") and line.startswith("✗") for line in lines) == 1
