"""Which clients are supported, and what each of them tells about the model it logged."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from mlflow.pyfunc import PythonModel

from ml_assets.platform.databricks import client
from ml_assets.platform.databricks.client import (
    ClientError,
    logged_uri,
    native_join,
    problem,
    scoring_uri,
)
from ml_assets.platform.mlflow_store import MlflowStore


@pytest.mark.parametrize("version", ["0.12.1", "0.13.0a4", "0.14.0", "0.18.2", "0.18.10", "1.0"])
def test_supported(version):
    assert problem(version) is None


@pytest.mark.parametrize("version", ["0.12.0", "0.9.9", "0.2", "0.12", None])
def test_not_supported(version):
    error = problem(version)
    assert isinstance(error, ClientError)
    assert (version or "not installed") in error.found
    assert "0.12.1" in error.expected
    assert "0.12.1" in error.fix


def test_a_missing_client_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(client, "PACKAGE", "databricks-no-such-client")
    with pytest.raises(ClientError, match="not installed"):
        client.open_client("sqlite://")


def test_the_join_is_asked_for_where_there_is_a_choice():
    def new(df, use_spark_native_join=False):
        return df, use_spark_native_join

    assert native_join(new) == {"use_spark_native_join": True}
    assert native_join(lambda df: df) == {}


class Store:
    """What MLflow knows of a run: nothing (MLflow 2), or its logged models (MLflow 3)."""

    def __init__(self, models=None):
        self.models = models or {}

    def get_run(self, run_id):
        assert run_id.startswith("r")
        if not self.models:
            return SimpleNamespace()
        outputs = [SimpleNamespace(model_id=name) for name in self.models]
        return SimpleNamespace(outputs=SimpleNamespace(model_outputs=outputs))

    def get_logged_model(self, model_id):
        return SimpleNamespace(creation_timestamp=self.models[model_id])


def test_the_answer_says_where_the_model_is():
    answer = SimpleNamespace(model_uri="models:/m-1")
    assert logged_uri(answer, Store({"m-0": 5}), "r") == "models:/m-1"  # type: ignore[arg-type]


def test_without_an_answer_the_run_says_it():
    found = logged_uri(None, Store({"m-new": 9, "m-old": 3}), "r")  # type: ignore[arg-type]
    assert found == "models:/m-new"


def test_without_both_it_is_an_artifact_of_the_run():
    assert logged_uri(None, Store(), "r1") == "runs:/r1/model"  # type: ignore[arg-type]


class Echo(PythonModel):
    """The smallest model there is."""

    def predict(self, context: object, model_input: list[str]) -> list[str]:  # noqa: ARG002
        return model_input


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    import mlflow

    folder = tmp_path_factory.mktemp("mlflow")
    store = MlflowStore(*[f"sqlite:///{folder / 'mlflow.db'}"] * 2)
    with store.active() as found:
        where = (folder / "artifacts").as_uri()
        experiment = found.create_experiment("x", artifact_location=where)
        with mlflow.start_run(experiment_id=experiment):
            model = mlflow.pyfunc.log_model(name="model", python_model=Echo(), pip_requirements=[])
        yield found, model.model_uri


class TestScoringUri:
    """On serverless the client asks MLflow for files BELOW the model's URI."""

    def test_files_below_it_are_found(self, logged, monkeypatch):
        from mlflow.artifacts import download_artifacts

        found, uri = logged
        monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "client.4.9")
        assert Path(download_artifacts(f"{scoring_uri(uri, found)}/MLmodel")).is_file()

    def test_mlflow_takes_such_a_path_for_a_registered_model(self, logged):
        """Why the URI is changed: when this fails, it need not be any more."""
        from mlflow.artifacts import download_artifacts
        from mlflow.exceptions import MlflowException

        with pytest.raises(MlflowException, match="Registered Model with name=m-"):
            download_artifacts(f"{logged[1]}/MLmodel")

    def test_elsewhere_it_stays(self, logged, monkeypatch):
        found, uri = logged
        monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "17.3")
        assert scoring_uri(uri, found) == uri

    def test_aliases_and_versions_stay(self, monkeypatch):
        monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "client.4.9")
        for uri in ("models:/main.shop.churn@champion", "models:/main.shop.churn/3"):
            assert scoring_uri(uri, None) == uri
