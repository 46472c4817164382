"""The emulator as pytest fixtures; a ``conftest.py`` imports what its tests need."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ml_assets_tests.emulator.compute import DEFAULT_RUNTIME
from ml_assets_tests.emulator.environments import TaskEnvironments
from ml_assets_tests.emulator.server import Emulator

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
VOLUME = "main.ml_assets.jobs"
WAREHOUSE = "0123456789abcdef"
CLUSTER = "0101-120000-abcdefgh"
# In `make test` a task runs its steps on the embedded platform. The feature engineering client works
# on Databricks only, so its place in the list of libraries is taken by what the embedded platform
# needs, declared in the wheel's own extras. These two lines are all that is not as submitted.
EMBEDDED = ("ml_assets[embedded]",)
REPLACED = {
    "databricks-feature-engineering": EMBEDDED,
    # The same import; the embedded extra names the package that has no CUDA in it.
    "xgboost": EMBEDDED,
}
RUNTIMES = {DEFAULT_RUNTIME: EMBEDDED}


@pytest.fixture(scope="session")
def task_environments(request, tmp_path_factory):
    """Environments of tasks; what comes from an index is kept in pytest's cache, between sessions."""
    cache = getattr(request.config, "cache", None)
    kept = cache.mkdir("task-environments") if cache else tmp_path_factory.mktemp("lower")
    return TaskEnvironments(
        kept=kept,
        built=tmp_path_factory.mktemp("environments"),
        constraints=ROOT / "constraints.txt",
        replaced=REPLACED,
        runtimes=RUNTIMES,
    )


@contextmanager
def workspace(folder: Path, environments: TaskEnvironments) -> Iterator[Emulator]:
    """A workspace with a volume, a warehouse and a cluster; fails who asks for the unknown.

    A test that ends while a job run is active has left an orphan behind, and fails too.
    """
    running = Emulator(folder, environments)
    running.unity.create_volume(VOLUME)
    running.sql.create_warehouse(WAREHOUSE)
    running.compute.create_cluster(CLUSTER)
    running.start()
    try:
        yield running
        orphans = [run.run_id for run in running.jobs.active()]
    finally:
        running.stop()
    # Spelled out: pytest does not explain the asserts of a module that is no test.
    assert not running.problems, f"asked for what is not emulated: {running.problems}"
    assert not orphans, f"job runs that were still active at the end of the test: {orphans}"


@pytest.fixture
def emulator(tmp_path, task_environments):
    """A workspace of the test's own."""
    with workspace(tmp_path / "workspace", task_environments) as running:
        yield running


@pytest.fixture
def databricks_variables(emulator, monkeypatch):
    """The usual variables of the SDK, pointing at the emulator and nowhere else."""
    for name in ("DATABRICKS_CONFIG_PROFILE", "DATABRICKS_CLIENT_ID", "DATABRICKS_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATABRICKS_HOST", emulator.host)
    monkeypatch.setenv("DATABRICKS_TOKEN", emulator.token)
    return emulator
