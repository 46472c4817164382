"""The tiny shop on an emulated workspace, its steps on the databricks platform over the real client."""

from __future__ import annotations

import importlib.metadata
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import dagster as dg
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ml_assets.orchestration.databricks.resource import DatabricksResource
from ml_assets.orchestration.model_defs import build_model_defs
from ml_assets.orchestration.names import asset_key
from ml_assets_tests import tiny
from ml_assets_tests.conformance_jobs import client_python
from ml_assets_tests.emulator.environments import InstallError, TaskEnvironments
from ml_assets_tests.emulator.fixtures import ROOT, VOLUME, workspace
from ml_assets_tests.emulator.wheels import make_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ml_assets_tests.emulator.server import Emulator

pytestmark = pytest.mark.slow

ASSETS = {
    *("sources/visits", "sources/customers", "features/activity", "features/profile", "labels"),
    *("training_set", "trained_model", "model_version", "predictions"),
}
#: The same import without CUDA, as in the lock of the environment.
SAME = {"xgboost": "xgboost-cpu"}
#: What the job starts: the shim's workspace stands for the runtime, then ``ml_assets.remote``. With the
#: runtime's version MLflow would send models to workers in Databricks' own way, which Sail has not.
IN_THE_RUNTIME = """
import os, sys

def main():
    del os.environ["DATABRICKS_RUNTIME_VERSION"]
    from ml_assets_tests.conformance.job import main
    sys.argv.insert(1, os.environ["RUNTIME_HOME"])
    main()
"""


class ClientEnvironments(TaskEnvironments):
    """The lower layer is the client's environment; what is submitted has to be satisfied by it."""

    def _lower(self, requirements: Sequence[str]) -> Path:
        python = client_python()
        assert python is not None
        folder = python.parents[1]
        [packages] = folder.glob("lib/python*/site-packages")
        found = {
            canonicalize_name(d.metadata["Name"]): d.version
            for d in importlib.metadata.distributions(path=[str(packages)])
        }
        for line in requirements:
            asked = Requirement(line)
            name = SAME.get(asked.name, canonicalize_name(asked.name))
            if name not in found or found[name] not in asked.specifier:
                raise InstallError(f"ERROR: {line}: the environment has {found.get(name)}")
        return folder

    def _upper(self, lower: Path, wheels: Sequence[Path]) -> Path:
        python = super()._upper(lower, wheels)
        [packages] = python.parents[1].glob("lib/python*/site-packages")
        # Behind the submitted wheel: the shim and the shop are in the tests.
        (packages / "zz_tests.pth").write_text(f"{ROOT}\n")
        return python


class InTheRuntime(DatabricksResource):
    """The resource, with what opens the runtime before the job's own entry point."""

    package_name: ClassVar[str] = "in_the_runtime"
    entry_point: ClassVar[str] = "in_the_runtime"


@dataclass(frozen=True)
class Done:
    """A Dagster run and the workspace that it ran in."""

    result: dg.ExecuteInProcessResult
    emulator: Emulator
    home: Path

    @property
    def materialized(self) -> dict[str, dict[str, Any]]:
        """Metadata of what was materialized, by asset."""
        return {
            "/".join(e.asset_key.path[2:]): {
                k: v.value for k, v in e.materialization.metadata.items()
            }
            for e in self.result.get_asset_materialization_events()
        }


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Done]:
    folder = tmp_path_factory.mktemp("client")
    environments = ClientEnvironments(
        kept=folder / "lower", built=folder / "environments", constraints=ROOT / "constraints.txt"
    )
    with (
        workspace(folder / "workspace", environments) as emulator,
        pytest.MonkeyPatch.context() as patch,
    ):
        home = folder / "home"
        emulator.jobs.task_variables = {"RUNTIME_HOME": str(home)}
        patch.setenv("DATABRICKS_TOKEN", emulator.token)
        patch.setenv("ML_ASSETS_HOME", str(folder / "launcher"))
        volume = emulator.unity.volume_path(VOLUME)
        starter = make_wheel(folder, IN_THE_RUNTIME, name="in_the_runtime")
        path = f"{volume}/{starter.name}"
        with starter.open("rb") as content:
            emulator.client().files.upload(path, content, overwrite=True)
        catalog, schema, _ = VOLUME.split(".")
        resource = InTheRuntime(
            host=emulator.host,
            catalog=catalog,
            schema_name=schema,
            volume=volume,
            dependencies=[path],
            poll_interval_seconds=0.5,
            message_interval_seconds=0.5,
        )
        definitions = dg.Definitions.merge(
            build_model_defs(tiny.spec(), sharing="per_model"),
            dg.Definitions(resources={"databricks": resource}),
        )
        job = definitions.resolve_job_def("shop__spender")
        with dg.DagsterInstance.ephemeral() as instance:
            result = job.execute_in_process(instance=instance, raise_on_error=False)
        yield Done(result, emulator, home)


def test_every_asset_is_made_and_judged_by_one_job_run(done: Done) -> None:
    failures = [
        e.step_failure_data.error_display_string
        for e in done.result.all_events
        if e.is_step_failure
    ]
    assert done.result.success, failures
    assert set(done.materialized) == ASSETS
    red = [
        e.check_name
        for e in done.result.get_asset_check_evaluations()
        if not e.passed and e.severity == dg.AssetCheckSeverity.ERROR
    ]
    assert red == []
    assert [run.end.result for run in done.emulator.jobs.runs.values()] == ["SUCCESS"]


def test_the_client_packaged_the_model_with_its_lookups(done: Done) -> None:
    specs = list(done.home.rglob("feature_spec.yaml"))
    assert specs
    assert any("shop.features.activity" in file.read_text() for file in specs)
    assert done.materialized["model_version"]["champion"] == 1
    assert asset_key(tiny.spec(), "predictions") in {
        e.asset_key for e in done.result.get_asset_materialization_events()
    }
    assert json.dumps(done.materialized["predictions"]["model_version"]) == "1"
