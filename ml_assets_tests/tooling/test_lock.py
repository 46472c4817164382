"""The lock: what runs here is what constraints.txt says, and it names no machine."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
LOCKED = [
    Requirement(line.split(" #")[0])
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if line and not line.startswith("#")
]
DECLARED = [
    Requirement(text)
    # `databricks` is installed in jobs only, never beside the orchestrator.
    for extra in [PROJECT["dependencies"], *(EXTRAS[n] for n in EXTRAS if n != "databricks")]
    for text in extra
    if not text.startswith("ml_assets[")
]
# The set that was found to work together; moving one of these is a decision, not an upgrade.
PINS = {
    "dagster": "1.13.27",
    "dagster-databricks": "0.29.27",
    "dagster-pyspark": "0.29.27",
    "dagster-webserver": "1.13.27",
    "databricks-sdk": "0.60.0",
    "deltalake": "1.6.6",
    "duckdb": "2.0.0",
    "mlflow": "3.17.2",
    "numpy": "2.4.6",
    "pandas": "2.3.3",
    "protobuf": "6.33.6",
    "pyarrow": "25.0.1",
    "pysail": "0.7.2",
    "pyspark": "4.2.0",
    "scikit-learn": "1.9.1",
    "xgboost": "3.2.0",
    "xgboost-cpu": "3.2.0",
}


def applies(requirement: Requirement) -> bool:
    return requirement.marker is None or requirement.marker.evaluate()


def locked_version(requirement: Requirement) -> str:
    [specifier] = requirement.specifier
    assert specifier.operator == "=="
    return specifier.version


def installed_version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def test_the_environment_is_the_lock() -> None:
    wanted = {lock.name: locked_version(lock) for lock in LOCKED if applies(lock)}
    if installed_version("uv") is None:  # setup took the machine's own
        wanted.pop("uv")
    # By name, not from the list of all: setuptools adds its own vendored copies to that.
    differing = {
        name: (version, installed_version(name))
        for name, version in wanted.items()
        if installed_version(name) != version
    }
    assert differing == {}, "locked and installed differ: run `make setup`"


def test_the_chosen_versions_are_locked() -> None:
    locked = {lock.name: locked_version(lock) for lock in LOCKED}
    assert {name: locked.get(name) for name in PINS} == PINS


def test_one_version_per_package_on_every_python() -> None:
    names = [lock.name for lock in LOCKED]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("declared", DECLARED, ids=str)
def test_the_lock_fits_what_is_declared(declared: Requirement) -> None:
    name = canonicalize_name(declared.name)
    [lock] = [lock for lock in LOCKED if lock.name == name]
    assert declared.specifier.contains(locked_version(lock), prereleases=True)
    assert str(lock.marker) == str(declared.marker)


def test_everything_is_in_all() -> None:
    [everything] = EXTRAS["all"]
    assert Requirement(everything).extras == set(EXTRAS) - {"all", "databricks", "lock"}


@pytest.mark.parametrize(
    "name",
    [
        ".ci/run",
        ".github/workflows/ci.yml",
        "Makefile",
        "constraints.txt",
        "ml_assets_tests/conformance/locks/fe-0.12.1.txt",
        "ml_assets_tests/conformance/locks/fe-0.18.2.txt",
        "pyproject.toml",
        "setup.cfg",
        "tools/conformance.py",
        "tools/setup_env.py",
        "workspace.yaml",
    ],
)
def test_no_machine_and_no_registry_is_named(name: str) -> None:
    text = (ROOT / name).read_text()
    assert re.findall(r"\w+://\S+|--(?:extra-)?index-url|--find-links|--trusted-host", text) == []
    assert str(ROOT) not in text
    assert str(Path.home()) not in text
    assert " @ " not in text
