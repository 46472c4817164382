"""``--run``: a job run in a bare environment says what is installed there."""

from __future__ import annotations

import json
import platform
from typing import TYPE_CHECKING

import pytest

from ml_assets.installed import MARK, installed
from ml_assets.orchestration.doctor.job import SUPPORTED, judged
from ml_assets_tests.emulator.fixtures import VOLUME
from ml_assets_tests.emulator.wheels import make_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from ml_assets_tests.emulator.server import Emulator
    from ml_assets_tests.orchestration.doctor.conftest import Clinic

GOOD = {
    "python": "3.12.3",
    "databricks-feature-engineering": "0.18.2",
    "mlflow": "3.12.0",
    "pandas": "2.2.3",
    "pyspark": "4.0.0",
    "scikit-learn": "1.6.1",
    "skops": "0.16.0",
    "xgboost": "2.1.4",
}


def _log(found: dict[str, str]) -> str:
    return f"starting\n{MARK}{json.dumps(found)}\nended\n"


def test_versions_that_work() -> None:
    result = judged(_log(GOOD), "https://x/1")
    assert result.state == "fine"
    assert "xgboost 2.1.4" in result.found


@pytest.mark.parametrize("name", sorted(SUPPORTED))
def test_a_package_that_is_missing(name: str) -> None:
    result = judged(_log({n: v for n, v in GOOD.items() if n != name}), "https://x/1")
    assert result.state == "broken"
    assert f"{name} is missing" in result.found


def test_a_version_that_does_not_work() -> None:
    result = judged(_log({**GOOD, "pandas": "3.0.1"}), "https://x/1")
    assert "pandas 3.0.1, not " in result.found


def test_a_job_without_a_word() -> None:
    assert judged("Traceback…", "https://x/1").state == "broken"


def test_what_is_installed_here_is_found() -> None:
    found = installed()
    assert found["python"] == platform.python_version()
    assert found["pandas"].startswith("2.")
    assert "databricks-feature-engineering" not in found


@pytest.mark.slow
def test_a_job_run_says_what_is_in_its_environment(
    on_databricks: Clinic, workspace: Emulator
) -> None:
    del on_databricks.section["wheel"]
    on_databricks.section["volume"] = workspace.unity.volume_path(VOLUME)
    on_databricks.section["compute"] = {"serverless": {"dependencies": ["pandas<3"]}}
    result = on_databricks.results(run=True)["job run"]
    assert result.state == "broken"
    lines = result.found.splitlines()
    assert f"python {platform.python_version()}, ml_assets 0.1.0+" in lines[0]
    assert lines[0].startswith(workspace.host)
    assert lines[1:] == [f"{n} is missing ({SUPPORTED[n]})" for n in SUPPORTED if n not in OURS]


#: What the environment of that job has.
OURS = {"python", "pandas"}


def test_a_job_run_that_fails_shows_why(
    on_databricks: Clinic, workspace: Emulator, tmp_path: Path
) -> None:
    other = make_wheel(tmp_path / "made", "def main(): ...")
    on_databricks.section |= {
        "wheel": str(other),
        "volume": workspace.unity.volume_path(VOLUME),
        "compute": {"serverless": {"dependencies": []}},
    }
    result = on_databricks.results(run=True)["job run"]
    assert result.state == "broken"
    assert "TERMINATED FAILED" in result.found
    assert "Package 'ml_assets' is not installed" in result.found
