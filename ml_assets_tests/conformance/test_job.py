"""Two jobs, one after the other, as on a cluster: each is a process, and knows only what is stored."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from dagster_pipes import encode_param

from ml_assets.remote import PLATFORM_VARIABLE
from ml_assets.steps.graph import steps_of
from ml_assets.steps.work import DONE, REPORT, WORK, Report, Task, Work
from ml_assets_tests import tiny
from ml_assets_tests.conformance.platforms import databricks
from ml_assets_tests.steps.helpers import TRACE


def run_job(folder, home, work):
    """Start a job's process on folders in the place of a volume; return its custom messages."""
    messages = folder / "messages"
    messages.mkdir(parents=True)
    context = {"run_id": "r", "job_name": None, "retry_number": 0, "extras": {WORK: work.to_json()}}
    (folder / "context.json").write_text(json.dumps(context))
    arguments = ["--message-seconds", "0.2"]
    arguments += ["--dagster-pipes-context", encode_param({"path": str(folder / "context.json")})]
    arguments += ["--dagster-pipes-messages", encode_param({"path": str(messages)})]
    done = subprocess.run(
        [sys.executable, "-m", "ml_assets_tests.conformance.job", str(home), *arguments],
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(Path.cwd())},
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    chunks = sorted(messages.glob("*.json"), key=lambda p: int(p.stem))
    lines = [json.loads(line) for p in chunks for line in p.read_text().splitlines() if line]
    return done, [m["params"]["payload"] for m in lines if m["method"] == "report_custom_message"]


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    """The first job makes the tables, the second one trains and scores from what is stored."""
    folder, spec = tmp_path_factory.mktemp("jobs"), tiny.spec()
    assets = [step.asset for step in steps_of(spec)]
    cut = assets.index("trained_model")
    home, reports, handles = folder / "home", [], {}
    for number, part in enumerate((assets[:cut], assets[cut:])):
        tasks = tuple(Task(asset, build=True) for asset in part)
        work = Work(spec, tasks, handles=dict(handles), trace=TRACE)
        done, answers = run_job(folder / f"{number}", home, work)
        assert done.returncode == 0, done.stderr[-3000:]
        assert answers[-1] == {DONE: len(part)}
        reports += [Report.from_json(answer[REPORT]) for answer in answers[:-1]]
        handles |= {r.asset: r.handle for r in reports}
    return spec, home, reports


def test_jobs_use_databricks_unless_told_otherwise():
    assert PLATFORM_VARIABLE not in os.environ


def test_every_asset_is_reported_in_order_and_green(jobs):
    spec, _, reports = jobs
    assert [r.asset for r in reports] == [step.asset for step in steps_of(spec)]
    red = {r.asset: [v.check for v in r.verdicts if not v.passed] for r in reports}
    assert {asset: checks for asset, checks in red.items() if checks} == {}
    assert [r.asset for r in reports if r.error or r.skipped or not r.handle] == []


def test_a_third_process_finds_what_both_stored(jobs):
    spec, home, _ = jobs
    with databricks(home) as (platform, workspace):
        assert platform.tables.read(spec.scoring.table).count() == tiny.CUSTOMERS
        assert platform.registry.version_of(spec.registered_model, "champion") == 1
        assert workspace.unity.table("shop.features.activity").timeseries == "known_at"
