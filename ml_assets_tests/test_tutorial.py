"""The tutorial, followed to the letter in a copy of the project: commands, edits and outputs."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "tutorial.md"
DATA = ROOT / "examples" / "tutorial" / "seattle_weather.csv"
MODEL = Path("ml_assets/defs/seattle/temperature")
#: Of the file in the package vega_datasets 0.9.0.
SHA256 = "62f0609f787158128aa2bd102967173a4953122dd4f872bf1d502cae1037df0b"

pytestmark = pytest.mark.slow


@dataclass
class Reader:
    """Somebody who follows the page: types its commands, copies its code."""

    folder: Path
    home: Path
    blocks: list[tuple[str, str]]
    ran: list[tuple[str, str]] = field(default_factory=list)

    def of(self, language: str) -> list[str]:
        return [text for name, text in self.blocks if name == language]

    def type_command(self, number: int) -> int:
        """Run the page's command of that number; keep what it shows and what was printed."""
        command, _, shown = self.of("console")[number].partition("\n")
        prompt, program, *arguments = command.split()
        assert (prompt, program) == ("$", "ml-assets")
        done = subprocess.run(
            [sys.executable, "-m", "ml_assets.cli", *arguments],
            cwd=self.folder,
            env={**os.environ, "ML_ASSETS_HOME": str(self.home), "PYTHONPATH": str(self.folder)},
            check=False,
            capture_output=True,
            text=True,
        )
        self.ran.append((shown, done.stdout + done.stderr))
        return done.returncode

    def edit(self, name: str, old: str, new: str) -> None:
        file = self.folder / MODEL / name
        text = file.read_text("utf-8")
        assert text.count(old) == 1
        file.write_text(text.replace(old, new), "utf-8")


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """Follow the page from the first command to the last."""
    folder = tmp_path_factory.mktemp("tutorial")
    hide = shutil.ignore_patterns("__pycache__")
    for name in ("ml_assets", "examples/tutorial"):
        shutil.copytree(ROOT / name, folder / name, ignore=hide)
    for name in ("pyproject.toml", "workspace.yaml"):
        shutil.copy(ROOT / name, folder)
    blocks = re.findall(r"```(\w+)\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    reader = Reader(folder, folder / "home", blocks)
    assert len(reader.of("console")) == 4
    complete_after, new_feature, broken = reader.of("python")
    filled, new_column = reader.of("yaml")
    assert reader.type_command(0) == 0
    assert complete_after in (folder / MODEL / "features.py").read_text()
    assert reader.type_command(1) == 1
    _only_marks_were_replaced((folder / MODEL / "defs.yaml").read_text(), filled)
    (folder / MODEL / "defs.yaml").write_text(filled)
    first = '        "precipitation",\n'
    reader.edit("features.py", first, new_feature + first)
    first = "         precipitation:"
    reader.edit("defs.yaml", first, new_column + first)
    assert reader.type_command(2) == 0, reader.ran[-1][1]
    reader.edit("features.py", complete_after, broken)
    reader.home = folder / "another_home"
    assert reader.type_command(3) == 1
    return reader


def _only_marks_were_replaced(before: str, after: str) -> None:
    pattern = re.sub(r"'TODO:(?:\\.|[^'])*'", "'[^']+'", re.escape(before))
    assert "TODO" not in pattern
    assert re.fullmatch(pattern, after)


def test_the_data_is_the_published_file() -> None:
    assert hashlib.sha256(DATA.read_bytes()).hexdigest() == SHA256


@pytest.mark.parametrize("number", range(4))
def test_what_the_page_shows_is_what_is_printed(reader: Reader, number: int) -> None:
    shown, printed = reader.ran[number]
    rest = [_plain(line) for line in printed.splitlines()]
    for line in map(_plain, shown.splitlines()):
        if line in {"", "…"}:
            continue
        found = [i for i, actual in enumerate(rest) if _shows(line, actual)]
        assert found, f"{line!r} is not printed (any more, in this order):\n{printed}"
        rest = rest[found[0] + 1 :]


def _plain(line: str) -> str:
    return " ".join(line.split())


def _shows(line: str, actual: str) -> bool:
    """Whether a printed line is the one that is shown: all of it from where it begins to be shown.

    Metrics may differ by a twentieth: libraries of other versions add up in another order.
    """
    if match := re.fullmatch(r"(\w+) (-?\d+\.\d+) (-?\d+\.\d+)", line):
        name, _, numbers = actual.partition(" ")
        if name != match[1]:
            return False
        expected = [float(match[2]), float(match[3])]
        return [float(n) for n in numbers.split()] == pytest.approx(expected, rel=0.05)
    return line.removeprefix("…") in actual


def test_the_page_says_how_good_as_today_would_be(reader: Reader) -> None:
    """Guard the comparison that is made in words."""
    days = pd.read_csv(DATA, parse_dates=["date"])
    later = days[days["date"] >= "2015-03-14"]
    error = (later["temp_max"] - days["temp_max"].shift(1)[later.index]).abs().mean()
    assert f"{error:.1f}" == "2.4"
    text = " ".join(PAGE.read_text("utf-8").split())
    assert '"as warm as today" is off by 2.4 too' in text
    (mae,) = re.findall(r"^mae +([\d.]+)", reader.ran[2][1], re.MULTILINE)
    assert f"off by {float(mae):.1f} degrees" in text


def test_the_prediction_is_for_the_day_after_the_last(reader: Reader, spark) -> None:
    from ml_assets.platform.embedded import EmbeddedPlatform

    platform = EmbeddedPlatform(home=reader.folder / "home", spark=spark)
    (row,) = platform.tables.read("seattle.predictions.temperature").collect()
    assert str(row["asked_at"]) == "2016-01-01 00:00:00"
    assert -10 < row["prediction"] < 20
