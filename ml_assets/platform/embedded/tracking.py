"""MLflow in one SQLite file under the home folder, artifacts beside it."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from ml_assets.platform.embedded.warehouse import check_home
from ml_assets.platform.mlflow_store import MlflowStore, plain_client
from ml_assets.platform.mlflow_tracking import MlflowTracking, no_artifact
from ml_assets.spec.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow import MlflowClient

UI_VARIABLE = "MLFLOW_UI_URL"
_DEFAULT_UI = "http://127.0.0.1:5000"


class EmbeddedTracking(MlflowTracking):
    """Runs in ``<home>/mlflow.db``, artifacts under ``<home>/mlartifacts``.

    The links lead to an MLflow UI at ``MLFLOW_UI_URL`` (default http://127.0.0.1:5000), which the
    user starts on the same file.
    """

    def __init__(self, home: Path) -> None:
        artifacts = home / "mlartifacts"
        super().__init__(
            embedded_store(home),
            run_url=_run_url,
            artifact_location=lambda name: (artifacts / _folder(name)).as_uri(),
        )

    def download(self, run_id: str, path: str) -> Path:
        """Find an artifact (file or folder) where it is stored; nothing is copied: do not change it.

        Raises
        ------
        DataError
            When the run or the artifact does not exist.
        """
        root = _local_path(self._run(run_id).info.artifact_uri)
        found = (root / path).resolve()
        if not found.exists() or not found.is_relative_to(root):
            raise no_artifact(run_id, path, f"nothing at {found}")
        return found


def embedded_store(home: Path) -> MlflowStore:
    """The store of a home folder; nothing is made before its first use."""
    database = check_home(home) / "mlflow.db"
    uri = f"sqlite:///{database}"
    return MlflowStore(uri, uri, connect=lambda store: _connect(store, database))


def _connect(store: MlflowStore, database: Path) -> MlflowClient:
    _check_database(database)
    with _quiet_migrations():
        return plain_client(store)


def _check_database(database: Path) -> None:
    """MLflow retries for minutes on a database that can never be opened: find out before it does."""
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(sqlite3.connect(database, timeout=30)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(f"PRAGMA user_version = {_user_version(connection)}")
            connection.rollback()
    except (OSError, sqlite3.Error) as error:
        raise StorageError(
            str(database),
            found=f"MLflow's database cannot be opened for writing: {error}",
            expected="a writable SQLite file",
            fix="make the folder writable, free some space, or point ML_ASSETS_HOME elsewhere",
        ) from error


def _user_version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


@contextlib.contextmanager
def _quiet_migrations() -> Iterator[None]:
    """The making of the tables is not news; its warnings are."""
    loggers = [logging.getLogger(name) for name in ("mlflow.store.db.utils", "alembic")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _local_path(uri: str) -> Path:
    return Path(unquote(urlsplit(uri).path)).resolve()


def _folder(experiment: str) -> str:
    """A folder name for an experiment's artifacts.

    >>> _folder("/Shared/flight_ops_ml_arrival_delay_development")
    'Shared.flight_ops_ml_arrival_delay_development'
    """
    return re.sub(r"[^A-Za-z0-9_-]+", ".", experiment).strip(".") or "experiment"


def _run_url(experiment_id: str, run_id: str) -> str:
    ui = os.environ.get(UI_VARIABLE, _DEFAULT_UI).rstrip("/")
    return f"{ui}/#/experiments/{experiment_id}/runs/{run_id}"
