"""MLflow runs: stored by experiment name, with what became of them."""

from __future__ import annotations

import math

import pytest

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
    assert tracking.store.client.get_run(run.run_id).data.params == {"depth": "6"}
    assert status(tracking, run.run_id) == "FINISHED"


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
        monkeypatch.undo()
    assert len(requests) == 3
    assert len(tracking.info(run.run_id).metrics) == 250


def test_a_run_whose_block_raises_is_failed(tracking):
    with (
        pytest.raises(ZeroDivisionError),
        tracking.run(DEVELOPMENT, name="fails", tags={}) as run,
    ):
        raise ZeroDivisionError
    assert status(tracking, run.run_id) == "FAILED"


def test_a_stored_run_can_be_tagged(tracking):
    with tracking.run(DEVELOPMENT, name="tagged", tags={}) as run:
        pass
    tracking.tag(run.run_id, {"refused": "because"})
    assert tracking.info(run.run_id).tags["refused"] == "because"
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


@pytest.mark.parametrize("path", ["nothing.txt", "../../../mlflow.db", "/etc/hostname"])
def test_artifacts_that_are_not_the_runs(tracking, path):
    with tracking.run(DEVELOPMENT, name="empty", tags={}) as run:
        pass
    with pytest.raises(DataError, match="artifacts"):
        tracking.download(run.run_id, path)


def test_runs_that_are_not_stored(tracking):
    with pytest.raises(DataError, match="materialize the trained model"):
        tracking.info("0" * 32)
    with pytest.raises(DataError):
        tracking.download("0" * 32, "x")
