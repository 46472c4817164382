from __future__ import annotations

import os

import mlflow
import pytest

from ml_assets.platform.embedded.tracking import EmbeddedTracking
from ml_assets.spec.errors import StorageError
from ml_assets_tests.platform.processes import run_python

DEVELOPMENT = "/Shared/flight_ops_ml_arrival_delay_development"


@pytest.fixture(scope="module")
def tracking(tmp_path_factory):
    """One database for the module: making one takes seconds."""
    return EmbeddedTracking(tmp_path_factory.mktemp("tracking") / "home")


def test_artifacts_are_in_a_folder_named_after_the_experiment(tracking, tmp_path):
    file = tmp_path / "card.md"
    file.write_text("# Card")
    with tracking.run(DEVELOPMENT, name="files", tags={}) as run:
        run.log_file(file)
    stored = tracking.download(run.run_id, "card.md")
    assert "Shared.flight_ops_ml_arrival_delay_development" in stored.parts


def test_links_lead_to_the_configured_ui(tracking, monkeypatch):
    monkeypatch.delenv("MLFLOW_UI_URL", raising=False)
    with tracking.run(DEVELOPMENT, name="link", tags={}) as run:
        pass
    experiment = tracking.store.client.get_run(run.run_id).info.experiment_id
    end = f"/#/experiments/{experiment}/runs/{run.run_id}"
    assert run.url == f"http://127.0.0.1:5000{end}"
    monkeypatch.setenv("MLFLOW_UI_URL", "https://mlflow.example.org/")
    assert tracking.info(run.run_id).url == f"https://mlflow.example.org{end}"


def addresses():
    found = {k: v for k, v in os.environ.items() if k.startswith("MLFLOW_") and k.endswith("_URI")}
    return mlflow.is_tracking_uri_set(), mlflow.get_tracking_uri(), mlflow.get_registry_uri(), found


@pytest.mark.parametrize("before", ["nothing set", "environment", "registry elsewhere"])
def test_the_global_address_is_borrowed_and_given_back(tracking, monkeypatch, tmp_path, before):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("MLFLOW_REGISTRY_URI", raising=False)
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri("")
    if before == "environment":
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/theirs.db")
    if before == "registry elsewhere":
        monkeypatch.setenv("MLFLOW_REGISTRY_URI", f"sqlite:///{tmp_path}/registry.db")
    then = addresses()
    with tracking.store.active():
        assert mlflow.get_tracking_uri() == tracking.store.tracking_uri
        assert mlflow.get_registry_uri() == tracking.store.registry_uri
    assert addresses() == then
    with pytest.raises(ZeroDivisionError), tracking.store.active():
        raise ZeroDivisionError
    assert addresses() == then


def test_the_process_own_address_is_not_touched_by_runs(tracking):
    then = addresses()
    with tracking.run(DEVELOPMENT, name="quiet", tags={}) as run:
        run.log(metrics={"a": 1})
        assert addresses() == then


def test_the_first_use_is_silent_and_leaves_nothing_in_the_current_folder(tmp_path):
    code = f"""
        import os
        from pathlib import Path
        os.chdir({str(tmp_path)!r})
        from ml_assets.platform.embedded import EmbeddedPlatform
        platform = EmbeddedPlatform()
        assert not platform.home.exists()
        with platform.tracking.run("/Shared/a_ml_b_development", name="x", tags={{}}) as run:
            run.log(metrics={{"a": 1.0}})
        assert platform.registry.versions("a.b.c") == ()
        assert os.listdir() == ["my home"], os.listdir()
    """
    done = run_python(code, tmp_path / "my home")
    assert done.stdout == ""
    assert done.stderr == ""


def test_a_home_that_mlflow_cannot_address_is_refused_at_once(tmp_path):
    with pytest.raises(StorageError, match="ML_ASSETS_HOME"):
        EmbeddedTracking(tmp_path / "50%25")
