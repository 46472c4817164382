"""A workspace in order, the settings for it, and what the doctor finds there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from ml_assets.orchestration.doctor.examine import doctor, examine
from ml_assets_tests.emulator.fixtures import (
    CLUSTER,
    VOLUME,
    WAREHOUSE,
    databricks_variables,
    emulator,
    task_environments,
)

if TYPE_CHECKING:
    from pathlib import Path

    from ml_assets.orchestration.doctor.result import Result
    from ml_assets_tests.emulator.server import Emulator
    from ml_assets_tests.orchestration.fakes import MakeBench

__all__ = ["databricks_variables", "emulator", "task_environments"]


@dataclass
class Clinic:
    """Examine a platform; ``results`` by title, ``printed`` what a person sees."""

    load: Callable[[], Any]
    file: Path
    platform: str = "embedded"
    section: dict[str, Any] = field(default_factory=dict)

    def results(self, *, run: bool = False) -> dict[str, Result]:
        self.file.write_text(yaml.safe_dump({"databricks": self.section}))
        found = list(examine(self.load, self.platform, run=run))
        assert len({r.title for r in found}) == len(found)
        return {result.title: result for result in found}

    def printed(self) -> tuple[int, str]:
        self.file.write_text(yaml.safe_dump({"databricks": self.section}))
        lines: list[str] = []
        return doctor(self.load, run=False, show=lines.append), "\n".join(lines)


@pytest.fixture
def clinic(make_bench: MakeBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clinic:
    """The embedded platform on a fresh home."""
    file = tmp_path / "ml_assets.yaml"
    monkeypatch.setenv("ML_ASSETS_CONFIG", str(file))
    monkeypatch.delenv("ML_ASSETS_PLATFORM", raising=False)
    return Clinic(make_bench().definitions, file)


@pytest.fixture
def workspace(databricks_variables: Emulator) -> Emulator:
    """A workspace in which everything is there that the test model (catalog ``main``) needs."""
    databricks_variables.unity.create_schema("main.shop")
    databricks_variables.unity.create_schema("main.raw")
    return databricks_variables


@pytest.fixture
def on_databricks(workspace: Emulator, clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> Clinic:
    """The Databricks platform in that workspace."""
    catalog, schema, _ = VOLUME.split(".")
    monkeypatch.setenv("ML_ASSETS_PLATFORM", "databricks")
    clinic.platform = "databricks"
    clinic.section = {
        "catalog": catalog,
        "schema": schema,
        "warehouse_id": WAREHOUSE,
        "wheel": str(_wheel(clinic.file.parent)),
        "compute": {"existing_cluster": {"cluster_id": CLUSTER}},
        "poll_interval": "0.1 seconds",
    }
    return clinic


def _wheel(folder: Path) -> Path:
    """A stand-in: whether a real one can be built is a test of its own."""
    wheel = folder / "ml_assets-0.1.0-py3-none-any.whl"
    wheel.write_bytes(b"not looked into")
    return wheel
