"""The import rules of setup.cfg: each is broken on purpose, in a copy of the tree's outline."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINTER = Path(sys.executable).with_name("lint-imports")
MODULES = [
    "cli.py",
    "components.py",
    "definitions.py",
    "defs/shop/features.py",
    "drafting/draft.py",
    "evidence/roc.py",
    "orchestration/assets.py",
    "platform/databricks/tables.py",
    "platform/embedded/tables.py",
    "platform/protocol/tables.py",
    "remote.py",
    "rules/ml01.py",
    "spec/model.py",
    "steps/predict.py",
]


@pytest.fixture
def outline(tmp_path: Path) -> Path:
    """Give every room of the project, empty, under the project's rules."""
    for name in MODULES:
        module = tmp_path / "ml_assets" / name
        module.parent.mkdir(parents=True, exist_ok=True)
        module.touch()
    for folder in [tmp_path / "ml_assets", *(tmp_path / "ml_assets").rglob("*/")]:
        (folder / "__init__.py").touch()
    shutil.copy(ROOT / "setup.cfg", tmp_path)
    return tmp_path


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LINTER, "--no-cache"], cwd=folder, check=False, text=True, capture_output=True
    )


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("orchestration/assets.py", "import dagster, dagster_databricks, dagster_pyspark"),
        ("definitions.py", "import dagster, ml_assets.orchestration.assets"),
        ("components.py", "import ml_assets.orchestration.assets"),
        ("cli.py", "import ml_assets.definitions, ml_assets.steps.predict"),
        ("drafting/draft.py", "import ml_assets.orchestration.assets, ml_assets.steps.predict"),
        ("remote.py", "import dagster_pipes, ml_assets.steps.predict"),
        ("remote.py", "import ml_assets.platform.databricks.tables"),
        ("steps/predict.py", "import ml_assets.platform.protocol, ml_assets.rules.ml01"),
        ("steps/predict.py", "import ml_assets.evidence.roc"),
        ("evidence/roc.py", "import ml_assets.rules.ml01, ml_assets.spec.model"),
        ("platform/embedded/tables.py", "import ml_assets.platform.protocol, duckdb"),
    ],
)
def test_what_the_design_allows(outline: Path, module: str, line: str) -> None:
    (outline / "ml_assets" / module).write_text(line)
    done = lint(outline)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "line", "broken"),
    [
        ("spec/model.py", "import ml_assets.rules.ml01", "An import goes down only"),
        ("rules/ml01.py", "import ml_assets.steps.predict", "An import goes down only"),
        ("rules/ml01.py", "import ml_assets.platform.protocol", "An import goes down only"),
        ("steps/predict.py", "import ml_assets.orchestration.assets", "An import goes down only"),
        ("orchestration/assets.py", "import ml_assets.cli", "An import goes down only"),
        ("steps/predict.py", "import dagster", "Dagster lives in orchestration only"),
        ("remote.py", "import dagster", "Dagster lives in orchestration only"),
        ("remote.py", "import dagster_databricks", "Dagster lives in orchestration only"),
        ("spec/model.py", "import dagster_shared", "Dagster lives in orchestration only"),
        ("defs/shop/features.py", "import dagster", "Dagster lives in orchestration only"),
        (
            "platform/databricks/tables.py",
            "import ml_assets.platform.embedded.tables",
            "The platforms know nothing of each other",
        ),
        (
            "platform/embedded/tables.py",
            "def lazily(): import ml_assets.platform.databricks.tables",
            "The platforms know nothing of each other",
        ),
        (
            "platform/protocol/tables.py",
            "import ml_assets.platform.embedded",
            "The platforms know nothing of each other",
        ),
        (
            "steps/predict.py",
            "def lazily(): import ml_assets.platform.embedded.tables",
            "Steps know the protocol of a platform and nothing else of it",
        ),
        (
            "evidence/roc.py",
            "import ml_assets.platform.protocol",
            "Evidence is made from facts",
        ),
    ],
)
def test_what_the_design_forbids(outline: Path, module: str, line: str, broken: str) -> None:
    (outline / "ml_assets" / module).write_text(line)
    done = lint(outline)
    assert done.returncode == 1
    assert f"{broken} BROKEN" in done.stdout


def test_a_new_room_must_be_given_its_place(outline: Path) -> None:
    (outline / "ml_assets" / "misc.py").touch()
    done = lint(outline)
    assert done.returncode == 1
    assert "ml_assets.misc" in done.stdout


def test_rooms_that_are_not_built_yet_are_no_error(outline: Path) -> None:
    for name in ("evidence", "platform/databricks", "remote.py", "cli.py"):
        path = outline / "ml_assets" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert lint(outline).returncode == 0


def test_all_of_dagster_is_meant() -> None:
    rules = configparser.ConfigParser()
    rules.read(ROOT / "setup.cfg")
    forbidden = rules["importlinter:contract:dagster"]["forbidden_modules"].split()
    installed = {
        name
        for name in metadata.packages_distributions()
        if name == "dagster" or name.startswith("dagster_")
    }
    assert installed - set(forbidden) == {"dagster_pipes"}
