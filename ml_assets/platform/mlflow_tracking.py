"""MLflow runs by experiment name, on any store."""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_assets.platform.protocol import RunInfo
from ml_assets.spec.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from mlflow import MlflowClient
    from mlflow.entities import Run as StoredRun
    from mlflow.exceptions import MlflowException

    from ml_assets.platform.mlflow_store import MlflowStore

ERROR_TAG = "ml_assets.error"
#: Databricks refuses longer tag values; MLflow itself allows a little more.
_MAX_TAG_LENGTH = 5000
#: MLflow refuses more parameters or tags than this in one request, and more than 1000 in all.
_MAX_BATCH = 100


class MlflowTracking:
    """Runs in one store.

    Parameters
    ----------
    store
        Where runs are stored.
    run_url
        (experiment id, run id) -> where a person looks at the run.
    artifact_location
        Experiment name -> where its artifacts go, for experiments made here; the store decides when
        left out.
    """

    def __init__(
        self,
        store: MlflowStore,
        run_url: Callable[[str, str], str],
        artifact_location: Callable[[str], str] | None = None,
    ) -> None:
        self.store = store
        self._run_url, self._artifact_location = run_url, artifact_location

    @contextlib.contextmanager
    def run(self, experiment: str, *, name: str, tags: Mapping[str, str]) -> Iterator[MlflowRun]:
        """Open a run; it ends FAILED when the block raises, KILLED on Ctrl-C, FINISHED otherwise.

        The experiment is made when there is none of exactly that name. A failed run carries the
        error's text as the tag ``ml_assets.error``.
        """
        client = self.store.client
        experiment_id = self._experiment_id(experiment)
        created = client.create_run(experiment_id, tags=_clipped(tags), run_name=name)
        run = MlflowRun(
            client, created.info.run_id, self._run_url(experiment_id, created.info.run_id)
        )
        try:
            yield run
        except BaseException as error:
            _end(run, error)
            raise
        client.set_terminated(run.run_id, "FINISHED")

    def info(self, run_id: str) -> RunInfo:
        """Read back a stored run.

        Raises
        ------
        DataError
            When it does not exist.
        """
        run = self._run(run_id)
        name = self.store.client.get_experiment(run.info.experiment_id).name
        return self._described(run, name)

    def runs(
        self, experiment: str, tags: Mapping[str, str] | None = None, most: int = 100
    ) -> tuple[RunInfo, ...]:
        """List the latest runs of an experiment that have all these tags, newest first.

        None when there is no experiment. Names and values of tags must be without quotes.
        """
        client = self.store.client
        found = client.get_experiment_by_name(experiment)
        if found is None:
            return ()
        stored = client.search_runs(
            [found.experiment_id],
            " and ".join(f"tags.`{name}` = '{value}'" for name, value in (tags or {}).items()),
            max_results=most,
            order_by=["attributes.start_time DESC"],
        )
        return tuple(self._described(run, experiment) for run in stored)

    def tag(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Add tags to a stored run, in one request for up to 100.

        Raises
        ------
        DataError
            When it does not exist.
        """
        from mlflow.exceptions import MlflowException

        try:
            MlflowRun(self.store.client, run_id, "").log(tags=tags)
        except MlflowException as error:
            if not is_absent(error):
                raise
            raise _no_run(run_id, error) from error

    def download(self, run_id: str, path: str) -> Path:
        """Fetch an artifact (file or folder) to a local path.

        Raises
        ------
        DataError
            When the run or the artifact does not exist.
        """
        from mlflow.exceptions import MlflowException

        self._run(run_id)
        if Path(path).is_absolute() or ".." in Path(path).parts:
            raise no_artifact(run_id, path, "a path that leads out of the run's artifacts")
        try:
            return Path(self.store.client.download_artifacts(run_id, path))
        except (OSError, MlflowException) as error:
            if isinstance(error, MlflowException) and not is_absent(error):
                raise
            raise no_artifact(run_id, path, str(error)) from error

    def _run(self, run_id: str) -> StoredRun:
        from mlflow.exceptions import MlflowException

        try:
            return self.store.client.get_run(run_id)
        except MlflowException as error:
            if not is_absent(error):
                raise
            raise _no_run(run_id, error) from error

    def _described(self, run: StoredRun, experiment: str) -> RunInfo:
        started = run.info.start_time
        return RunInfo(
            run_id=run.info.run_id,
            experiment=experiment,
            url=self._run_url(run.info.experiment_id, run.info.run_id),
            tags=dict(run.data.tags),
            metrics=dict(run.data.metrics),
            started=datetime.fromtimestamp(started / 1000, UTC) if started else None,
            status=run.info.status,
        )

    def _experiment_id(self, name: str) -> str:
        client = self.store.client
        if found := client.get_experiment_by_name(name):
            if found.lifecycle_stage == "deleted":
                client.restore_experiment(found.experiment_id)
            return str(found.experiment_id)
        return self._create_experiment(name)

    def _create_experiment(self, name: str) -> str:
        from mlflow.exceptions import MlflowException

        client = self.store.client
        location = None if self._artifact_location is None else self._artifact_location(name)
        try:
            return str(client.create_experiment(name, artifact_location=location))
        except MlflowException as error:
            made_meanwhile = client.get_experiment_by_name(name)
            if error.error_code != "RESOURCE_ALREADY_EXISTS" or made_meanwhile is None:
                raise
            return str(made_meanwhile.experiment_id)


class MlflowRun:
    """An open run."""

    def __init__(self, client: MlflowClient, run_id: str, url: str) -> None:
        self._client, self._run_id, self._url = client, run_id, url

    @property
    def run_id(self) -> str:
        """MLflow's id of the run."""
        return self._run_id

    @property
    def url(self) -> str:
        """Where a person looks at the run."""
        return self._url

    def log(
        self,
        *,
        params: Mapping[str, Any] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Log everything, in one request for up to 100 of each kind."""
        from mlflow.entities import Metric, Param, RunTag

        now = time.time_ns() // 1_000_000
        all_params = [Param(k, str(v)) for k, v in (params or {}).items()]
        all_metrics = [Metric(k, float(v), now, 0) for k, v in (metrics or {}).items()]
        all_tags = [RunTag(k, v) for k, v in _clipped(tags or {}).items()]
        longest = max(len(all_params), len(all_metrics), len(all_tags))
        for start in range(0, longest, _MAX_BATCH):
            self._client.log_batch(
                self._run_id,
                params=_batch(all_params, start),
                metrics=_batch(all_metrics, start),
                tags=_batch(all_tags, start),
            )

    def log_file(self, path: Path, folder: str = "") -> None:
        """Store a file as an artifact, in a folder of the run's artifacts when one is given."""
        self._client.log_artifact(self._run_id, str(path), folder or None)

    def log_folder(self, path: Path, folder: str = "") -> None:
        """Store the files of a folder as artifacts."""
        self._client.log_artifacts(self._run_id, str(path), folder or None)

    def end(self, status: str) -> None:
        """End the run."""
        self._client.set_terminated(self._run_id, status)


def is_absent(error: MlflowException) -> bool:
    """Whether MLflow says that what was asked for is not there (or can never be: a malformed id)."""
    return error.error_code in {"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND", "INVALID_PARAMETER_VALUE"}


def no_artifact(run_id: str, path: str, found: str) -> DataError:
    """Say that a run has no such artifact."""
    return DataError(
        f"MLflow run {run_id}, artifact {path!r}",
        found=found,
        expected="an artifact that the run stored",
        fix="look at the run's artifacts, or run the step that writes it again",
    )


def _end(run: MlflowRun, error: BaseException) -> None:
    """End a run whose block raised; a store that fails now must not hide why the block did."""
    from mlflow.exceptions import MlflowException

    try:
        run.log(tags={ERROR_TAG: f"{type(error).__name__}: {error}"})
        run.end("FAILED" if isinstance(error, Exception) else "KILLED")
    except MlflowException as second:
        error.add_note(f"MLflow run {run.run_id} could not be marked as failed: {second}")


def _clipped(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: str(value)[:_MAX_TAG_LENGTH] for key, value in tags.items()}


def _batch(entries: Sequence[Any], start: int) -> list[Any]:
    return list(entries[start : start + _MAX_BATCH])


def _no_run(run_id: str, error: Exception) -> DataError:
    return DataError(
        f"MLflow run {run_id}",
        found=str(error),
        expected="a stored run",
        fix="materialize the trained model again, or point ML_ASSETS_HOME to where the run is stored",
    )
