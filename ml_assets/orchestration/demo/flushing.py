"""Dagster's SQLite storage without several disk flushes for each event of a run.

Dagster opens and closes a connection for everything it records. Closing the last connection of a
database in WAL mode copies the log back and flushes the disk: some 20 ms for each of the 200 events
of a run with 45 checks, where writing them takes 10.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def flushing_at_the_end(folder: Path) -> Iterator[None]:
    """Flush the databases below ``folder`` when the block ends, not after each transaction.

    One connection to each is kept open, and this process's other connections to them commit with
    ``synchronous=NORMAL``. A process that dies loses nothing; a machine that loses power in the
    block can lose the last events of the run, and never corrupts the database
    (https://www.sqlite.org/pragma.html#pragma_synchronous).
    """
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    inside, kept = folder.resolve(), _Kept()

    def connected(connection: Any, _record: Any) -> None:
        if isinstance(connection, sqlite3.Connection):
            file = _file(connection)
            if file is not None and inside in file.parents:
                connection.execute("PRAGMA synchronous=NORMAL")
                kept.keep(file, connection)

    event.listen(Engine, "connect", connected)
    try:
        yield
    finally:
        event.remove(Engine, "connect", connected)
        kept.close()


class _Kept:
    """One open connection to each database that is in WAL mode."""

    def __init__(self) -> None:
        self._by_file: dict[Path, sqlite3.Connection] = {}

    def keep(self, file: Path, connection: sqlite3.Connection) -> None:
        (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
        if mode == "wal" and file not in self._by_file:
            # Events are written from several threads, this connection is closed from one.
            own = sqlite3.connect(file, check_same_thread=False)
            own.execute("SELECT count(*) FROM sqlite_master").fetchone()  # now it counts as open
            self._by_file[file] = own

    def close(self) -> None:
        for connection in self._by_file.values():
            connection.close()
        self._by_file.clear()


def _file(connection: sqlite3.Connection) -> Path | None:
    (_, _, name) = connection.execute("PRAGMA database_list").fetchone()
    return Path(name).resolve() if name else None
