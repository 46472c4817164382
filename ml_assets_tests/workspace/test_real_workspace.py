"""The example project in a real workspace: the settings and credentials of whoever runs this.

The tables are those of ``ML_ASSETS_CATALOG``: use a catalog for trying things out.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import dagster as dg
import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(4 * 3600)]
ASSETS = 12


def ml_assets(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run a command on the Databricks platform, with a Dagster storage of its own."""
    variables = {**os.environ, "ML_ASSETS_PLATFORM": "databricks", "ML_ASSETS_HOME": str(home)}
    variables.pop("DAGSTER_HOME", None)
    command = [sys.executable, "-m", "ml_assets.cli", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=variables)


@pytest.fixture(scope="module")
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One storage for all tests of the module: the second run continues the first."""
    return tmp_path_factory.mktemp("workspace") / "home"


def test_the_doctor_finds_nothing_to_fix(own_home: Path) -> None:
    done = ml_assets("doctor", "--run", home=own_home)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("time", ["first", "second"])
def test_the_whole_graph_is_made_judged_and_made_again(own_home: Path, time: str) -> None:
    done = ml_assets("demo", home=own_home)
    assert done.returncode == 0, f"{time} run:\n{done.stdout}{done.stderr}"
    assert len(re.findall(rf"/{ASSETS} ✓ ", done.stdout)) == ASSETS
    assert "Everything passed" in done.stdout


def test_each_run_was_one_job_run_in_the_workspace(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(own_home / "dagster"))
    with dg.DagsterInstance.get() as instance:
        runs = instance.get_runs()
        assert len(runs) == 2
        for run in runs:
            found = instance.get_records_for_run(
                run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION
            ).records
            urls = {r.asset_materialization.metadata["databricks_run_url"].value for r in found}
            assert len(found) == ASSETS
            assert len(urls) == 1
            assert next(iter(urls)).startswith("https://")
