"""A demo that was killed, stopped, or started twice: no run stays in progress for ever."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import pytest

from ml_assets import cli
from ml_assets.orchestration import orphans
from ml_assets.orchestration.orphans import PROCESS_TAG, process_tags
from ml_assets_tests.orchestration.fakes import Bench, World, make_spec

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
ONE, TWO = (f"00000000-0000-4000-8000-00000000000{n}" for n in (1, 2))
#: A demo whose ``labels`` step does what the first argument says.
DEMO = """
import os, signal, sys
from ml_assets import cli
from ml_assets_tests.orchestration.test_orphans import definitions, World

class Acting(World):
    def build(self, spec, platform, inputs):
        if inputs.asset == "labels":
            exec(sys.argv[1])
        return super().build(spec, platform, inputs)

made = definitions(Acting())
cli._definitions = lambda: made
sys.exit(cli.main(["demo", "--model", "shop/churn"]))
"""


def definitions(world: World) -> dg.Definitions:
    with dg.DagsterInstance.ephemeral() as unused:
        return Bench(world, make_spec(), unused).definitions()


def _start(home: Path, act: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", DEMO, act],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env={**os.environ, "ML_ASSETS_HOME": str(home), "PYTHONPATH": str(ROOT)},
    )


@pytest.fixture(autouse=True)
def _put_back(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("DAGSTER_HOME", "to be put back after the test")
    handlers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    assert {n: signal.getsignal(n) for n in handlers} == handlers


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> object:
    def run() -> tuple[int, str]:
        made = definitions(World())
        monkeypatch.setattr(cli, "_definitions", lambda: made)
        code = cli.main(["demo", "--model", "shop/churn"])
        captured = capfd.readouterr()
        return code, captured.out + captured.err

    return run


def _wait_for_labels(demo: subprocess.Popen[str]) -> None:
    """Read until the step has begun; a demo that ended before fails the test, and at once."""
    assert demo.stdout is not None
    seen = []
    while line := demo.stdout.readline():
        seen.append(line)
        if "labels" in line:
            return
    raise AssertionError("".join(seen))


def _runs(home: Path) -> list[dg.DagsterRun]:
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        return list(instance.get_runs())


def _failure(home: Path, run_id: str) -> str:
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        kind = dg.DagsterEventType.PIPELINE_FAILURE
        (entry,) = instance.all_logs(run_id, of_type=kind)
        return entry.user_message or (entry.dagster_event.message if entry.dagster_event else "")


def test_a_killed_demo_is_reported_as_failed_by_the_next_one(home: Path, demo) -> None:  # type: ignore[no-untyped-def]
    killed = _start(home, "os.kill(os.getpid(), signal.SIGKILL)")
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    (left,) = _runs(home)
    assert left.status == dg.DagsterRunStatus.STARTED
    code, output = demo()
    assert code == 0, output
    states = {run.run_id: run.status for run in _runs(home)}
    assert states.pop(left.run_id) == dg.DagsterRunStatus.FAILURE
    assert list(states.values()) == [dg.DagsterRunStatus.SUCCESS]
    assert f"its process {killed.pid} is gone" in _failure(home, left.run_id)


def test_the_ui_reports_it_too(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _start(home, "os.kill(os.getpid(), signal.SIGKILL)").communicate()
    monkeypatch.setattr(os, "execv", lambda *_: None)
    before = signal.getsignal(signal.SIGINT)
    cli.main(["ui"])
    signal.signal(signal.SIGINT, before)
    assert [run.status for run in _runs(home)] == [dg.DagsterRunStatus.FAILURE]


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_it_can_be_stopped_in_every_way(home: Path, name: str) -> None:
    stopped = _start(home, f"os.kill(os.getpid(), signal.{name})")
    output, _ = stopped.communicate()
    assert stopped.returncode == 130, output
    assert "kept: sources/visits, main.raw.visits version 0" in output
    assert "A step that was just publishing may have published." in output
    (run,) = _runs(home)
    assert run.status == dg.DagsterRunStatus.FAILURE


def test_a_closed_terminal_does_not_keep_it_from_recording_the_end(home: Path) -> None:
    lost = _start(home, "sys.stdin.readline(); os.kill(os.getpid(), signal.SIGHUP)")
    assert lost.stdin is not None
    assert lost.stdout is not None
    _wait_for_labels(lost)
    lost.stdout.close()
    lost.stdin.write("\n")
    lost.stdin.close()
    lost.wait()
    (run,) = _runs(home)
    assert run.status == dg.DagsterRunStatus.FAILURE


def test_a_second_demo_of_a_model_is_refused_while_the_first_one_runs(home: Path, demo) -> None:  # type: ignore[no-untyped-def]
    first = _start(home, "sys.stdin.readline()")
    _wait_for_labels(first)
    code, output = demo()
    assert code == 1
    assert f"another one, which is still running: process {first.pid}" in output
    first.communicate("\n")
    assert first.returncode == 0
    assert [run.status for run in _runs(home)] == [dg.DagsterRunStatus.SUCCESS]


class TestWhoseProcess:
    def unfinished(self, instance: dg.DagsterInstance, value: str, run_id: str) -> str:
        @dg.job
        def any_job() -> None: ...

        run = instance.create_run_for_job(
            any_job,
            run_id=run_id,
            status=dg.DagsterRunStatus.STARTED,
            tags={PROCESS_TAG: value},
        )
        orphans.report_orphans(instance)
        found = instance.get_run_by_id(run.run_id)
        assert found is not None
        return found.status.value

    def test_a_process_id_that_was_given_again_is_another_process(
        self, instance: dg.DagsterInstance
    ) -> None:
        run_id, pid, birth = process_tags(ONE)[PROCESS_TAG].split(" ")
        assert self.unfinished(instance, f"{run_id} {pid} {birth}", ONE) == "STARTED"
        assert self.unfinished(instance, f"{TWO} {pid} 1{birth}", TWO) == "FAILURE"

    def test_a_reexecution_elsewhere_carries_the_tag_and_is_left_alone(
        self, instance: dg.DagsterInstance
    ) -> None:
        assert self.unfinished(instance, f"{TWO} 999999999 1", ONE) == "STARTED"

    def test_without_proc_the_process_id_alone_decides(
        self, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(orphans, "_PROC", tmp_path)
        gone = subprocess.Popen([sys.executable, "-c", ""])
        gone.wait()
        assert self.unfinished(instance, process_tags(ONE)[PROCESS_TAG], ONE) == "STARTED"
        assert self.unfinished(instance, f"{TWO} {gone.pid} ", TWO) == "FAILURE"
