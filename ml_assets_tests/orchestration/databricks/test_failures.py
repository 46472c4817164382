"""What goes wrong: Dagster says so, records nothing false, leaves no job run, does nothing twice."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import dagster as dg
import pytest

from ml_assets.orchestration.databricks import job_run, launch
from ml_assets_tests.emulator.fixtures import VOLUME
from ml_assets_tests.emulator.processes import wait_until
from ml_assets_tests.orchestration.databricks.bench import (
    failure_metadata,
    failure_of,
    launch_in_this_process,
    stand_in_job,
)
from ml_assets_tests.warm import start_warm

ROOT = Path(__file__).parents[3]
GET, SUBMIT = "GET .*/runs/get$", "POST .*/runs/submit"


@pytest.fixture(autouse=True)
def short_grace(monkeypatch):
    monkeypatch.setattr(job_run, "_GRACE", 0.5)


class TestTheTask:
    def test_that_raises_shows_its_own_traceback(self, bench):
        bench.behave("raise")
        result = bench.run()
        text = failure_of(result)
        assert "ValueError: the column is missing" in text
        assert "nothing is known of two" in text
        metadata = failure_metadata(result)
        assert "in main" in metadata["traceback of the job"]
        assert metadata["databricks_run_url"].startswith(bench.emulator.host)
        assert bench.materialized == {"one"}
        assert bench.sessions == []
        assert bench.worked == ["one"], "serverless would have started it three times more"

    def test_without_a_last_message_has_failed(self, bench):
        bench.behave("silent")
        text = failure_of(bench.run())
        assert "without the last message" in text
        assert bench.job_runs == ["SUCCESS"]

    def test_that_reports_an_error_is_explained_by_the_report(self, bench):
        bench.behave("broken")
        assert failure_of(bench.run()) == "cannot be done"

    def test_whose_red_check_explains_its_failure_is_no_other_failure(self, bench):
        bench.behave("red")
        assert bench.run().success, "the caller turns red verdicts into a failure"
        assert bench.job_runs == ["FAILED"]

    def test_reports_of_other_tasks_than_asked_are_refused(self, bench):
        bench.behave("stranger")
        assert "a report of somebody" in failure_of(bench.run())
        assert bench.materialized == {"one"}

    def test_reports_of_another_version_are_refused(self, bench):
        bench.behave("newer")
        text = failure_of(bench.run())
        assert "a report that this code cannot read" in text
        assert "the same version of ml_assets" in text
        assert bench.materialized == set()


class TestCancelled:
    def test_in_databricks(self, bench):
        bench.behave("hang")
        run = in_a_thread(bench)
        wait_until(lambda: bench.materialized == {"one"}, 20, "the first report")
        bench.emulator.client().jobs.cancel_run(1000)
        text = failure_of(run())
        assert "somebody cancelled it in Databricks" in text
        assert bench.materialized == {"one"}

    @pytest.mark.slow
    def test_in_dagster(self, stored, bench):
        bench.behave("hang")
        process = start(bench, stored)
        wait_until(lambda: materialized(stored) == {"one"}, 60, "the first report")
        interrupt(process)
        assert bench.job_runs == ["CANCELED"]
        assert materialized(stored) == {"one"}, "nothing that was not reported"
        [run] = stored.get_runs()
        assert not run.is_success
        assert bench.sessions == []

    @pytest.mark.slow
    def test_in_dagster_before_it_started(self, stored, bench):
        bench.emulator.jobs.hold_pending = True
        process = start(bench, stored)
        wait_until(lambda: bench.job_runs == ["PENDING"], 60, "the job run")
        wait_until(lambda: bench.emulator.requests.count(GET) > 2, 20, "the waiting")
        interrupt(process)
        assert bench.job_runs == ["CANCELED"]
        assert materialized(stored) == set()

    @pytest.mark.slow
    def test_in_dagster_while_the_answer_to_submitting_is_on_its_way(self, stored, bench):
        fault = bench.emulator.faults.add(SUBMIT, delay=3)
        bench.behave("hang")
        process = start(bench, stored)
        wait_until(lambda: fault.hits, 60, "the request")
        interrupt(process)
        wait_until(lambda: bench.job_runs == ["CANCELED"], 10, "the end of the job run")
        assert materialized(stored) == set()

    @pytest.mark.slow
    def test_in_dagster_while_it_stores_an_event(self, stored, bench):
        """The op is suspended at a ``yield`` then: nothing is raised inside it."""
        bench.behave("hang")
        process = start(bench, stored, STORING_IS_INTERRUPTED="1")
        wait_for(process, 60)
        wait_until(lambda: bench.job_runs == ["CANCELED"], 10, "the end of the job run")
        assert materialized(stored) == set()


class TestTheWorkspace:
    @pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 401, 403])
    def test_may_be_in_trouble_while_a_job_runs(self, bench, status):
        bench.behave("slow")
        bench.emulator.faults.add(GET, times=2, status=status)
        result = bench.run(retry_deadline_seconds=20)
        assert result.success
        assert bench.worked == ["one", "two"]

    def test_may_ask_to_be_left_alone_for_a_while(self, bench):
        bench.behave("slow")
        fault = bench.emulator.faults.add(GET, status=429, retry_after=2)
        assert bench.run(retry_deadline_seconds=20).success
        assert fault.hits == 1
        [refused] = [r for r in bench.emulator.requests.matching(GET) if r.status == 429]
        later = [r.at for r in bench.emulator.requests.matching(GET) if r.at > refused.at]
        assert min(later) - refused.at > 1.9

    def test_may_not_ask_for_more_time_than_there_is(self, bench):
        bench.behave("hang")
        bench.emulator.faults.add(GET, times=10**6, status=429, retry_after=3600)
        run = in_a_thread(bench, retry_deadline_seconds=3)
        text = failure_of(run())
        assert "for 3 seconds no answer but: injected by the test" in text
        wait_until(lambda: bench.job_runs == ["CANCELED"], 10, "the end of the job run")
        bench.emulator.faults.clear()

    def test_may_lose_the_answers_to_messages(self, bench):
        bench.behave("slow")
        bench.emulator.faults.add("GET .*/1.json", times=2, status=500)
        bench.emulator.faults.lose_response("GET .*/2.json")
        assert bench.run(retry_deadline_seconds=20).success

    @pytest.mark.parametrize("status", [500, 401])
    def test_is_given_up_after_the_deadline_and_the_job_run_is_cancelled(self, bench, status):
        bench.behave("hang")
        bench.emulator.faults.add(GET, times=10**6, status=status)
        run = in_a_thread(bench, retry_deadline_seconds=1)
        text = failure_of(run())
        assert "for 1 seconds no answer but: injected by the test" in text
        wait_until(lambda: bench.job_runs == ["CANCELED"], 10, "the end of the job run")
        bench.emulator.faults.clear()

    def test_may_lose_the_answer_to_submitting(self, bench):
        bench.emulator.faults.lose_response(SUBMIT)
        result = bench.run(retry_deadline_seconds=20)
        assert result.success
        assert bench.worked == ["one", "two"]
        assert len(bench.job_runs) == 1

    def test_that_never_answers_to_submitting_leaves_no_job_run(self, bench):
        bench.behave("hang")
        bench.emulator.faults.lose_response(SUBMIT, times=2)
        text = failure_of(bench.run(retry_deadline_seconds=2))
        assert "submitting the job run" in text
        wait_until(lambda: bench.job_runs == ["CANCELED"], 10, "the end of the job run")
        assert bench.sessions == []

    def test_that_is_frozen_is_given_up(self, bench):
        bench.behave("hang")
        run = in_a_thread(bench, retry_deadline_seconds=2, http_timeout_seconds=0.5)
        wait_until(lambda: bench.materialized == {"one"}, 20, "the first report")
        bench.emulator.faults.frozen = True
        text = failure_of(run())
        assert "no answer but" in text
        assert "It could not be cancelled" in text
        assert len(bench.sessions) == 1, "the session stays, so that the job run is found again"
        bench.emulator.faults.thaw()
        bench.emulator.client().jobs.cancel_run(1000)
        wait_until(lambda: bench.job_runs == ["CANCELED"], 10, "the end of the job run")

    def test_may_be_restarted(self, bench):
        bench.behave("slow")
        run = in_a_thread(bench, retry_deadline_seconds=30)
        wait_until(lambda: bench.job_runs == ["RUNNING"], 20, "the job run")
        bench.emulator.restart(down=1)
        assert run().success
        assert bench.worked == ["one", "two"]

    def test_that_cannot_run_the_job_says_why(self, bench):
        bench.emulator.jobs.no_cluster = "Cluster failed to launch: no capacity"
        text = failure_of(bench.run())
        assert "no capacity" in text
        assert "INTERNAL_ERROR" in text


class TestNeverStarted:
    def test_a_job_run_that_stays_pending_is_cancelled(self, bench):
        bench.emulator.jobs.hold_pending = True
        text = failure_of(bench.run(pending_deadline_seconds=0.5))
        assert "still PENDING" in text
        assert "after 0.5 seconds" in text
        assert "It was cancelled." in text
        assert bench.job_runs == ["CANCELED"]
        assert bench.materialized == set()

    def test_a_job_run_beyond_its_timeout_is_ended_by_databricks(self, bench):
        bench.behave("hang")
        text = failure_of(bench.run(timeout_seconds=2))
        assert "TIMEDOUT" in text
        assert "timeout_seconds" in text
        assert bench.materialized == {"one"}

    def test_a_job_run_that_databricks_does_not_end_is_ended_from_here(self, bench, monkeypatch):
        bench.behave("hang")
        monkeypatch.setattr(job_run, "_OVERTIME", 1 - 4 * 3600)
        text = failure_of(bench.run())
        assert "beyond its timeout" in text
        assert bench.job_runs == ["CANCELED"]

    def test_a_missing_volume(self, bench):
        root = Path(bench.emulator.volumes_root)
        text = failure_of(bench.run(volume=str(root / "main" / "ml_assets" / "other")))
        assert "CREATE VOLUME main.ml_assets.other" in text
        assert bench.job_runs == []

    def test_a_wheel_that_somebody_removed(self, bench):
        fault = bench.emulator.faults.add(SUBMIT, delay=0.5)
        run = in_a_thread(bench)
        wait_until(lambda: fault.hits, 20, "the request")
        [wheel] = Path(bench.emulator.unity.volume_path(VOLUME)).rglob("*.whl")
        wheel.unlink()
        text = failure_of(run())
        assert "No such file or directory" in text
        assert wheel.name in text
        assert bench.run().success, "it is uploaded again"

    @pytest.mark.parametrize("status", [401, 403])
    def test_credentials_that_are_refused(self, bench, status):
        bench.emulator.faults.add("", times=10**6, status=status, code="")
        text = failure_of(bench.run(retry_deadline_seconds=60))
        assert "credentials" in text or "permission" in text
        bench.emulator.faults.clear()
        assert bench.job_runs == []

    def test_a_token_that_has_expired(self, bench):
        bench.emulator.identity.expire()
        text = failure_of(bench.run(retry_deadline_seconds=60))
        assert "expired" in text
        assert "renew the token" in text

    def test_a_request_that_is_refused(self, bench):
        text = failure_of(bench.run(compute={"existing_cluster": {"cluster_id": "nowhere"}}))
        assert "submitting the job run" in text
        assert "nowhere" in text
        assert bench.sessions == []

    def test_no_host(self, bench, monkeypatch):
        monkeypatch.delenv("DATABRICKS_HOST")
        assert "export DATABRICKS_HOST" in failure_of(bench.run(host=""))

    def test_no_credentials(self, bench, monkeypatch):
        monkeypatch.delenv("DATABRICKS_TOKEN")
        monkeypatch.setenv("HOME", str(bench.folder))
        monkeypatch.setenv("PATH", "")
        assert "export DATABRICKS_TOKEN" in failure_of(bench.run())


@pytest.mark.slow
class TestTheLauncher:
    """It is killed, as by the end of its machine, and executed again."""

    def test_finds_its_job_run_again(self, stored, bench):
        bench.behave("slow")
        first = self.kill_one(stored, bench, lambda: bench.job_runs == ["RUNNING"])
        assert self.execute_again(stored, bench, first).success
        assert bench.worked == ["one", "two"], "no work was done twice"
        assert bench.job_runs == ["SUCCESS"]
        assert materialized(stored) == {"one", "two"}
        assert bench.sessions == []

    def test_finds_the_job_run_of_the_whole_of_which_the_rest_is_wanted(self, stored, bench):
        bench.behave("slow")
        first = self.kill_one(stored, bench, lambda: bench.job_runs == ["RUNNING"])
        again = self.execute_again(stored, bench, first, assets=("two",), whole=("one", "two"))
        assert again.success
        assert bench.worked == ["one", "two"], "no work was done twice"
        assert bench.job_runs == ["SUCCESS"]
        assert "two" in materialized(stored)
        assert bench.sessions == []

    def test_finds_what_ended_without_it(self, stored, bench):
        bench.behave("slow")
        first = self.kill_one(stored, bench, lambda: bench.job_runs == ["RUNNING"])
        wait_until(lambda: bench.job_runs == ["SUCCESS"], 20, "the end of the job")
        assert self.execute_again(stored, bench, first).success
        assert bench.worked == ["one", "two"]

    def test_does_again_what_ended_long_ago(self, stored, bench, monkeypatch):
        bench.behave("slow")
        first = self.kill_one(stored, bench, lambda: bench.job_runs == ["RUNNING"])
        wait_until(lambda: bench.job_runs == ["SUCCESS"], 20, "the end of the job")
        monkeypatch.setattr(launch, "_FRESH", 0.0)
        assert self.execute_again(stored, bench, first).success
        assert bench.job_runs == ["SUCCESS", "SUCCESS"]

    def test_whose_folder_could_not_be_removed_is_not_taken_for_the_work_of_now(
        self, stored, bench
    ):
        """Somebody materializes the same again: what was told already is no answer to that."""
        fault = bench.emulator.faults.add("DELETE .*/sessions/", times=10**6, status=400)
        first = self.execute(stored, bench)
        assert first.success
        assert fault.hits
        assert len(bench.sessions) == 1
        bench.emulator.faults.clear()
        assert self.execute_again(stored, bench, first.run_id).success
        assert bench.worked == ["one", "two"] * 2
        assert bench.sessions == []

    def test_is_killed_before_it_knows_the_id(self, stored, bench):
        bench.behave("slow")
        bench.emulator.faults.add("GET .*/runs/get$", times=10**6, delay=5)
        submitted = bench.emulator.faults.lose_response(SUBMIT, times=10**6)
        first = self.kill_one(stored, bench, lambda: submitted.hits and bench.job_runs)
        bench.emulator.faults.clear()
        assert self.execute_again(stored, bench, first).success
        assert bench.worked == ["one", "two"], "no work was done twice"
        assert bench.job_runs == ["SUCCESS"]
        assert bench.sessions == []

    def test_that_had_not_submitted_submits(self, stored, bench):
        fault = bench.emulator.faults.drop(SUBMIT, times=10**6)
        first = self.kill_one(stored, bench, lambda: fault.hits)
        bench.emulator.faults.clear()
        assert bench.job_runs == []
        assert self.execute_again(stored, bench, first).success
        assert len(bench.job_runs) == 1

    def test_does_again_what_had_failed_without_it(self, stored, bench):
        bench.behave("raise")
        first = self.kill_one(stored, bench, lambda: bench.job_runs)
        wait_until(lambda: bench.job_runs == ["FAILED"], 20, "the end of the job")
        bench.behave("")
        assert self.execute_again(stored, bench, first).success
        assert bench.job_runs == ["FAILED", "SUCCESS"]
        assert bench.sessions == []

    def test_cancels_what_was_asked_before_when_it_asks_for_something_else(self, stored, bench):
        bench.behave("hang")
        first = self.kill_one(stored, bench, lambda: bench.job_runs == ["RUNNING"])
        bench.behave("")
        assert self.execute_again(stored, bench, first, assets=("one",)).success
        assert bench.job_runs == ["CANCELED", "SUCCESS"]
        assert bench.sessions == []

    def test_of_another_run_is_left_alone(self, stored, bench):
        bench.behave("slow")
        self.kill_one(stored, bench, lambda: bench.job_runs == ["RUNNING"])
        assert bench.run().success
        wait_until(lambda: bench.job_runs == ["SUCCESS", "SUCCESS"], 20, "both job runs")
        assert len(bench.sessions) == 1

    def test_of_a_run_that_has_ended_is_not_waited_for_by_anybody(self, stored, bench):
        """A new run, not a re-execution: what still runs would write the same tables."""
        bench.behave("hang")
        first = self.kill_one(stored, bench, lambda: bench.job_runs == ["RUNNING"])
        stored.report_run_failed(stored.get_run_by_id(first))
        bench.behave("")
        assert self.execute(stored, bench).success
        assert bench.job_runs == ["CANCELED", "SUCCESS"]
        assert bench.sessions == []

    def kill_one(self, stored, bench, when):
        """Start a launcher, and end it without a chance to clean up."""
        process = start(bench, stored)
        wait_until(when, 60, "the moment to kill the launcher")
        process.kill()
        wait_for(process, 30)
        [run] = stored.get_runs()
        return run.run_id

    def execute_again(self, stored, bench, run_id, **changes):
        again = dg.ReexecutionOptions(parent_run_id=run_id)
        return self.execute(stored, bench, reexecution_options=again, **changes)

    def execute(self, stored, bench, reexecution_options=None, **changes):
        with pytest.MonkeyPatch.context() as patch:
            for name, value in bench.variables(**changes).items():
                patch.setenv(name, value)
            job = dg.reconstructable(stand_in_job)
            with dg.execute_job(
                job, instance=stored, reexecution_options=reexecution_options
            ) as result:
                return result


@pytest.fixture
def stored(tmp_path):
    """An instance that outlives processes."""
    folder = tmp_path / "dagster"
    folder.mkdir()
    (folder / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        yield instance


def materialized(instance):
    keys = [dg.AssetKey(name) for name in ("one", "two")]
    return {k.path[0] for k in keys if instance.get_latest_materialization_event(k)}


def start(bench, stored, **variables):
    """Start the job in a process of its own."""
    inherited = {n: v for n, v in os.environ.items() if n != "PYTHONWARNINGS"}
    environment = inherited | {"PYTHONPATH": str(ROOT)} | bench.variables() | variables
    return start_warm(launch_in_this_process, stored.root_directory, environment)


def interrupt(process):
    """Send what Ctrl-C sends, and wait for the end."""
    os.kill(process.pid, signal.SIGINT)
    wait_for(process, 30)


def wait_for(process, seconds):
    process.join(seconds)
    assert process.exitcode is not None, "the launcher did not end"


def in_a_thread(bench, **changes):
    """Run the assets while the test goes on; the answer waits for the result."""
    found = []
    thread = threading.Thread(target=lambda: found.append(bench.run(**changes)))
    thread.start()

    def result():
        thread.join(60)
        assert found, "the run did not end"
        return found[0]

    return result
