"""A test that asks for the unknown, or leaves a job run behind, fails: the fixture sees to it."""

from __future__ import annotations

import pytest
from databricks.sdk.errors import NotFound

from ml_assets_tests.emulator.fixtures import workspace
from ml_assets_tests.emulator.helpers import submit, upload_code
from ml_assets_tests.emulator.processes import wait_until


def test_an_unknown_endpoint_fails_the_test(tmp_path, task_environments) -> None:
    def ask() -> None:
        with workspace(tmp_path, task_environments) as emulator:
            with pytest.raises(NotFound):
                list(emulator.client().clusters.list())
            assert len(emulator.problems) == 1

    with pytest.raises(AssertionError, match=r"unknown endpoint: GET /api/2\.1/clusters/list"):
        ask()


def test_a_job_run_that_is_left_behind_fails_the_test_and_is_killed(
    tmp_path, task_environments
) -> None:
    left = []

    def leave() -> None:
        with workspace(tmp_path, task_environments) as emulator:
            wheel = upload_code(emulator, "import time\ndef main(): time.sleep(600)")
            left.append(emulator.jobs.runs[submit(emulator.client(), wheel)])
            wait_until(lambda: left[0].process, 20, "the task to start")

    with pytest.raises(AssertionError, match="still active"):
        leave()
    assert left[0].process.ended
    assert left[0].end.result == "CANCELED"


def test_an_error_in_the_test_is_what_is_shown(tmp_path, task_environments) -> None:
    def fail() -> None:
        with workspace(tmp_path, task_environments) as emulator:
            emulator.problems.append("something unknown")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
