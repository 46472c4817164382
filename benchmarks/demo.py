"""The demo's whole graph against a bare script that does the same work."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from benchmarks.harness import ROOT, SCRATCH, Figure, Side, stopwatch

if TYPE_CHECKING:
    from pathlib import Path

FIGURES = (
    Figure(
        name="demo",
        title="`ml-assets demo`, second run : a bare script (DuckDB, XGBoost, MLflow)",
        ours="demo:ours",
        other="demo:bare",
        target=1.7,
        rounds=5,
    ),
)
_FLIGHTS = 336_776


def ours(scale: float) -> Side:  # noqa: ARG001 - the data set has one size
    """Run the demo on a home where it ran before."""
    home = SCRATCH / "demo-home"
    command = [sys.executable, "-m", "ml_assets.cli", "demo"]
    if not (home / "ran").exists():
        shutil.rmtree(home, ignore_errors=True)
        _run(command, home)
        (home / "ran").touch()
    with stopwatch() as timer:
        shown = _run(command, home)
    return Side(timer.seconds, _FLIGHTS, detail=_auc(shown))


def bare(scale: float) -> Side:  # noqa: ARG001 - the data set has one size
    """Run the bare script on a folder where it ran before."""
    folder = SCRATCH / "bare-flights"
    command = [sys.executable, str(ROOT / "benchmarks" / "bare_flights.py"), str(folder)]
    if not (folder / "ran").exists():
        shutil.rmtree(folder, ignore_errors=True)
        _store_sources(folder)
        _run(command, folder)
        (folder / "ran").touch()
    with stopwatch() as timer:
        shown = _run(command, folder)
    return Side(timer.seconds, _FLIGHTS, detail=_auc(shown))


def _store_sources(folder: Path) -> None:
    """Store the raw tables, as the demo's first run does."""
    from ml_assets.defs.flight_ops.arrival_delay import sources

    folder.mkdir(parents=True)
    for read in (sources.flights, sources.weather, sources.planes):
        frame = read()
        if "time_hour" in frame:
            frame["time_hour"] = frame["time_hour"].astype("datetime64[us, UTC]")
        frame.to_parquet(folder / f"{read.__name__}.parquet")


def _run(command: list[str], home: Path) -> str:
    env = {**os.environ, "ML_ASSETS_HOME": str(home)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"{' '.join(command[1:])} failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        raise RuntimeError(message)
    return done.stdout


def _auc(shown: str) -> str:
    found = re.search(r"roc_auc\D*([01]\.\d+)", shown)
    return f"roc_auc {found[1]}" if found else ""
