"""Events of a run are flushed at its end; what was written is there for every reader at once."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from ml_assets.orchestration.demo.flushing import flushing_at_the_end

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine import Engine

NORMAL, FULL = 1, 2


def _engine(file: Path) -> Engine:
    return create_engine(f"sqlite:///{file}", poolclass=NullPool)


def _write(engine: Engine, value: int) -> int:
    with engine.begin() as connection:
        connection.execute(text("PRAGMA journal_mode=WAL"))
        connection.execute(text("CREATE TABLE IF NOT EXISTS t (x INTEGER)"))
        connection.execute(text("INSERT INTO t VALUES (:x)"), {"x": value})
        return int(connection.execute(text("PRAGMA synchronous")).scalar_one())


def _values(file: Path) -> list[int]:
    with sqlite3.connect(file) as connection:
        found = [row[0] for row in connection.execute("SELECT x FROM t ORDER BY x")]
    connection.close()
    return found


def test_in_the_block_the_log_is_not_copied_back_and_after_it_it_is(tmp_path: Path) -> None:
    file, engine = tmp_path / "events.db", _engine(tmp_path / "events.db")
    log = tmp_path / "events.db-wal"
    assert _write(engine, 1) == FULL
    assert not log.exists()  # closing the last connection copied it back
    with flushing_at_the_end(tmp_path):
        assert _write(engine, 2) == NORMAL
        assert _write(engine, 3) == NORMAL
        assert log.stat().st_size > 0
        assert _values(file) == [1, 2, 3]  # for every reader at once
    assert not log.exists()
    assert _values(file) == [1, 2, 3]
    assert _write(engine, 4) == FULL


def test_a_database_that_is_created_in_the_block_is_kept_open_too(tmp_path: Path) -> None:
    with flushing_at_the_end(tmp_path):
        engine = _engine(tmp_path / "new.db")
        for value in (1, 2):
            _write(engine, value)
        assert (tmp_path / "new.db-wal").stat().st_size > 0
    assert _values(tmp_path / "new.db") == [1, 2]


def test_databases_elsewhere_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "dagster").mkdir()
    with flushing_at_the_end(tmp_path / "dagster"):
        assert _write(_engine(tmp_path / "mlflow.db"), 1) == FULL
        in_memory = create_engine("sqlite://")
        with in_memory.connect() as connection:
            assert connection.execute(text("PRAGMA synchronous")).scalar_one() == FULL
        in_memory.dispose()
    assert not (tmp_path / "mlflow.db-wal").exists()


def test_an_error_in_the_block_loses_nothing(tmp_path: Path) -> None:
    engine = _engine(tmp_path / "events.db")

    def fail() -> None:
        with flushing_at_the_end(tmp_path):
            _write(engine, 1)
            _write(engine, 2)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert _values(tmp_path / "events.db") == [1, 2]
    assert not (tmp_path / "events.db-wal").exists()
