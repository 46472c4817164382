"""What importing costs: the code location loads fast, and imports nothing heavy."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

HEAVY = {
    "dagster_databricks",
    "dagster_pyspark",
    "databricks",
    "deltalake",
    "duckdb",
    "matplotlib",
    "mlflow",
    "numpy",
    "pandas",
    "pyarrow",
    "pysail",
    "pyspark",
    "scipy",
    "sklearn",
    "skops",
    "xgboost",
}
#: Imported by a run only: they subclass dagster_pyspark's resource and dagster_databricks' readers.
LATE = {"ml_assets.orchestration.spark", "ml_assets.orchestration.databricks.pipes"}

WALK = """
import importlib, json, pkgutil, sys, ml_assets
skipped = set(json.loads(sys.argv[1]))
def names(package):
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        if module.name in skipped or module.name.split(".")[1] in ("defs", "__main__"):
            continue
        yield module.name
        if module.ispkg:
            yield from names(importlib.import_module(module.name))
found = sorted(names(ml_assets))
for name in found:
    importlib.import_module(name)
print(json.dumps([found, sorted({m.split(".")[0] for m in sys.modules})]))
"""

LOAD = """
import json, sys, time
import dagster, dagster.components
started = time.process_time()
import ml_assets.definitions
seconds = time.process_time() - started
loaded = sorted(m for m in sys.modules if m.startswith("ml_assets.defs."))
print(json.dumps([seconds, sorted({m.split(".")[0] for m in sys.modules}), loaded]))
"""


def _python(code: str, *arguments: str, **variables: str) -> list:
    command = [sys.executable, "-c", code, *arguments]
    environment = {**os.environ, **variables}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("platform", ["embedded", "databricks"])
def test_the_code_location_loads_in_under_two_seconds_and_imports_nothing_heavy(
    platform: str,
) -> None:
    seconds, packages, loaded = _python(LOAD, ML_ASSETS_PLATFORM=platform)
    assert seconds < 2.0
    assert not HEAVY & set(packages)
    # The users' transforms are imported by the steps that call them.
    assert "ml_assets.defs.flight_ops.arrival_delay.features" not in loaded


def test_no_module_imports_anything_heavy() -> None:
    modules, packages = _python(WALK, json.dumps(sorted(LATE)))
    assert {"ml_assets.cli", "ml_assets.steps.graph", "ml_assets.orchestration.assets"} <= set(
        modules
    )
    assert not HEAVY & set(packages)


def test_what_runs_on_a_cluster_needs_no_dagster() -> None:
    above = ["cli", "components", "definitions", "drafting", "orchestration"]
    modules, packages = _python(WALK, json.dumps([f"ml_assets.{name}" for name in above]))
    assert {"ml_assets.spec.model", "ml_assets.rules.registry", "ml_assets.steps.graph"} <= set(
        modules
    )
    assert not {p for p in packages if p.startswith("dagster") and p != "dagster_pipes"}
