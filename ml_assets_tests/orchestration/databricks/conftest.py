"""A workspace, a stand-in for the job, and a Dagster instance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg
import pytest

from ml_assets_tests.emulator.fixtures import databricks_variables, emulator, task_environments
from ml_assets_tests.orchestration.databricks.bench import Bench

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ml_assets_tests.emulator.server import Emulator

__all__ = ["databricks_variables", "emulator", "task_environments"]


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)) as instance:
        yield instance


@pytest.fixture
def bench(databricks_variables: Emulator, instance: dg.DagsterInstance, tmp_path: Path) -> Bench:
    databricks_variables.jobs.task_variables["WORKED"] = str(tmp_path / "worked.txt")
    return Bench(databricks_variables, instance, tmp_path / "wheel")
