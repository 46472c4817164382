from __future__ import annotations

import math
import os

import mlflow
import pytest

from ml_assets.platform.embedded.tracking import EmbeddedTracking
from ml_assets.platform.mlflow_tracking import ERROR_TAG
from ml_assets.spec.errors import DataError, StorageError
from ml_assets_tests.platform.processes import run_python

DEVELOPMENT = "/Shared/flight_ops_ml_arrival_delay_development"


@pytest.fixture(scope="module")
def tracking(tmp_path_factory):
    """One database for the module: making one takes seconds."""
    return EmbeddedTracking(tmp_path_factory.mktemp("tracking") / "home")


def status(tracking, run_id):
    return tracking.store.client.get_run(run_id).info.status


def test_a_run_is_stored_with_everything_that_was_logged(tracking):
    with tracking.run(DEVELOPMENT, name="train", tags={"git_commit": "abc"}) as run:
        assert status(tracking, run.run_id) == "RUNNING"
        run.log(params={"depth": 6}, metrics={"auc": 0.75, "bad": math.nan}, tags={"t": "1"})
    stored = tracking.info(run.run_id)
    assert stored.experiment == DEVELOPMENT
    assert stored.url == run.url
    assert stored.tags["git_commit"] == "abc"
    assert stored.tags["t"] == "1"
    assert stored.metrics["auc"] == 0.75
    assert math.isnan(stored.metrics["bad"])
    assert tracking.store.client.get_run(run.run_id).data.params == {"depth": "6"}
    assert status(tracking, run.run_id) == "FINISHED"


def test_a_deleted_experiment_comes_back(tracking):
    name = "/Shared/p_ml_m_evaluation"
    with tracking.run(name, name="one", tags={}):
        pass
    client = tracking.store.client
    client.delete_experiment(client.get_experiment_by_name(name).experiment_id)
    with tracking.run(name, name="two", tags={}) as run:
        pass
    assert tracking.info(run.run_id).experiment == name


def test_many_entries_are_logged_in_few_requests(tracking, monkeypatch):
    requests = []
    with tracking.run(DEVELOPMENT, name="many", tags={}) as run:
        log_batch = run._client.log_batch

        def counted(*args, **kwargs):
            requests.append(kwargs)
            log_batch(*args, **kwargs)

        monkeypatch.setattr(run._client, "log_batch", counted)
        run.log(params={f"p{i}": i for i in range(250)}, metrics={f"m{i}": i for i in range(250)})
        run.log()
        monkeypatch.undo()
    assert len(requests) == 3
    assert len(tracking.info(run.run_id).metrics) == 250


def test_a_run_whose_block_raises_is_failed_and_says_why(tracking):
    with (
        pytest.raises(ZeroDivisionError),
        tracking.run(DEVELOPMENT, name="fails", tags={}) as run,
    ):
        raise ZeroDivisionError("x" * 20_000)
    assert status(tracking, run.run_id) == "FAILED"
    text = tracking.info(run.run_id).tags[ERROR_TAG]
    assert text.startswith("ZeroDivisionError: xxx")
    assert len(text) == 5000


def test_an_interrupted_run_is_killed(tracking):
    with (
        pytest.raises(KeyboardInterrupt),
        tracking.run(DEVELOPMENT, name="interrupted", tags={}) as run,
    ):
        raise KeyboardInterrupt
    assert status(tracking, run.run_id) == "KILLED"


def test_why_the_block_failed_is_not_hidden_by_a_store_that_fails_too(tracking, monkeypatch):
    def broken(*_args, **_kwargs):
        raise mlflow.MlflowException("the disk is gone")

    monkeypatch.setattr(mlflow.MlflowClient, "log_batch", broken)
    with (
        pytest.raises(ZeroDivisionError) as caught,
        tracking.run(DEVELOPMENT, name="fails", tags={}),
    ):
        raise ZeroDivisionError
    assert "the disk is gone" in caught.value.__notes__[0]


def test_a_stored_run_can_be_tagged(tracking):
    with tracking.run(DEVELOPMENT, name="tagged", tags={}) as run:
        pass
    tracking.tag(run.run_id, {"refused": "y" * 9000})
    assert tracking.info(run.run_id).tags["refused"] == "y" * 5000
    with pytest.raises(DataError):
        tracking.tag("0" * 32, {"a": "b"})


def test_files_come_back(tracking, tmp_path):
    file = tmp_path / "card.md"
    file.write_text("# Card")
    with tracking.run(DEVELOPMENT, name="files", tags={}) as run:
        run.log_file(file)
        run.log_file(file, "evidence/plots")
    assert tracking.download(run.run_id, "card.md").read_text() == "# Card"
    folder = tracking.download(run.run_id, "evidence")
    assert (folder / "plots" / "card.md").read_text() == "# Card"
    assert "Shared.flight_ops_ml_arrival_delay_development" in str(folder)


@pytest.mark.parametrize("run_id", ["0" * 32, "nonsense", "../.."])
def test_runs_that_are_not_stored(tracking, run_id):
    with pytest.raises(DataError, match="materialize the trained model"):
        tracking.info(run_id)
    with pytest.raises(DataError):
        tracking.download(run_id, "x")


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
