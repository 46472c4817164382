"""The command line on a model of remembering steps: what it prints, keeps and returns."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

import dagster as dg
import pytest

from ml_assets import cli
from ml_assets.orchestration.instance import prepare_dagster_home
from ml_assets.orchestration.names import asset_key
from ml_assets.spec.errors import DataError
from ml_assets_tests.orchestration.fakes import Bench, World, make_spec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[[World], tuple[int, str]]

HOLDOUT = {"holdout_roc_auc": 0.81, "baseline_roc_auc": 0.5, "holdout_brier": 0.12}


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run ``demo`` on the test model; give back the exit code and what was printed."""
    monkeypatch.setenv("DAGSTER_HOME", "to be put back after the test")

    def demonstrate(world: World) -> tuple[int, str]:
        with dg.DagsterInstance.ephemeral(tempdir=str(home.parent)) as unused:
            definitions = Bench(world, make_spec(), unused).definitions()
        monkeypatch.setattr(cli, "_definitions", lambda: definitions)
        code = cli.main(["demo", "--model", "shop/churn"])
        captured = capfd.readouterr()
        return code, captured.out + captured.err

    return demonstrate


def _line(output: str, *words: str) -> str:
    return next(line for line in output.splitlines() if all(word in line for word in words))


def test_a_green_run_says_what_each_step_asset_and_check_came_to(run: Run) -> None:
    code, output = run(World(details={"model_version": HOLDOUT}))
    assert code == 0
    # While it runs: each step when it starts and when it ends, with seconds.
    assert "1/8 … " in output
    assert "8/8 ✓ predictions" in output
    assert " s  10 rows, version 0, 2 checks passed" in _line(output, "✓ features/activity")
    # Each asset with rows, table and Delta version.
    words = _line(output, "labels ", "main.shop.labels").split()
    assert words[:4] == ["labels", "10", "main.shop.labels", "0"]
    # Each check with its verdict and its numbers.
    assert "features/activity   keys_unique        ✓   keys_unique: 3 of 10." in output
    for check in ("binary", "not_single_class", "no_leak", "has_signature", "gates"):
        assert "✓" in _line(output, f"{check} ", "3 of 10")
    # The registered version with its metrics beside the baseline's.
    assert "main.shop.churn version 1 (not champion; there is none yet)" in output
    assert _line(output, "roc_auc").split() == ["roc_auc", "0.8100", "0.5000"]
    assert _line(output, "brier").split() == ["brier", "0.1200"]
    # The end, and how to go on; nothing of Dagster's own log.
    assert "Everything passed in " in output
    assert "make ui" in output
    assert "STEP_START" not in output


def test_the_ui_finds_the_run_in_the_same_storage(run: Run, home: Path) -> None:
    run(World())
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        (found,) = instance.get_runs()
        assert found.status == dg.DagsterRunStatus.SUCCESS
        assert found.tags["ml_assets/model"] == "shop__churn"
        # Without its code location the UI could not re-execute the run.
        assert found.remote_job_origin is not None
        assert found.remote_job_origin.location_name == "ml_assets"
        key = asset_key(make_spec(), "predictions")
        assert instance.get_latest_materialization_event(key)


def test_a_red_check_is_printed_first_with_its_fix_and_the_exit_code_is_one(run: Run) -> None:
    code, output = run(World(red={"binary"}))
    assert code == 1
    assert "✗ labels" in _line(output, "red: binary")
    first = output.index("✗ binary on labels\nbinary: 3 of 10.\n\nFix: repair binary")
    assert first < output.index("stored as")
    assert "not started" in _line(output, "training_set ")
    assert "Not everything passed" in output


def test_a_single_class_label_is_not_a_success(run: Run) -> None:
    code, output = run(World(red={"not_single_class"}))
    assert code == 1
    assert "✗ not_single_class on labels" in output
    assert "- trained_model" in _line(output, "trained_model", "skipped", "/8")


def test_a_red_version_says_which_one_serves(run: Run) -> None:
    world = World(
        red={"gates"}, keeps_refused={"model_version"}, details={"model_version": HOLDOUT}
    )
    code, output = run(world)
    assert code == 1
    assert "version 1 (not champion" in output


def test_a_warning_is_shown_and_is_a_success(run: Run) -> None:
    code, output = run(World(red={"mostly_defaults"}))
    assert code == 0
    assert "!" in _line(output, "mostly_defaults ", "3 of 10")


def test_an_error_is_printed_with_its_fix(run: Run) -> None:
    error = DataError("labels", found="nothing", expected="rows", fix="load some")
    code, output = run(World(errors={"labels": error}))
    assert code == 1
    assert "✗ labels failed\nDataError: labels\n  found:    nothing" in output.replace(
        "ml_assets.spec.errors.", ""
    )


