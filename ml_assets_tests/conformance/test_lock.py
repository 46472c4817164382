"""What runs here is what one of the lock files says, beside the client and without Dagster."""

from __future__ import annotations

import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from ml_assets.platform.databricks import client

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ROOT / "ml_assets_tests" / "conformance" / "locks"
#: What stores tables and models is the same here as in the orchestrator's environment.
SHARED = {
    *("deltalake", "duckdb", "mlflow", "numpy", "pandas", "pyarrow", "pysail"),
    *("scikit-learn", "skops", "xgboost-cpu"),
}


def locked(path: Path) -> dict[str, str]:
    """Versions by name, of what this machine gets."""
    lines = path.read_text().splitlines()
    found = [Requirement(line.split(" #")[0]) for line in lines if line and line[0] not in "# "]
    here = [r for r in found if r.marker is None or r.marker.evaluate()]
    return {r.name: str(r.specifier).removeprefix("==") for r in here}


@pytest.fixture
def lock():
    path = LOCKS / f"{Path(sys.prefix).name}.txt"
    assert path.exists(), "run these tests by `make conformance`"
    return locked(path)


def installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def test_the_environment_is_the_lock(lock):
    differing = {n: (v, installed(n)) for n, v in lock.items() if installed(n) != v}
    assert differing == {}, "locked and installed differ: remove .conformance and run it again"


def test_the_oldest_and_the_newest_supported_client_are_locked():
    versions = [locked(path)[client.PACKAGE] for path in sorted(LOCKS.glob("*.txt"))]
    assert versions == [client.OLDEST, client.NEWEST]


def test_shared_versions_are_the_orchestrators(lock):
    ours = locked(ROOT / "constraints.txt")
    wanted = {name: ours[name] for name in SHARED & set(ours)}
    assert {name: lock.get(name) for name in wanted} == wanted


def test_dagster_is_not_here():
    assert find_spec("dagster_pipes") is not None
    assert find_spec("dagster") is None
