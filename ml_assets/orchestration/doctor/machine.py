"""The machine it runs on: the folders, Dagster's storage, the engine and MLflow of the embedded platform."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ml_assets.orchestration.doctor.result import Result, broken, fine, unknown
from ml_assets.orchestration.settings import databricks_settings
from ml_assets.platform.embedded.warehouse import HOME_VARIABLE, check_home, home_folder

if TYPE_CHECKING:
    from dagster import Definitions

REGISTERED_MODEL = "ml_assets/registered_model"
_GIGABYTE = 1_000_000_000
#: The demo needs about a tenth of it; a full disk in the middle of a run is no fun.
ENOUGH = 2 * _GIGABYTE


def home() -> Result:
    """The folder of everything that is stored here can be written, and has room."""
    folder = check_home(home_folder())
    nearest = next(f for f in (folder, *folder.parents) if f.exists())
    try:
        with tempfile.TemporaryFile(dir=nearest) as probe:
            probe.write(b"x")
    except OSError as error:
        fix = f"correct its permissions, or set {HOME_VARIABLE} to a folder that you can write"
        return broken("home", f"{nearest} cannot be written: {error.strerror}", fix)
    free = shutil.disk_usage(nearest).free
    if free < ENOUGH:
        fix = f"make room, or set {HOME_VARIABLE} to a folder on another disk"
        return broken("home", f"{folder} has {free / _GIGABYTE:.1f} GB left", fix)
    return fine("home", f"{folder}, {free / _GIGABYTE:.0f} GB free")


def dagster_home() -> Result:
    """Dagster's storage opens: runs, materializations and verdicts are kept there."""
    import dagster as dg

    configured = os.environ.get("DAGSTER_HOME")
    if not configured:
        ours = home_folder() / "dagster"
        return unknown("DAGSTER_HOME", f"not set; make demo and make ui keep everything in {ours}")
    folder = Path(configured)
    if not folder.is_absolute() or not folder.is_dir():
        fix = "create it, or set DAGSTER_HOME to the full path of a folder with a dagster.yaml"
        return broken("DAGSTER_HOME", f"{configured} is not the full path of a folder", fix)
    if not (folder / "dagster.yaml").is_file():
        text = f"{folder} has no dagster.yaml: Dagster's defaults, on SQLite"
        return unknown("DAGSTER_HOME", text, "deploy/dagster.yaml is one for a deployment")
    with dg.DagsterInstance.get() as instance:
        runs = instance.get_runs_count()
        storage = type(instance.run_storage).__name__
    return fine("DAGSTER_HOME", f"{folder}, {storage}, {runs} runs")


def definitions(load: Definitions) -> Result:
    """Every declared model loads, and its assets, jobs and resources fit together."""
    import dagster as dg

    dg.Definitions.validate_loadable(load)
    jobs = [job for job in load.resolve_all_job_defs() if not job.name.startswith("__")]
    assets = load.resolve_asset_graph().materializable_asset_keys
    return fine("definitions", f"{len(assets)} assets and {len(jobs)} jobs")


def written_names(load: Definitions) -> list[str]:
    """Three-level names of all tables and models that the declared models write."""
    found = set()
    for asset in load.resolve_asset_graph().asset_nodes:
        if asset.is_materializable:
            names = (asset.metadata.get(k) for k in ("dagster/table_name", REGISTERED_MODEL))
            found |= {str(getattr(name, "value", name)) for name in names if name}
    return sorted(found)


def wheel() -> Result:
    """The wheel that job runs install is there, or can be built."""
    from ml_assets.orchestration.databricks.wheel import find_wheel

    found = find_wheel(databricks_settings().wheel or "", home_folder() / "wheels")
    return fine("wheel", f"{found.path.name}, content {found.digest}")


def engine() -> Result:
    """Sail starts and computes."""
    from ml_assets.platform.embedded.session import start_session

    session = start_session()
    if session.range(3).count() != 3:  # noqa: PLR2004 - as many as asked for
        return broken("Spark (Sail)", "3 rows were counted wrongly", "make setup")
    return fine("Spark (Sail)", f"Spark {session.version} counts to 3")


def mlflow() -> Result:
    """MLflow's database opens."""
    from ml_assets.platform.embedded.tracking import embedded_store

    folder = check_home(home_folder())
    if not (folder / "mlflow.db").exists():
        return unknown("MLflow", f"no {folder / 'mlflow.db'} yet: the first run creates it")
    found = embedded_store(folder).client.search_experiments(max_results=1000)
    return fine("MLflow", f"{folder / 'mlflow.db'}, {len(found)} experiments")
