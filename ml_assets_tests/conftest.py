"""Fixtures of all tests: an isolated home, one Sail session, one platform per home."""

from __future__ import annotations

import shutil
import signal
from typing import TYPE_CHECKING

import pytest

# A shell that starts the tests in the background has them ignore Ctrl-C, and nohup a closed terminal;
# so would every process that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

    from ml_assets.platform.embedded import EmbeddedPlatform


def pytest_configure(config: pytest.Config) -> None:
    """Where Databricks' client is installed, its own warnings are not ours."""
    from ml_assets_tests.conformance import client_warnings

    for line in client_warnings():
        config.addinivalue_line("filterwarnings", line)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the test a warehouse of its own; the user's is never touched."""
    folder = tmp_path / "home"
    monkeypatch.setenv("ML_ASSETS_HOME", str(folder))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    return folder


@pytest.fixture(scope="session")
def spark() -> SparkSession:
    """One Sail session for all tests."""
    from ml_assets.platform.embedded.session import start_session

    return start_session()


@pytest.fixture(scope="session")
def mlflow_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make MLflow's empty database once, to be copied: making one takes seconds."""
    from ml_assets.platform.embedded import EmbeddedPlatform

    home = tmp_path_factory.mktemp("mlflow") / "home"
    assert EmbeddedPlatform(home).registry.versions("main.models.none") == ()
    return home / "mlflow.db"


@pytest.fixture
def platform(home: Path, spark: SparkSession, mlflow_database: Path) -> EmbeddedPlatform:
    """Build the embedded platform on the test's home, where MLflow's database is already."""
    from ml_assets.platform.embedded import EmbeddedPlatform

    home.mkdir(parents=True, exist_ok=True)
    if not (home / "mlflow.db").exists():
        shutil.copy(mlflow_database, home)
    return EmbeddedPlatform(home=home, spark=spark)
