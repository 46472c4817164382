"""The life of a job run, with real processes, through the real client."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import requests
from databricks.sdk.errors import InvalidParameterValue, ResourceDoesNotExist
from databricks.sdk.service import compute, jobs

from ml_assets_tests.emulator.compute import DEFAULT_RUNTIME
from ml_assets_tests.emulator.environments import TaskEnvironments
from ml_assets_tests.emulator.fixtures import CLUSTER
from ml_assets_tests.emulator.helpers import submit, upload_code, wait_for_end
from ml_assets_tests.emulator.processes import wait_until

SLEEPS = """
import pathlib, signal, subprocess, sys, time
def main():
    if sys.argv[2:] == ["stubborn"]:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen(["sleep", "600"])
    pathlib.Path(sys.argv[1]).write_text(str(child.pid))
    time.sleep(600)
"""


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        pass
    if Path("/proc").exists():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def ended(client, run_id):
    run = wait_for_end(client, run_id)
    state = run.state
    return state.life_cycle_state.value, state.result_state.value, state.state_message


def test_a_run_waits_for_compute_then_runs_then_ends(emulator, client, root) -> None:
    wheel = upload_code(emulator, SLEEPS)
    emulator.jobs.hold_pending = True
    run_id = submit(client, wheel, f"{root}/pid", run_name="mine")
    run = client.jobs.get_run(run_id)
    assert run.state.life_cycle_state is jobs.RunLifeCycleState.PENDING
    assert (run.run_name, run.run_type) == ("mine", jobs.RunType.SUBMIT_RUN)
    assert run.run_page_url == f"{emulator.host}/?o=0#job/{run.job_id}/run/{run_id}"
    assert run.tasks[0].run_id != run_id
    emulator.jobs.hold_pending = False
    wait_until(Path(f"{root}/pid").exists, 20, "the task to start")
    assert client.jobs.get_run(run_id).state.life_cycle_state is jobs.RunLifeCycleState.RUNNING
    client.jobs.cancel_run(run_id)
    assert ended(client, run_id) == ("TERMINATED", "CANCELED", "Run cancelled.")
    done = client.jobs.get_run(run_id)
    assert done.start_time < done.end_time
    page = requests.get(done.run_page_url, timeout=5).text
    assert f"{run_id}: mine" in page
    assert "TERMINATED CANCELED" in page


@pytest.mark.parametrize("manner", ["", "stubborn"])
def test_cancelling_ends_the_whole_process_group(emulator, client, root, manner) -> None:
    emulator.jobs.patience = 0.5
    wheel = upload_code(emulator, SLEEPS)
    run_id = submit(client, wheel, f"{root}/pid", *filter(None, [manner]))
    wait_until(
        lambda: Path(f"{root}/pid").exists() and Path(f"{root}/pid").read_text(), 20, "start"
    )
    child = int(Path(f"{root}/pid").read_text())
    assert alive(child)
    client.jobs.cancel_run(run_id)
    assert ended(client, run_id)[1] == "CANCELED"
    wait_until(lambda: not alive(child), 5, "the child to end")


def test_a_pending_run_is_cancelled_before_anything_starts(emulator, client, root) -> None:
    emulator.jobs.hold_pending = True
    wheel = upload_code(emulator, SLEEPS)
    run_id = submit(client, wheel, f"{root}/pid")
    client.jobs.cancel_run(run_id)
    assert ended(client, run_id)[1] == "CANCELED"
    client.jobs.cancel_run(run_id)  # once more changes nothing
    assert ended(client, run_id)[1] == "CANCELED"
    assert not Path(f"{root}/pid").exists()


def test_a_run_that_takes_too_long_is_ended(emulator, client, root) -> None:
    wheel = upload_code(emulator, SLEEPS)
    run_id = submit(client, wheel, f"{root}/pid", timeout_seconds=2)
    assert ended(client, run_id)[:2] == ("TERMINATED", "TIMEDOUT")


def test_the_error_of_a_failed_task_is_in_its_own_output(emulator, client) -> None:
    code = "def main():\n    print('before')\n    raise ValueError('no such thing')\n"
    run_id = submit(client, upload_code(emulator, code))
    assert ended(client, run_id) == (
        "TERMINATED",
        "FAILED",
        "Task main failed with message: Workload failed, see run output for details.",
    )
    run = client.jobs.get_run(run_id)
    output = client.jobs.get_run_output(run.tasks[0].run_id)
    assert output.error == "ValueError: no such thing"
    assert output.error_trace.startswith("Traceback (most recent call last)")
    assert "in main" in output.error_trace
    assert output.logs.startswith("before\n")
    with pytest.raises(InvalidParameterValue, match="each individual task run"):
        client.jobs.get_run_output(run_id)


@pytest.mark.parametrize(
    ("body", "result", "error"),
    [
        ("return 1", "SUCCESS", None),
        ("raise SystemExit(0)", "SUCCESS", None),
        ("raise SystemExit(3)", "FAILED", "SystemExit: 3"),
        ("import os; os._exit(3)", "FAILED", "The Python process exited with exit code 3."),
    ],
)
def test_how_a_task_may_end(emulator, client, body, result, error) -> None:
    run = wait_for_end(client, submit(client, upload_code(emulator, f"def main(): {body}")))
    assert run.state.result_state.value == result
    assert client.jobs.get_run_output(run.tasks[0].run_id).error == error


def test_no_cluster_is_an_internal_error(emulator, client) -> None:
    emulator.jobs.no_cluster = "Cluster 'x' was terminated. Reason: CLOUD_PROVIDER_LAUNCH_FAILURE"
    run_id = submit(client, upload_code(emulator, "def main(): pass"))
    life, result, message = ended(client, run_id)
    assert (life, result) == ("INTERNAL_ERROR", "FAILED")
    assert "CLOUD_PROVIDER_LAUNCH_FAILURE" in message


def test_runs_are_listed_latest_first_in_pages(emulator, client) -> None:
    wheel = upload_code(emulator, "def main(): pass")
    ids = [submit(client, wheel, run_name=f"r{i}") for i in range(3)]
    for run_id in ids:
        wait_for_end(client, run_id)
    assert [r.run_id for r in client.jobs.list_runs(limit=2)] == ids[::-1]
    assert list(client.jobs.list_runs(active_only=True)) == []
    named = {r.run_name for r in client.jobs.list_runs(completed_only=True)}
    assert named == {"r0", "r1", "r2"}
    client.jobs.delete_run(ids[0])
    with pytest.raises(ResourceDoesNotExist):
        client.jobs.get_run(ids[0])


def test_the_environment_is_bare(emulator, client, monkeypatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
    monkeypatch.setenv("SECRET_OF_THE_PARENT", "x")
    emulator.jobs.task_variables = {"ML_ASSETS_TASK_PLATFORM": "embedded"}
    code = """
    import importlib.util, os
    print(sorted(os.environ))
    print({n: bool(importlib.util.find_spec(n)) for n in ("dagster_pipes", "dagster", "ml_assets", "pytest")})
    """
    lines = "\n".join(line.strip() and "    " + line.strip() for line in code.splitlines())
    wheel = upload_code(emulator, f"def main():\n{lines}\n", needs=["dagster-pipes"])
    run = wait_for_end(client, submit(client, wheel))
    variables, modules = client.jobs.get_run_output(run.tasks[0].run_id).logs.splitlines()
    assert variables == str(
        [
            "DATABRICKS_RUNTIME_VERSION",
            "HOME",
            "LANG",
            "ML_ASSETS_TASK_PLATFORM",
            "PATH",
            "PYTHONUNBUFFERED",
        ]
    )
    assert modules == str(
        {"dagster_pipes": True, "dagster": False, "ml_assets": False, "pytest": False}
    )


def test_a_library_that_is_not_there_fails_the_run_before_the_task_starts(
    emulator, client, root
) -> None:
    wheel = upload_code(emulator, "def main(): print('ran')")
    for depends, says in (
        ([f"{root}/none.whl"], "No such file or directory"),
        (["dagster-pipes==0.1"], "dagster-pipes"),
        (["/Volumes/main/ml_assets/other/x.whl"], "does not exist"),
    ):
        life, result, message = ended(client, submit(client, wheel, dependencies=depends))
        assert (life, result) == ("TERMINATED", "FAILED")
        assert "Library installation failed" in message
        assert says in message


def test_a_declared_replacement_is_installed_and_nothing_else_is_left_out(
    emulator, client, task_environments
) -> None:
    emulator.jobs.environments = TaskEnvironments(
        kept=task_environments.kept,
        built=task_environments.built,
        constraints=task_environments.constraints,
        replaced={"databricks-feature-engineering": ("dagster-pipes",)},
    )
    code = "import dagster_pipes, typing_extensions\ndef main(): print('both')"
    wheel = upload_code(emulator, code)
    depends = ["databricks-feature-engineering>=0.12", "typing-extensions"]
    run = wait_for_end(client, submit(client, wheel, dependencies=depends))
    assert client.jobs.get_run_output(run.tasks[0].run_id).logs == "both\n"


@pytest.mark.parametrize("where", ["existing", "new"])
def test_tasks_on_clusters_get_libraries_and_the_cluster_s_variables(
    emulator, client, root, where
) -> None:
    emulator.jobs.environments = TaskEnvironments(
        kept=emulator.environments.kept,
        built=emulator.environments.built,
        constraints=emulator.environments.constraints,
        runtimes={DEFAULT_RUNTIME: ("dagster-pipes",)},
    )
    script = Path(root, "script.py")
    script.write_text(
        "import dagster_pipes, os, small_job, sys\n"
        "print(os.environ.get('MINE'), os.environ['DATABRICKS_RUNTIME_VERSION'], sys.argv[1:])\n"
    )
    wheel = upload_code(emulator, "def main(): pass")
    place = {"existing_cluster_id": CLUSTER}
    if where == "new":
        cluster = compute.ClusterSpec(
            spark_version=DEFAULT_RUNTIME,
            node_type_id="i3.xlarge",
            num_workers=1,
            spark_env_vars={"MINE": "1"},
        )
        place = {"new_cluster": cluster}
    task = jobs.SubmitTask(
        task_key="main",
        spark_python_task=jobs.SparkPythonTask(python_file=str(script), parameters=["a"]),
        libraries=[compute.Library(whl=wheel)],
        **place,
    )
    run = wait_for_end(client, client.jobs.submit(tasks=[task]).bind()["run_id"])
    said = client.jobs.get_run_output(run.tasks[0].run_id).logs
    assert said == f"{'1' if where == 'new' else None} 17.3 ['a']\n"


def test_a_restart_of_the_server_loses_nothing(emulator, client, root) -> None:
    wheel = upload_code(
        emulator,
        "import pathlib, sys, time\ndef main():\n"
        "    while not pathlib.Path(sys.argv[1]).exists(): time.sleep(0.02)\n",
    )
    host = emulator.host
    run_id = submit(client, wheel, f"{root}/go", idempotency_token="once")
    wait_until(lambda: emulator.jobs.runs[run_id].life == "RUNNING", 20, "the task to start")
    emulator.restart(down=0.2)
    assert emulator.host == host
    assert client.jobs.get_run(run_id).state.life_cycle_state is jobs.RunLifeCycleState.RUNNING
    Path(f"{root}/go").touch()
    assert ended(client, run_id)[1] == "SUCCESS"
    assert submit(client, wheel, idempotency_token="once") == run_id


FAILS = """
import pathlib, sys
def main():
    with pathlib.Path(sys.argv[1]).open("a") as lines:
        lines.write("attempt\\n")
    raise ValueError("no")
"""


@pytest.mark.parametrize(("automatic", "attempts"), [(True, 4), (False, 1)])
def test_serverless_starts_a_task_that_failed_three_times_more_unless_told_not_to(
    emulator, client, root, automatic, attempts
) -> None:
    wheel = upload_code(emulator, FAILS)
    fields = {} if automatic else {"disable_auto_optimization": True}
    run_id = submit(client, wheel, f"{root}/attempts", task_fields=fields)
    assert ended(client, run_id)[:2] == ("TERMINATED", "FAILED")
    assert len(Path(f"{root}/attempts").read_text().split()) == attempts
    assert client.jobs.get_run(run_id).tasks[0].attempt_number == attempts - 1
