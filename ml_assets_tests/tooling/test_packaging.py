"""What is shipped: the wheel that a Databricks job installs, and the code location's name."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "ml_assets"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PYPROJECT["project"]["optional-dependencies"]
# Present only inside the Databricks ML runtime.
RUNTIME_ONLY = {"databricks", "dbutils", "delta"}
# pydantic pins it to the exact version and shows its types in its own interface.
PART_OF_PYDANTIC = {"pydantic_core"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Build the wheel from a copy, so that no build folder is left in the checkout."""
    copy = tmp_path_factory.mktemp("copy")
    for name in ("pyproject.toml", "setup.cfg", "LICENSE", "README.md"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, copy)
    for name in ("ml_assets", "ml_assets_tests"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", copy, copy],
        check=True,
        capture_output=True,
    )
    [path] = copy.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_is_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    shipped = {name for name in wheel.namelist() if ".dist-info/" not in name}
    wanted = {
        path.relative_to(ROOT).as_posix()
        for path in PACKAGE.rglob("*")
        if path.suffix in {".py", ".yaml"} and "__pycache__" not in path.parts
    }
    assert wanted <= shipped
    assert {name.split("/")[0] for name in shipped} == {"ml_assets"}


def test_the_wheel_carries_its_licence_and_few_dependencies(wheel: zipfile.ZipFile) -> None:
    [facts] = [name for name in wheel.namelist() if name.endswith("/METADATA")]
    text = wheel.read(facts).decode()
    base = [
        line.split()[1].split(">")[0]
        for line in text.splitlines()
        if line.startswith("Requires-Dist: ") and "extra ==" not in line
    ]
    assert base == ["dagster-pipes", "pydantic", "pyyaml"]
    assert "License-Expression: Apache-2.0" in text
    assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())


def third_party_imports() -> dict[str, str]:
    """Return the libraries that ml_assets imports anywhere, each with one file that does."""
    known = sys.stdlib_module_names | RUNTIME_ONLY | PART_OF_PYDANTIC | {"ml_assets"}
    found: dict[str, str] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module]
            for name in {name.split(".")[0] for name in names}:
                if name not in known:
                    found[name] = str(path.relative_to(ROOT))
    return found


def test_what_is_imported_is_declared() -> None:
    runtime = [*PYPROJECT["project"]["dependencies"], *EXTRAS["embedded"]]
    runtime += [*EXTRAS["dagster"], *EXTRAS["demo"]]
    declared = {canonicalize_name(Requirement(text).name) for text in runtime}
    installed = metadata.packages_distributions()
    undeclared = {
        name: path
        for name, path in third_party_imports().items()
        if not declared & {canonicalize_name(found) for found in installed.get(name, [])}
    }
    assert undeclared == {}


def test_dg_and_dagster_call_the_code_location_by_the_same_name() -> None:
    project = PYPROJECT["tool"]["dg"]["project"]
    workspace = yaml.safe_load((ROOT / "workspace.yaml").read_text())
    [location] = [entry["python_module"] for entry in workspace["load_from"]]
    assert location["location_name"] == project["code_location_name"] == "ml_assets"
    assert location["module_name"] == project["code_location_target_module"]
    assert project["registry_modules"] == ["ml_assets.components"]
