"""One writer per table at a time, across processes and threads."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from ml_assets.spec.errors import ConcurrentWriteError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: A publication takes well under a second, so a lock held this long belongs to a stuck process.
LOCK_TIMEOUT_SECONDS = 60.0


@contextlib.contextmanager
def table_lock(home: Path, name: str) -> Iterator[None]:
    """Hold the table's lock; the operating system frees it when the holder dies.

    Raises
    ------
    ConcurrentWriteError
        When somebody else holds it for longer than ``LOCK_TIMEOUT_SECONDS``.
    """
    from filelock import FileLock, Timeout

    folder = home / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    # Lower case: on a disk that ignores case two spellings are one table.
    path = folder / f"{name.lower()}.lock"
    try:
        with FileLock(path, timeout=LOCK_TIMEOUT_SECONDS):
            yield
    except Timeout as error:
        raise ConcurrentWriteError(
            name,
            found=f"another process has been publishing it for over {LOCK_TIMEOUT_SECONDS:g} s ({path})",
            expected="one writer at a time",
            fix="wait for the other run to end, or end it, then run this step again",
        ) from error
