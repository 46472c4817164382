"""Re-execution from failure on a persistent instance: what was stored is used, not built again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg
import pytest
from dagster._core.storage.tags import RESUME_RETRY_TAG

from ml_assets_tests.orchestration.fakes import Bench, World, make_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ml_assets.orchestration.resources import Sharing

WORLD = World()


def churn_job() -> dg.JobDefinition:
    """Found by Dagster by name, as it finds the job of a code location."""
    return _job(None)


def _job(sharing: Sharing | None) -> dg.JobDefinition:
    with dg.DagsterInstance.ephemeral() as unused:
        bench = Bench(WORLD, make_spec(), unused, sharing)
        return bench.definitions().resolve_job_def("shop__churn")


def churn_in_one_job_run() -> dg.JobDefinition:
    """All assets in one step: Dagster alone would repeat everything."""
    return _job("per_model")


def churn_in_many_job_runs() -> dg.JobDefinition:
    """A step for each asset, as on a laptop."""
    return _job("per_asset")


#: How the UI and Dagster's automatic retries mark a re-execution from failure.
RESUMED = {RESUME_RETRY_TAG: "true"}
JOBS = [churn_job, churn_in_one_job_run, churn_in_many_job_runs]


@pytest.fixture
def stored(home: Path) -> Iterator[dg.DagsterInstance]:
    folder = home / "dagster"
    folder.mkdir(parents=True)
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        yield instance


@pytest.fixture(autouse=True)
def _fresh_world() -> None:
    WORLD.__init__()  # type: ignore[misc]


@pytest.mark.parametrize("make_job", JOBS)
@pytest.mark.parametrize("by", ["error", "red check"])
def test_it_continues_at_the_step_that_failed(
    stored: dg.DagsterInstance, by: str, make_job: Callable[[], dg.JobDefinition]
) -> None:
    if by == "error":
        WORLD.errors["trained_model"] = RuntimeError("out of luck")
    else:
        WORLD.red.add("has_signature")
    job = dg.reconstructable(make_job)
    with dg.execute_job(job, instance=stored) as first:
        assert not first.success
    WORLD.errors.clear()
    WORLD.red.clear()
    WORLD.built.clear()
    WORLD.inputs.clear()
    again = dg.ReexecutionOptions.from_failure(first.run_id, stored)
    with dg.execute_job(job, instance=stored, reexecution_options=again, tags=RESUMED) as second:
        assert second.success
    assert WORLD.built == ["trained_model", "model_version", "predictions"]
    assert WORLD.inputs["trained_model"].handles["training_set"].delta_version == 0
    assert WORLD.inputs["predictions"].handles["features/activity"].rows == 10


@pytest.mark.parametrize("make_job", JOBS)
def test_it_repeats_what_a_red_table_stopped(
    stored: dg.DagsterInstance, make_job: Callable[[], dg.JobDefinition]
) -> None:
    WORLD.red.add("keys_unique")
    job = dg.reconstructable(make_job)
    with dg.execute_job(job, instance=stored) as first:
        assert not first.success
    WORLD.red.clear()
    WORLD.built.clear()
    again = dg.ReexecutionOptions.from_failure(first.run_id, stored)
    with dg.execute_job(job, instance=stored, reexecution_options=again, tags=RESUMED) as second:
        assert second.success
    assert "labels" not in WORLD.built
    assert {"features/activity", "features/profile", "training_set"} <= set(WORLD.built)
