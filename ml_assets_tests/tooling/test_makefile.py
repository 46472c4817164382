"""The Makefile: the single door, and CI goes through it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TARGETS = [
    "help",
    "setup",
    "demo",
    "ui",
    "doctor",
    "test",
    "conformance",
    "lint",
    "types",
    "imports",
    "bench",
    "lock",
    "clean",
]
PARTS = ["ruff check", "ruff format", "mypy", "lint-imports", "pytest", "tools/conformance.py"]

# Stands in for Python and every tool: says what it was asked for, fails where it is told to.
FAKE_TOOL = """#!/bin/sh
echo "ran $(basename "$0") $*"
case "$0 $*" in *"$FAIL_AT"*) exit 1 ;; esac
"""


def make(*arguments: str, cwd: Path = ROOT, **env: str) -> subprocess.CompletedProcess[str]:
    """Run make as from a terminal, not as a child of the make that runs the tests."""
    ours = {"ARGS", "MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS", "MODEL", "PYTHON"}
    inherited = {key: value for key, value in os.environ.items() if key not in ours}
    return subprocess.run(
        ["make", *arguments],
        cwd=cwd,
        env=inherited | env,
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Give a checkout whose tools only say that they were called."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copytree(ROOT / ".ci", tmp_path / ".ci")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    for name in ("python", "lint-imports"):
        tool = tmp_path / ".venv" / "bin" / name
        tool.write_text(FAKE_TOOL)
        tool.chmod(0o755)
    return tmp_path


def test_make_alone_is_help_and_help_lists_every_target() -> None:
    shown = make().stdout
    assert shown == make("help").stdout
    assert re.findall(r"^  ([a-z]+) +\S", shown, flags=re.MULTILINE) == TARGETS


def test_every_target_is_phony() -> None:
    declared = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert declared.group(1).split() == TARGETS


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["demo"], "-m ml_assets.cli demo --model flight_ops/arrival_delay"),
        (["demo", "MODEL=shop/churn"], "-m ml_assets.cli demo --model shop/churn"),
        (["ui"], "-m ml_assets.cli ui"),
        (["doctor"], "-m ml_assets.cli doctor"),
        (["doctor", "ARGS=--run"], "-m ml_assets.cli doctor --run"),
        (["conformance"], "tools/conformance.py"),
        (["bench"], "-m benchmarks"),
    ],
)
def test_programs_run_in_the_environment_after_setup(arguments: list[str], command: str) -> None:
    setup, program = make("-n", *arguments).stdout.splitlines()
    assert setup.split()[:2] == ["python3", "tools/setup_env.py"]
    assert program.strip() == f".venv/bin/python {command}"


def test_only_a_python_that_was_asked_for_must_match() -> None:
    assert "--match-python" not in make("-n", "setup").stdout
    assert (
        "python3.12 tools/setup_env.py --match-python"
        in make("-n", "setup", "PYTHON=python3.12").stdout
    )
    assert "--match-python" in make("-n", "setup", PYTHON="python3.12").stdout


def ran(output: str) -> list[str]:
    """Return which parts of `make test` were called, in order."""
    calls = [line for line in output.splitlines() if line.startswith("ran ")]
    return [part for call in calls for part in PARTS if part in call]


def test_make_test_is_all_parts_each_with_a_title(checkout: Path) -> None:
    done = make("test", "PYTHON=true", cwd=checkout, FAIL_AT="nothing")
    assert done.returncode == 0, done.stdout
    assert ran(done.stdout) == PARTS
    assert len(re.findall(r"^== ", done.stdout, flags=re.MULTILINE)) == len(PARTS)


@pytest.mark.parametrize("position", range(len(PARTS)))
def test_make_test_stops_at_the_first_failing_part(checkout: Path, position: int) -> None:
    done = make("-j4", "test", "PYTHON=true", cwd=checkout, FAIL_AT=PARTS[position])
    assert done.returncode != 0
    assert ran(done.stdout) == PARTS[: position + 1]


def test_a_failed_setup_stops_everything(checkout: Path) -> None:
    done = make("test", "PYTHON=false", cwd=checkout, FAIL_AT="nothing")
    assert done.returncode != 0
    assert ran(done.stdout) == []


def test_ci_is_make_test(checkout: Path) -> None:
    done = subprocess.run(
        ["bash", checkout / ".ci" / "run"],
        cwd=checkout.parent,
        env={"PATH": os.environ["PATH"], "PYTHON": "true", "FAIL_AT": PARTS[-1]},
        check=False,
        text=True,
        capture_output=True,
    )
    assert done.returncode != 0
    assert ran(done.stdout) == PARTS


def test_clean_keeps_the_environment_and_the_warehouse(checkout: Path) -> None:
    kept = [".venv/bin/python", ".venv/lib/__pycache__/x.pyc", ".ml_assets/ml/feat/t/part.parquet"]
    kept += [".conformance/fe/lib/__pycache__/x.pyc"]
    removed = ["build/lib/x.py", "ml_assets/__pycache__/x.pyc", ".mypy_cache/x", "dist/x.whl"]
    for name in [*kept, *removed]:
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).touch()
    assert make("clean", cwd=checkout).returncode == 0
    assert [name for name in kept if not (checkout / name).exists()] == []
    assert [name for name in removed if (checkout / name).parent.exists()] == []
