"""Run the two sides of a figure in turn, each in a process of its own; the median counts.

A side is a function ``side(scale) -> Side``. It prepares what it needs, and puts only the work that
is compared into ``with stopwatch() as timer``. Both sides must give the same answer.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[1]
SCRATCH = ROOT / "benchmarks" / ".scratch"
_MARK = "benchmark-side: "


@dataclass
class Stopwatch:
    """Seconds of wall time, once stopped."""

    seconds: float = 0.0


@contextmanager
def stopwatch() -> Iterator[Stopwatch]:
    """Time the block."""
    timer = Stopwatch()
    started = time.perf_counter()
    yield timer
    timer.seconds = time.perf_counter() - started


@contextmanager
def empty_folder() -> Iterator[Path]:
    """Make a folder to write results to; it is gone after the block."""
    folder = SCRATCH / f"out-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Side:
    """What one run of a side gives: its time, the rows it worked on, and its answer."""

    seconds: float
    rows: int
    answer: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Run:
    """A side as seen from outside; ``peak_mb`` is the largest resident memory of its process."""

    seconds: float
    rows: int
    answer: str
    detail: str
    peak_mb: int


@dataclass(frozen=True)
class Figure:
    """A promise: what is compared, and what must hold.

    ``ours``, ``other`` and the values of ``beside`` name functions, ``module:function``. ``kind`` says
    what ``target`` limits: ours / other, ours - other in seconds, or the peak memory of ours in MB.
    """

    name: str
    title: str
    ours: str
    other: str | None
    target: float
    kind: Literal["ratio", "seconds beyond", "peak MB"] = "ratio"
    rounds: int = 5
    beside: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """One line of ``results.jsonl``. A line without a target is there for comparison only."""

    name: str
    ours_seconds: float
    other_seconds: float | None
    ratio: float | None
    kind: str
    measured: float | None
    target: float | None
    met: bool | None
    peak_mb: int
    other_peak_mb: int | None
    rows: int
    rounds: int
    detail: str
    machine: Mapping[str, Any]


def measure(figure: Figure, scale: float) -> list[Result]:
    """Run a figure; its own line first, then one for each contestant beside it."""
    ours, other = _in_turn(figure, scale)
    seconds = statistics.median(r.seconds for r in ours)
    peak = max(r.peak_mb for r in ours)
    results = [_result(figure, ours, other)]
    for label, side in figure.beside.items():
        run = _start(side, scale, figure.env)
        _same_answer(figure.name, label, ours[0], run)
        results.append(
            Result(
                name=f"{figure.name}: {label}",
                ours_seconds=round(seconds, 3),
                other_seconds=round(run.seconds, 3),
                ratio=round(seconds / run.seconds, 3),
                kind="beside",
                measured=None,
                target=None,
                met=None,
                peak_mb=peak,
                other_peak_mb=run.peak_mb,
                rows=run.rows,
                rounds=1,
                detail=run.detail,
                machine=machine(),
            )
        )
    return results


def machine() -> dict[str, Any]:
    """Describe this machine without naming it."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpus": os.cpu_count(),
        "memory_gb": round(memory / 2**30),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _in_turn(figure: Figure, scale: float) -> tuple[list[Run], list[Run]]:
    ours: list[Run] = []
    other: list[Run] = []
    for number in range(figure.rounds):
        ours.append(_start(figure.ours, scale, figure.env))
        if figure.other:
            other.append(_start(figure.other, scale, figure.env))
            _same_answer(figure.name, "the other side", ours[-1], other[-1])
        shown = f"{ours[-1].seconds:.2f} s" + (f" : {other[-1].seconds:.2f} s" if other else "")
        print(f"  {figure.name}, round {number + 1} of {figure.rounds}: {shown}", flush=True)
    return ours, other


def _result(figure: Figure, ours: Sequence[Run], other: Sequence[Run]) -> Result:
    seconds = statistics.median(r.seconds for r in ours)
    others = statistics.median(r.seconds for r in other) if other else None
    peak = max(r.peak_mb for r in ours)
    ratio = None if others is None else seconds / others
    measured = {
        "ratio": ratio,
        "seconds beyond": seconds - (others or 0.0),
        "peak MB": float(peak),
    }[figure.kind]
    return Result(
        name=figure.name,
        ours_seconds=round(seconds, 3),
        other_seconds=None if others is None else round(others, 3),
        ratio=None if ratio is None else round(ratio, 3),
        kind=figure.kind,
        measured=None if measured is None else round(measured, 3),
        target=figure.target,
        met=None if measured is None else measured <= figure.target,
        peak_mb=peak,
        other_peak_mb=max(r.peak_mb for r in other) if other else None,
        rows=ours[0].rows,
        rounds=figure.rounds,
        detail=ours[-1].detail,
        machine=machine(),
    )


def _same_answer(figure: str, label: str, ours: Run, other: Run) -> None:
    if ours.answer and other.answer and ours.answer != other.answer:
        message = f"{figure}: the answers differ: ours {ours.answer}, {label} {other.answer}"
        raise AssertionError(message)


def _start(side: str, scale: float, env: Mapping[str, str]) -> Run:
    """Run a side in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.harness", side, str(scale)]
    variables = {**os.environ, **env}
    variables.pop("ML_ASSETS_HOME", None)
    done = subprocess.run(
        command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False
    )
    for line in reversed(done.stdout.splitlines()):
        if line.startswith(_MARK):
            return Run(**json.loads(line.removeprefix(_MARK)))
    message = f"{side} failed with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    raise RuntimeError(message)


def _main(side: str, scale: float) -> None:
    """Run a side in this process, and print what it gave."""
    module, _, function = side.partition(":")
    found: Side = getattr(importlib.import_module(f"benchmarks.{module}"), function)(scale)
    # Kilobytes on Linux, bytes on macOS.
    unit = 2**20 if sys.platform == "darwin" else 2**10
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    peak = max(resource.getrusage(w).ru_maxrss for w in who) // unit
    run = Run(found.seconds, found.rows, found.answer, found.detail, peak)
    print(_MARK + json.dumps(vars(run)), flush=True)
    # What is left (servers, threads) must not add to the next side's time.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    _main(sys.argv[1], float(sys.argv[2]))
