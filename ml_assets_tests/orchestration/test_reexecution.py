"""Re-execution from failure on a persistent instance: what was stored is used, not built again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg
import pytest

from ml_assets_tests.orchestration.fakes import Bench, World, make_spec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WORLD = World()


def churn_job() -> dg.JobDefinition:
    """Found by Dagster by name, as it finds the job of a code location."""
    with dg.DagsterInstance.ephemeral() as unused:
        return Bench(WORLD, make_spec(), unused).definitions().resolve_job_def("shop__churn")


@pytest.fixture
def stored(home: Path) -> Iterator[dg.DagsterInstance]:
    folder = home / "dagster"
    folder.mkdir(parents=True)
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        yield instance


@pytest.fixture(autouse=True)
def _fresh_world() -> None:
    WORLD.__init__()  # type: ignore[misc]


@pytest.mark.parametrize("by", ["error", "red check"])
def test_it_continues_at_the_step_that_failed(stored: dg.DagsterInstance, by: str) -> None:
    if by == "error":
        WORLD.errors["trained_model"] = RuntimeError("out of luck")
    else:
        WORLD.red.add("has_signature")
    job = dg.reconstructable(churn_job)
    with dg.execute_job(job, instance=stored) as first:
        assert not first.success
    WORLD.errors.clear()
    WORLD.red.clear()
    WORLD.built.clear()
    WORLD.inputs.clear()
    again = dg.ReexecutionOptions.from_failure(first.run_id, stored)
    with dg.execute_job(job, instance=stored, reexecution_options=again) as second:
        assert second.success
    assert WORLD.built == ["trained_model", "model_version", "predictions"]
    assert WORLD.inputs["trained_model"].handles["training_set"].delta_version == 0
    assert WORLD.inputs["predictions"].handles["features/activity"].rows == 10


def test_it_repeats_what_a_red_table_stopped(stored: dg.DagsterInstance) -> None:
    WORLD.red.add("keys_unique")
    job = dg.reconstructable(churn_job)
    with dg.execute_job(job, instance=stored) as first:
        assert not first.success
    WORLD.red.clear()
    WORLD.built.clear()
    again = dg.ReexecutionOptions.from_failure(first.run_id, stored)
    with dg.execute_job(job, instance=stored, reexecution_options=again) as second:
        assert second.success
    assert "labels" not in WORLD.built
    assert {"features/activity", "features/profile", "training_set"} <= set(WORLD.built)
