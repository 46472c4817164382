"""The emulator for a person to look at."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from databricks.sdk import WorkspaceClient

ROOT = Path(__file__).parents[2]


def test_it_says_how_it_is_reached_and_ends_with_ctrl_c(tmp_path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "ml_assets_tests.emulator", str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        lines = [process.stdout.readline().removeprefix("export ").strip() for _ in range(5)]
        said = dict(line.split("=", maxsplit=1) for line in lines)
        client = WorkspaceClient(host=said["DATABRICKS_HOST"], token=said["DATABRICKS_TOKEN"])
        assert client.volumes.read("main.ml_assets.jobs").name == "jobs"
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    assert said["ML_ASSETS_PLATFORM"] == "databricks"
    assert Path(said["ML_ASSETS_CONFIG"]).is_file()
