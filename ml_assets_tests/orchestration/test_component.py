"""A ``defs.yaml`` through Dagster's own tools, in this project and in somebody else's."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import pytest
import yaml

from ml_assets.components import ModelComponent
from ml_assets.spec.errors import DeclarationError
from ml_assets_tests.orchestration.fakes import DECLARATION

if TYPE_CHECKING:
    from collections.abc import Callable

PROJECT = Path(__file__).parents[2]
PYPROJECT = """
[project]
name = "their_project"
version = "0"

[tool.dg]
directory_type = "project"

[tool.dg.project]
root_module = "their_project"
registry_modules = ["ml_assets.components"]
"""
DEFINITIONS = """
from pathlib import Path
import dagster as dg
from ml_assets.orchestration.resources import default_resources

defs = dg.Definitions.merge(
    dg.load_from_defs_folder(path_within_project=Path(__file__).parent),
    dg.Definitions(resources=default_resources()),
)
"""


def _dg(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{PROJECT}", "NO_COLOR": "1"}
    environment["PYTHONWARNINGS"] = "ignore"
    command = [str(Path(sys.executable).with_name("dg")), *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def their_project(tmp_path: Path) -> Callable[[str], Path]:
    """A project of somebody else that declares one model."""

    def make(declaration: str) -> Path:
        package = tmp_path / "their_project"
        model = package / "defs" / "shop" / "churn"
        model.mkdir(parents=True)
        for folder in (package, package / "defs"):
            (folder / "__init__.py").write_text("")
        (tmp_path / "pyproject.toml").write_text(PYPROJECT)
        (package / "definitions.py").write_text(DEFINITIONS)
        (model / "defs.yaml").write_text(declaration)
        (model / "features.py").write_text("raise RuntimeError('imported while loading')\n")
        return tmp_path

    return make


def _declaration(**changes: object) -> str:
    content = {"type": "ml_assets.components.ModelComponent"}
    return yaml.safe_dump({**content, "attributes": {**DECLARATION, **changes}}, sort_keys=False)


def test_dg_checks_this_project() -> None:
    done = _dg(PROJECT, "check", "defs")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All component YAML validated successfully." in done.stdout
    assert "All definitions loaded successfully." in done.stdout


def test_dg_lists_the_definitions_of_this_project() -> None:
    done = _dg(PROJECT, "list", "defs", "--json")
    assert done.returncode == 0, done.stderr
    listed = json.loads(done.stdout)
    keys = {asset["asset_key"] for asset in listed["assets"]}
    assert "flight_ops/arrival_delay/features/weather_hourly" in keys
    assert "flight_ops__arrival_delay__sensor" in {s["name"] for s in listed["sensors"]}


def test_dg_lists_a_model_of_another_project(their_project: Callable[[str], Path]) -> None:
    """Its ``features.py`` raises when it is imported: loading must not."""
    done = _dg(their_project(_declaration()), "list", "defs", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    keys = {asset["asset_key"] for asset in json.loads(done.stdout)["assets"]}
    assert "shop/churn/features/activity" in keys


def test_dg_check_yaml_names_file_line_and_the_fields_there_are(
    their_project: Callable[[str], Path],
) -> None:
    folder = their_project(_declaration().replace("lookback:", "lookbak:"))
    done = _dg(folder, "check", "yaml")
    assert done.returncode != 0
    file = "their_project/defs/shop/churn/defs.yaml"
    line = (folder / file).read_text().splitlines().index("    lookbak: 7 days") + 1
    assert f"{file}:{line} - ml_assets.components.ModelComponent" in done.stdout
    assert "attributes.feature_tables.0.lookbak" in done.stdout
    assert re.search(r"'lookbak' is not one of \[.*'lookback'", done.stdout)


def test_loading_names_file_line_field_and_the_closest_word(
    their_project: Callable[[str], Path],
) -> None:
    folder = their_project(_declaration().replace("lookback:", "lookbak:"))
    done = _dg(folder, "check", "defs", "--no-check-yaml")
    assert done.returncode != 0
    output = done.stdout + done.stderr
    assert re.search(r"churn/defs\.yaml:\d+: attributes\.feature_tables\[0\]\.lookbak", output)
    assert "write 'lookback' (did you mean that?)" in output


# Dagster calls pydantic the old way.
@pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20")
def test_a_leading_dot_means_the_folder_s_own_package(
    their_project: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = their_project(_declaration())
    monkeypatch.syspath_prepend(str(folder))
    tree = dg.ComponentTree.for_project(path_within_project=folder / "their_project")
    component = tree.load_component("shop/churn", expected_type=ModelComponent)
    assert component.spec.package == "their_project.defs.shop.churn"


def test_attributes_can_be_given_without_a_file() -> None:
    assert ModelComponent.from_attributes_dict(attributes=DECLARATION).spec.name == "shop/churn"


def test_missing_attributes_are_named() -> None:
    with pytest.raises(DeclarationError, match="registered_model"):
        ModelComponent.from_attributes_dict(attributes={"project": "shop"})
