from __future__ import annotations

from pathlib import Path

import pytest

from ml_assets.spec.errors import SpecError
from ml_assets.spec.imports import load_object, package_of


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package of its own name for each test, because Python remembers imports."""
    name = f"shop_{tmp_path.name}".replace("-", "_")
    folder = tmp_path / name / "models" / "spender"
    folder.mkdir(parents=True)
    (tmp_path / name / "__init__.py").touch()
    (folder / "features.py").write_text("def weather(): return 'sunny'\n")
    (folder / "broken.py").write_text("1 / 0\n")
    (folder / "needy.py").write_text("import a_library_that_is_not_there\n")
    (folder / "wrong.py").write_text("def (:\n")
    monkeypatch.syspath_prepend(tmp_path)
    return f"{name}.models.spender"


def refused(path: str, package: str | None) -> SpecError:
    with pytest.raises(SpecError) as caught:
        load_object(path, field="feature_tables.w.transform", package=package)
    assert caught.value.where == f"feature_tables.w.transform: {path}"
    return caught.value


def test_a_leading_dot_starts_at_the_package(package: str):
    assert load_object(".features.weather", field="transform", package=package)() == "sunny"
    assert load_object(f"{package}.features.weather", field="transform")() == "sunny"


def test_a_misspelled_function_gets_a_suggestion(package: str):
    assert "did you mean 'weather'" in refused(".features.wether", package).fix


def test_a_missing_module_is_said(package: str):
    assert "No module named" in refused(".feature.weather", package).found
    assert "correct the path" in refused(".feature.weather", package).fix
    assert "no package" in refused(".features.weather", None).found


def test_a_library_that_the_module_misses_is_not_taken_for_the_module(package: str):
    error = refused(".needy.weather", package)
    assert error.fix.startswith("install the package that holds 'a_library_that_is_not_there'")


@pytest.mark.parametrize(
    ("module", "cause"), [("broken", "ZeroDivisionError"), ("wrong", "SyntaxError")]
)
def test_a_module_that_fails_keeps_its_error(package: str, module: str, cause: str):
    error = refused(f".{module}.weather", package)
    assert cause in error.found
    assert type(error.__cause__).__name__ == cause
    assert error.fix == f"correct the error in {package}.{module}"


def test_the_package_of_a_folder_is_what_python_imports_it_as(package: str, tmp_path: Path):
    folder = tmp_path.joinpath(*package.split("."))
    assert package_of(folder) == package
    assert package_of(tmp_path) is None or package_of(tmp_path).endswith(tmp_path.name)


def test_a_regular_package_goes_before_a_nearer_folder(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = tmp_path.joinpath(*package.split("."))
    monkeypatch.syspath_prepend(folder.parent)
    assert package_of(folder) == package


def test_a_folder_that_no_name_can_reach_has_no_package(tmp_path: Path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "not-a-name"
    folder.mkdir()
    assert package_of(folder) is None
