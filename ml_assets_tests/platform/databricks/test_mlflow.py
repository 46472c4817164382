"""Links, addresses and tags of MLflow's objects on Databricks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED
from pyspark.errors import PySparkException

from ml_assets.platform.databricks import DatabricksPlatform
from ml_assets.platform.databricks.registry import DatabricksRegistry
from ml_assets.platform.databricks.tracking import run_url, workspace
from ml_assets.platform.embedded.tracking import embedded_store
from ml_assets.platform.mlflow_registry import MlflowRegistry
from ml_assets.platform.mlflow_store import MlflowStore
from ml_assets.spec.errors import StorageError

if TYPE_CHECKING:
    from pathlib import Path

NAME = "main.models.spender"


def session(answer):
    def get(key, default):
        assert key == "spark.databricks.workspaceUrl"
        if isinstance(answer, Exception):
            raise answer
        return answer or default

    return lambda: SimpleNamespace(conf=SimpleNamespace(get=get))


@pytest.mark.parametrize("host", ["adb.example.net", "https://adb.example.net/"])
def test_a_run_has_a_page_in_its_workspace(host):
    assert run_url(host, "7", "ab") == "https://adb.example.net/ml/experiments/7/runs/ab"


def test_the_workspace_is_the_configured_one_or_the_clusters(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("DATABRICKS_HOST", raising=False)
    assert workspace(session("adb.example.net")) == "adb.example.net"
    assert workspace(session(PySparkException("CONFIG_NOT_AVAILABLE"))) == ""
    monkeypatch.setenv("DATABRICKS_HOST", "https://other.example.net")
    assert workspace(session("adb.example.net")) == "https://other.example.net"


def test_addresses(monkeypatch: pytest.MonkeyPatch):
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        monkeypatch.delenv(name, raising=False)
    store = DatabricksPlatform().store
    assert (store.tracking_uri, store.registry_uri) == ("databricks", "databricks-uc")
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "sqlite:///r.db")
    assert DatabricksPlatform().store.registry_uri == "sqlite:///r.db"
    assert DatabricksPlatform(registry_uri="x").store.registry_uri == "x"


def test_tags_are_stored_without_dots_and_read_back_as_they_were(home: Path):
    store = embedded_store(home)
    registry = DatabricksRegistry(store)
    source = (home / "package").as_uri()
    experiment = store.client.create_experiment("e", artifact_location=home.as_uri())
    run = store.client.create_run(experiment).info.run_id
    tags = {"ml_assets.gates": "passed", "owner": "ann", "ml_assets.refused": "x" * 1200}
    version = registry.register(NAME, model_uri=source, run_id=run, tags=tags)
    registry.tag(NAME, version, {"ml_assets.gates": "refused"})

    stored = store.client.get_model_version(NAME, str(version)).tags
    assert set(stored) == {"ml_assets__gates", "ml_assets__refused", "owner"}
    assert len(stored["ml_assets__refused"]) == 1000
    assert registry.tags(NAME, version)["ml_assets.gates"] == "refused"
    assert registry.tags(NAME, version)["owner"] == "ann"
    assert registry.register(NAME, model_uri=source, run_id=run, tags=tags) == version


def test_a_job_that_may_not_make_models_is_told_what_to_grant(monkeypatch: pytest.MonkeyPatch):
    def denied(*_, **__):
        raise MlflowException("no CREATE MODEL on main.models", error_code=PERMISSION_DENIED)

    monkeypatch.setattr(MlflowRegistry, "register", denied)
    registry = DatabricksRegistry(MlflowStore("sqlite://", "sqlite://"))
    with pytest.raises(StorageError, match="no CREATE MODEL") as caught:
        registry.register(NAME, model_uri="models:/m-1", run_id="r", tags={})
    assert caught.value.fix.startswith("GRANT USE SCHEMA, CREATE MODEL ON SCHEMA `main`.`models`")