def test_ctrl_c_says_what_was_kept(run: Run) -> None:
    world = World(errors={"labels": KeyboardInterrupt()})  # type: ignore[dict-item]
    code, output = run(world)
    assert code == 130
    assert "Stopped." in output
    assert "kept: sources/visits, main.raw.visits version 0" in output
    assert "kept: labels" not in output


def test_ctrl_c_between_the_steps_promises_no_more_than_is_true(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> dg.Definitions:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_definitions", interrupted)
    assert cli.main(["demo"]) == 130
    error = capsys.readouterr().err
    assert "What was published before stays" in error
    assert "a step that was just publishing may have published" in error
    assert "Run it again" in error


def test_what_engines_print_goes_into_a_file(run: Run, home: Path) -> None:
    class Loud(World):
        def build(self, *arguments: object) -> object:
            os.write(1, b"engine noise\n")
            return super().build(*arguments)  # type: ignore[arg-type]

    code, output = run(Loud())
    assert code == 0
    assert "engine noise" not in output
    (file,) = (home / "logs").glob("demo-*.log")
    assert "engine noise" in file.read_text()
    assert str(file) in output


def test_an_unknown_model_is_answered_with_the_declared_ones(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["demo", "--model", "flight_ops/arival_delay"]) == 1
    error = capsys.readouterr().err
    assert "expected: one of flight_ops/arrival_delay" in error
    assert "did you mean 'flight_ops/arrival_delay'?" in error


def test_an_error_while_another_was_handled_is_not_passed_off_as_the_other(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise DataError("labels", found="nothing", expected="rows", fix="fill it")

    def broken() -> dg.Definitions:
        try:
            refuse()
        except DataError:
            return {}["a mistake of ours"]

    monkeypatch.setattr(cli, "_definitions", broken)
    with pytest.raises(KeyError, match="a mistake of ours"):
        cli.main(["demo"])


def test_our_error_is_found_below_the_ones_that_dagster_raises_from_it(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def wrapped() -> dg.Definitions:
        cause = DataError("labels", found="nothing", expected="rows", fix="fill it")
        raise dg.DagsterInvalidDefinitionError("while loading") from cause

    monkeypatch.setattr(cli, "_definitions", wrapped)
    assert cli.main(["demo"]) == 1
    assert "fix:      fill it" in capsys.readouterr().err


def test_a_command_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main([])
    assert stopped.value.code == 2
    assert "COMMAND" in capsys.readouterr().err


class TestDagsterHome:
    @pytest.fixture(autouse=True)
    def _elsewhere(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG002
        monkeypatch.setenv("DAGSTER_HOME", "/somewhere/else")

    def test_settings_are_written_once(self, home: Path) -> None:
        folder = prepare_dagster_home(home)
        settings = folder / "dagster.yaml"
        assert "telemetry:\n  enabled: false" in settings.read_text()
        settings.write_text("telemetry:\n  enabled: true\n")
        prepare_dagster_home(home)
        assert settings.read_text() == "telemetry:\n  enabled: true\n"

    def test_dagster_accepts_them(self, home: Path) -> None:
        with dg.DagsterInstance.from_config(str(prepare_dagster_home(home))) as instance:
            assert not instance.telemetry_enabled
            assert not instance.nux_enabled

    def test_it_becomes_the_home_of_this_process(self, home: Path) -> None:
        assert os.environ["DAGSTER_HOME"] == "/somewhere/else"
        assert str(prepare_dagster_home(home)) == os.environ["DAGSTER_HOME"]

    def test_a_home_that_cannot_be_written_is_an_error_that_says_so(
        self, home: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        home.parent.mkdir(exist_ok=True)
        home.write_text("a file, not a folder")
        assert cli.main(["ui"]) == 1
        assert "set ML_ASSETS_HOME to a folder that you can write" in capsys.readouterr().err


def test_ui_starts_dagster_on_the_same_storage(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")
    before = signal.getsignal(signal.SIGINT)
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _, command: started.append(command))
    try:
        cli.main(["ui", "--port", "3456"])
    finally:
        signal.signal(signal.SIGINT, before)
    (command,) = started
    assert command[:5] == [sys.executable, "-m", "dagster", "dev", "-w"]
    assert command[5].endswith("workspace.yaml")
    assert command[-2:] == ["--port", "3456"]
    assert os.environ["DAGSTER_HOME"] == str(home / "dagster")
    output = capsys.readouterr().out
    assert "http://127.0.0.1:3456" in output
    assert f"--backend-store-uri sqlite:///{home}/mlflow.db" in output
