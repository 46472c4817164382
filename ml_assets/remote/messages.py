"""Messages of a job to Dagster, on time.

The writer of dagster-pipes counts whole seconds, looks once a second, and ends a second or two after
its last message: a large part of a short job run.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import StringIO
from json import dumps
from threading import Event, Thread
from typing import Any

from dagster_pipes import (
    PipesBufferedFilesystemMessageWriterChannel,
    PipesUnityCatalogVolumesMessageWriter,
)

_PATIENCE = 60.0


class PromptWriter(PipesUnityCatalogVolumesMessageWriter):
    """Writes what there is every ``interval`` seconds, and the rest at once when the job ends."""

    def make_channel(self, params: Any) -> PromptChannel:
        """Write into the folder that Dagster named."""
        return PromptChannel(path=params["path"], interval=self.interval)


class PromptChannel(PipesBufferedFilesystemMessageWriterChannel):
    """The same files as those of dagster-pipes, written at other moments."""

    def __init__(self, path: str, *, interval: float) -> None:
        super().__init__(path, interval=interval)
        self._unwritten: list[str] = []

    @contextmanager
    def buffered_upload_loop(self) -> Iterator[None]:
        """Write in a thread of its own; leaving the block waits until everything is written.

        Raises
        ------
        OSError
            When the last messages could not be written: Dagster would wait for them in vain.
        """
        closed = Event()
        thread = Thread(target=self._write_until, args=(closed,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            closed.set()
            thread.join(_PATIENCE)
            self._write_new()

    def _write_until(self, closed: Event) -> None:
        while not closed.wait(self._interval):
            # What could not be written is tried again, the last time where it raises.
            with suppress(OSError):
                self._write_new()

    def _write_new(self) -> None:
        self._unwritten += [dumps(message) for message in self.flush_messages()]
        if self._unwritten:
            self.upload_messages_chunk(StringIO("\n".join(self._unwritten)), self._counter)
            self._counter += 1
            self._unwritten = []
