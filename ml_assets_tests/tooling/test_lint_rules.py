"""The linter cannot be bribed: what it forbids, and a reason for all that it lets pass."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "pyproject.toml").read_text()
TOOLS = tomllib.loads(TEXT)["tool"]
HEAVY = TOOLS["ruff"]["lint"]["flake8-tidy-imports"]["banned-module-level-imports"]


def ruff(code: str, *, name: str) -> list[str]:
    """Return the rules that a file of this name and content breaks."""
    command = [sys.executable, "-m", "ruff", "check", "--output-format", "concise", "--no-cache"]
    done = subprocess.run(
        [*command, "--stdin-filename", name, "-"],
        cwd=ROOT,
        input=code,
        check=False,
        text=True,
        capture_output=True,
    )
    return [line.split()[1] for line in done.stdout.splitlines() if line.startswith(name)]


@pytest.mark.parametrize("library", HEAVY)
def test_heavy_libraries_stay_out_of_the_load_time(library: str) -> None:
    code = f'"""Docstring."""\n\nimport {library}\n\n__all__ = ["{library}"]\n'
    for name in ("ml_assets/steps/x.py", "ml_assets/cli.py", "ml_assets/orchestration/x.py"):
        assert "TID253" in ruff(code, name=name)
    assert "TID253" not in ruff(code, name="ml_assets/defs/shop/churn/features.py")


def test_heavy_libraries_may_be_imported_late_or_for_types_only() -> None:
    code = '''"""Docstring."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def load() -> pd.DataFrame:
    """Read something."""
    import pandas as pd

    return pd.DataFrame()
'''
    assert ruff(code, name="ml_assets/steps/x.py") == []


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("try:\n    x = 1\nexcept Exception:\n    x = 0\n", "BLE001"),
        ("print(1)\n", "T201"),
        ("from . import y\n", "TID252"),
        ("x = 1  # noqa\n", "PGH004"),
        ("def f():\n    return 1\n", "D103"),
        ("# x = compute(1)\n", "ERA001"),
    ],
)
def test_the_traps_of_the_trade_are_caught(code: str, rule: str) -> None:
    assert rule in ruff(f'"""Docstring."""\n\n{code}', name="ml_assets/steps/x.py")


def test_every_exception_from_a_rule_has_its_reason() -> None:
    lint = TEXT[TEXT.index("[tool.ruff.lint]") : TEXT.index("[tool.ruff.lint.flake8-tidy")]
    entries = [line for line in lint.splitlines() if line.startswith('    "')]
    assert len(entries) > 20
    assert [line for line in entries if " # " not in line] == []


def test_every_ignored_warning_has_its_reason_and_one_message() -> None:
    lines = TEXT[TEXT.index("filterwarnings = [") :].splitlines()
    ignored = [number for number, line in enumerate(lines) if '"ignore:' in line]
    assert ignored
    for number in ignored:
        assert lines[number - 1].lstrip().startswith("#"), lines[number]
        assert len(lines[number].split(":")[1]) > 20, lines[number]
    assert TOOLS["pytest"]["ini_options"]["filterwarnings"][0] == "error"
