"""The wheel of the project: what is in it, built once, uploaded once."""

from __future__ import annotations

import shutil
import tomllib
import zipfile
from pathlib import Path

import pytest

from ml_assets.orchestration.databricks import wheel as module
from ml_assets.orchestration.databricks.compute import SERVERLESS_DEPENDENCIES
from ml_assets.orchestration.databricks.errors import WheelError
from ml_assets.orchestration.databricks.wheel import build_wheel, digest_of, find_wheel
from ml_assets_tests.emulator.fixtures import VOLUME
from ml_assets_tests.emulator.wheels import make_wheel

ROOT = Path(__file__).parents[3]
#: A project that is as small as ours is not.
SMALL = {
    "pyproject.toml": """
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"
[project]
name = "ml_assets"
version = "0.1.0"
[tool.setuptools.packages.find]
include = ["ml_assets", "ml_assets.*"]
[tool.setuptools.package-data]
"*" = ["*.yaml"]
""",
    "ml_assets/__init__.py": "",
    "ml_assets/defs/shop/churn/defs.yaml": "type: x\n",
    "ml_assets/defs/shop/churn/features.py": "X = 1\n",
    "ml_assets/__pycache__/x.pyc": "",
}


@pytest.fixture
def checkout(tmp_path):
    for name, text in SMALL.items():
        file = tmp_path / "checkout" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path / "checkout"


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "wheels"


@pytest.mark.slow
def test_the_declared_models_are_in_the_projects_wheel(cache):
    made = find_wheel("", cache)
    names = zipfile.ZipFile(made.path).namelist()
    models = (ROOT / "ml_assets" / "defs").rglob("*")
    wanted = {f.relative_to(ROOT).as_posix() for f in models if f.suffix in {".py", ".yaml"}}
    assert wanted <= set(names)
    assert {"ml_assets/remote/__init__.py", "ml_assets/remote/__main__.py"} <= set(names)
    [points] = [name for name in names if name.endswith("entry_points.txt")]
    assert "ml-assets-remote" in zipfile.ZipFile(made.path).read(points).decode()


def test_the_same_content_gives_the_same_bytes(checkout, tmp_path):
    one = build_wheel(checkout, tmp_path / "a").path.read_bytes()
    for file in checkout.rglob("*"):
        file.touch()
    assert build_wheel(checkout, tmp_path / "b").path.read_bytes() == one


def test_it_is_built_once_for_each_content(checkout, cache, monkeypatch):
    first = build_wheel(checkout, cache)
    monkeypatch.setattr(module, "_build", lambda *_: pytest.fail("built again"))
    assert build_wheel(checkout, cache) == first
    assert [f.name for f in cache.iterdir()] == [first.digest], "nothing else is left"


def test_another_content_is_another_version(checkout, cache):
    """On a running cluster pip keeps what has the same version."""
    first = build_wheel(checkout, cache)
    (checkout / "ml_assets/defs/shop/churn/features.py").write_text("X = 2\n")
    second = build_wheel(checkout, cache)
    assert first.digest != second.digest
    assert first.path.name == f"ml_assets-0.1.0+{first.digest}-py3-none-any.whl"
    assert second.path.name != first.path.name


def test_what_does_not_go_into_the_wheel_does_not_change_it(checkout):
    before = digest_of(checkout)
    (checkout / "ml_assets/__pycache__/y.pyc").write_text("y")
    (checkout / "notes.md").write_text("y")
    assert digest_of(checkout) == before
    (checkout / "ml_assets/defs/shop/churn/defs.yaml").write_text("type: y\n")
    assert digest_of(checkout) != before


def test_the_checkout_is_left_as_it_was(checkout, cache):
    before = sorted(checkout.rglob("*"))
    build_wheel(checkout, cache)
    assert sorted(checkout.rglob("*")) == before


def test_a_build_that_fails_says_why(checkout, cache):
    (checkout / "pyproject.toml").write_text("[project]\nname = 3\n")
    with pytest.raises(WheelError, match="must contain") as failed:
        build_wheel(checkout, cache)
    assert "setuptools" in str(failed.value)
    assert [*cache.iterdir()] == []


def test_a_configured_wheel_is_taken(tmp_path, cache):
    made = make_wheel(tmp_path, "def main(): ...")
    assert find_wheel(str(made), cache).path == made
    assert not cache.exists()


@pytest.mark.parametrize("name", ["missing.whl", "text.txt"])
def test_a_configured_file_that_is_no_wheel_is_refused(tmp_path, cache, name):
    (tmp_path / "text.txt").write_text("x")
    with pytest.raises(WheelError, match=name):
        find_wheel(str(tmp_path / name), cache)


def test_without_a_checkout_a_wheel_has_to_be_named(tmp_path, cache, monkeypatch):
    installed = tmp_path / "site-packages/ml_assets/orchestration/databricks/wheel.py"
    installed.parent.mkdir(parents=True)
    shutil.copy(module.__file__, installed)
    monkeypatch.setattr(module, "__file__", str(installed))
    with pytest.raises(WheelError, match=r"set `wheel:`"):
        find_wheel("", cache)


def test_it_is_uploaded_when_it_is_not_there(bench):
    assert bench.run().success
    assert bench.run().success
    uploads = bench.emulator.requests.matching(r"PUT .*\.whl")
    assert len(uploads) == 1


def test_two_who_upload_at_the_same_time_do_not_disturb_each_other(bench):
    bench.emulator.faults.add(r"HEAD .*\.whl", status=404, times=2)
    assert bench.run().success
    assert bench.run().success
    assert [r.status for r in bench.emulator.requests.matching(r"PUT .*\.whl")] == [204, 409]


def test_half_a_wheel_in_the_volume_is_replaced(bench):
    assert bench.run().success
    [wheel] = Path(bench.emulator.unity.volume_path(VOLUME)).rglob("*.whl")
    whole = wheel.read_bytes()
    wheel.write_bytes(whole[:100])
    assert bench.run().success
    assert wheel.read_bytes() == whole


def test_serverless_installs_what_the_extra_says():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert list(SERVERLESS_DEPENDENCIES) == project["optional-dependencies"]["databricks"]
