"""A workspace: everything that the feature client needs, at one folder."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_assets_tests.conformance.shim import delta_tables, engine, mlflow_store, models
from ml_assets_tests.conformance.shim.rest import TOKEN, Request, RestServer
from ml_assets_tests.conformance.shim.routes import Routes
from ml_assets_tests.conformance.shim.session import UnitySession
from ml_assets_tests.conformance.shim.unity import Unity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pyspark.sql import SparkSession


@dataclass(frozen=True)
class Workspace:
    """An open workspace. ``unity`` holds keys, tags and grants; ``spark`` is the job's session."""

    home: Path
    spark: SparkSession
    unity: Unity
    rest: RestServer

    @property
    def requests(self) -> list[Request]:
        """What was asked of the REST server, in order."""
        return self.rest.requests


@contextlib.contextmanager
def open_workspace(home: Path) -> Iterator[Workspace]:
    """Open the workspace at a folder; what an earlier one left there is still known.

    Inside the block this process looks like a Databricks job to the feature client: the session is
    the active one, host and token are in the environment, MLflow has its addresses.

    Raises
    ------
    AssertionError
        At the end, when the client asked for a route that the shim does not have.
    """
    home.mkdir(parents=True, exist_ok=True)
    delta_tables.install()
    mlflow_store.prepare(home / "mlflow.db")
    session = engine.new_session(home / "tables")
    unity = Unity.load(home / "unity.json")
    UnitySession(session, unity)
    rest = RestServer(Routes(session, unity))
    workspace = Workspace(home, session, unity, rest)
    try:
        mlflow_store.forget()
        variables = _variables(home, rest.url)
        with _environment(variables), models.kept_for_tasks(home / "scratch"):
            yield workspace
        assert rest.unknown == [], f"routes that the shim does not have: {rest.unknown}"
    finally:
        mlflow_store.forget()
        rest.stop()
        engine.close_session(session)


def _variables(home: Path, url: str) -> dict[str, str]:
    store = f"sqlite:///{home / 'mlflow.db'}"
    return {
        # Tells pyspark that this process speaks Spark Connect; the session is open already.
        "SPARK_REMOTE": engine.address(),
        "DATABRICKS_HOST": url,
        "DATABRICKS_TOKEN": TOKEN,
        "MLFLOW_TRACKING_URI": store,
        "MLFLOW_REGISTRY_URI": store,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": str(home / "artifacts"),
    }


@contextlib.contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
