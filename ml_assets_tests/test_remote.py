"""The job's side: work comes in through Pipes, reports and the end go out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata
from typing import TYPE_CHECKING, Any

import pytest
from dagster_pipes import encode_param

from ml_assets import remote
from ml_assets.spec.errors import SpecError
from ml_assets.steps.graph import steps_of
from ml_assets.steps.work import DONE, REPORT, WORK, Report, Task, Work
from ml_assets_tests import tiny

if TYPE_CHECKING:
    from pathlib import Path

    from ml_assets.spec.model import ModelSpec


def whole(spec: ModelSpec, **changes: Any) -> Work:
    """Everything of a model, in one job."""
    tasks = tuple(Task(step.asset, build=True) for step in steps_of(spec))
    return Work(spec, tasks, trace={"dagster_run_id": "r"}, **changes)


def start(
    folder: Path, home: Path, work: Work, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Start the job's process as Databricks would, on folders in the place of a volume."""
    messages = folder / "messages"
    messages.mkdir(parents=True)
    context = folder / "context.json"
    extras = {WORK: work.to_json()}
    context.write_text(
        json.dumps({"run_id": "r", "job_name": None, "retry_number": 0, "extras": extras})
    )
    arguments = [
        "--message-seconds",
        "0.2",
        "--dagster-pipes-context",
        encode_param({"path": str(context)}),
        "--dagster-pipes-messages",
        encode_param({"path": str(messages)}),
    ]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        "ML_ASSETS_HOME": str(home),
        remote.PLATFORM_VARIABLE: "embedded",
        **variables,
    }
    return subprocess.run(
        [sys.executable, "-m", "ml_assets.remote", *arguments],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
    )


def sent(folder: Path) -> list[dict[str, Any]]:
    """All messages, in the order in which they were sent."""
    chunks = sorted((folder / "messages").glob("*.json"), key=lambda p: int(p.stem))
    return [json.loads(line) for c in chunks for line in c.read_text().splitlines() if line]


def custom(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [m["params"]["payload"] for m in messages if m["method"] == "report_custom_message"]


def reports(messages: list[dict[str, Any]]) -> dict[str, Report]:
    found = [Report.from_json(m[REPORT]) for m in custom(messages) if REPORT in m]
    return {report.asset: report for report in found}


def test_a_whole_model_is_made_and_reported_in_order(tmp_path: Path, home: Path) -> None:
    work = whole(tiny.spec())
    done = start(tmp_path / "job", home, work)
    assert done.returncode == 0, done.stderr
    messages = sent(tmp_path / "job")
    found = reports(messages)
    assert list(found) == [task.asset for task in work.tasks]
    assert custom(messages)[-1] == {DONE: len(work.tasks)}
    assert messages[-1]["method"] == "closed"
    assert all(v.passed for r in found.values() for v in r.verdicts if v.severity == "error")
    assert found["training_set"].handle is not None
    assert found["training_set"].handle["rows"] == tiny.CUSTOMERS * tiny.DAYS
    assert found["training_set"].table is not None
    assert found["training_set"].table.version >= 0
    assert found["model_version"].handle is not None
    assert found["model_version"].handle["champion"] == 1
    assert {"log"} <= {m["method"] for m in messages}
    assert any("Building training_set" in str(m["params"]) for m in messages)


def test_a_red_blocking_check_ends_the_job_as_failed_after_everything_was_reported(
    tmp_path: Path, home: Path
) -> None:
    values = tiny.mapping()
    del values["feature_tables"][0]["columns"]["amount"]["default"]
    work = whole(tiny.spec(feature_tables=values["feature_tables"]))
    done = start(tmp_path / "job", home, work)
    assert done.returncode != 0
    assert "WorkFailedError: features/activity: ml03_no_" in done.stderr
    messages = sent(tmp_path / "job")
    found = reports(messages)
    assert custom(messages)[-1] == {DONE: len(work.tasks)}
    assert found["features/activity"].handle is None
    assert found["features/profile"].handle is not None
    assert found["labels"].handle is not None
    assert found["training_set"].skipped.startswith("ml03_no_")
    assert found["predictions"].skipped == "model_version was skipped"
    assert not (home / "warehouse/shop/training").exists()


def test_a_task_that_raises_is_reported_with_its_traceback(tmp_path: Path, home: Path) -> None:
    values = tiny.mapping()
    values["label"]["transform"] = ".tiny.not_there"
    work = whole(tiny.spec(label=values["label"]))
    done = start(tmp_path / "job", home, work)
    assert done.returncode != 0
    error = reports(sent(tmp_path / "job"))["labels"].error
    assert error is not None
    assert error.ours
    assert "not_there" in error.message
    assert "Traceback" in error.traceback


def test_work_for_another_version_of_the_code_is_refused_before_anything_is_done(
    tmp_path: Path, home: Path
) -> None:
    other = Work(tiny.spec(), ())
    values = other.to_json()
    values["spec_hash"] = "0" * 12

    class Sent:
        def to_json(self) -> dict[str, Any]:
            return values

    done = start(tmp_path / "job", home, Sent())  # type: ignore[arg-type]
    assert done.returncode != 0
    assert "install the same version of ml_assets on both sides" in done.stderr
    assert custom(sent(tmp_path / "job")) == []


def test_another_wheel_than_the_one_that_was_sent_is_refused() -> None:
    with pytest.raises(SpecError, match="restart the cluster"):
        remote.refuse_other_code("0.0.1+0123456789abcdef")
    remote.refuse_other_code(None)
    remote.refuse_other_code(metadata.version("ml_assets"))


def test_a_platform_that_does_not_exist_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(remote.PLATFORM_VARIABLE, "embeded")
    with pytest.raises(SpecError, match="did you mean 'embedded'"):
        remote.open_platform()


def test_a_start_by_hand_says_who_starts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["ml-assets-remote"])
    with pytest.raises(SpecError, match="materialize assets in Dagster"):
        remote.main()
