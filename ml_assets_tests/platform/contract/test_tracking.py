"""MLflow runs: stored by experiment name, with what became of them."""

from __future__ import annotations

import math
import time
from datetime import UTC

import mlflow
import pytest

from ml_assets.platform.mlflow_tracking import ERROR_TAG
from ml_assets.spec.errors import DataError

DEVELOPMENT = "/Shared/flight_ops_ml_arrival_delay_development"


@pytest.fixture
def tracking(lasting):
    return lasting.tracking


def status(tracking, run_id):
    return tracking.store.client.get_run(run_id).info.status


def test_a_run_is_stored_with_everything_that_was_logged(tracking):
    with tracking.run(DEVELOPMENT, name="train", tags={"git_commit": "abc"}) as run:
        assert status(tracking, run.run_id) == "RUNNING"
        run.log(params={"depth": 6}, metrics={"auc": 0.75, "bad": math.nan}, tags={"t": "1"})
    stored = tracking.info(run.run_id)
    assert stored.experiment == DEVELOPMENT
    assert stored.url == run.url
    assert (stored.tags["git_commit"], stored.tags["t"]) == ("abc", "1")
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


def test_experiments_are_found_by_exact_name(tracking):
    runs = []
    for name in (DEVELOPMENT, DEVELOPMENT.upper(), DEVELOPMENT):
        with tracking.run(name, name="one", tags={}) as run:
            runs.append(run.run_id)
    ids = [tracking.store.client.get_run(r).info.experiment_id for r in runs]
    assert ids[0] == ids[2] != ids[1]


def test_many_entries_are_logged_in_few_requests(tracking, monkeypatch):
    requests = []
    with tracking.run(DEVELOPMENT, name="many", tags={}) as run:
        client = tracking.store.client
        log_batch = type(client).log_batch

        def counted(self, *args, **kwargs):
            requests.append(kwargs)
            return log_batch(self, *args, **kwargs)

        monkeypatch.setattr(type(client), "log_batch", counted)
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
    assert (tracking.download(run.run_id, "evidence") / "plots" / "card.md").read_text() == "# Card"


def test_a_folder_comes_back(tracking, tmp_path):
    (tmp_path / "roc.json").write_text("{}")
    with tracking.run(DEVELOPMENT, name="folder", tags={}) as run:
        run.log_folder(tmp_path, "figures")
    assert (tracking.download(run.run_id, "figures") / "roc.json").read_text() == "{}"


def test_runs_are_listed_by_their_tags_newest_first(tracking):
    experiment, made = "/Shared/p_ml_m_deployment", []
    assert tracking.runs(experiment) == ()
    for action in ("promote", "score", "promote"):
        with tracking.run(experiment, name=action, tags={"ml_assets.action": action}) as run:
            run.log(metrics={"rows": len(made)})
        made.append(run.run_id)
        time.sleep(0.002)  # a start has milliseconds
    assert [r.run_id for r in tracking.runs(experiment)] == made[::-1]
    newest, older = tracking.runs(experiment, {"ml_assets.action": "promote"})
    assert (newest.run_id, older.run_id) == (made[2], made[0])
    assert (newest.metrics["rows"], newest.status, newest.experiment) == (2, "FINISHED", experiment)
    assert newest.started > older.started
    assert newest.started.tzinfo is UTC
    assert [r.run_id for r in tracking.runs(experiment, most=1)] == [made[2]]


@pytest.mark.parametrize("path", ["nothing.txt", "../../../mlflow.db", "/etc/hostname"])
def test_artifacts_that_are_not_the_runs(tracking, path):
    with tracking.run(DEVELOPMENT, name="empty", tags={}) as run:
        pass
    with pytest.raises(DataError, match="artifacts"):
        tracking.download(run.run_id, path)


@pytest.mark.parametrize("run_id", ["0" * 32, "nonsense", "../.."])
def test_runs_that_are_not_stored(tracking, run_id):
    with pytest.raises(DataError, match="materialize the trained model"):
        tracking.info(run_id)
    with pytest.raises(DataError):
        tracking.download(run_id, "x")
