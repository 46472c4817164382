"""Messages of a job to Dagster, on time.

The writer of dagster-pipes counts whole seconds, looks once a second, and ends a second or two after
its last message: a large part of a short job run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from io import StringIO
from json import dumps
from pathlib import Path
from threading import Event, Thread
from typing import Any

from dagster_pipes import (
    PipesBufferedFilesystemMessageWriterChannel,
    PipesUnityCatalogVolumesMessageWriter,
)

from ml_assets.spec.errors import MlAssetsError
from ml_assets.spec.redaction import redacted_values

_PATIENCE = 60.0


class StartedTwiceError(MlAssetsError):
    """The same request is worked on for the second time."""


class PromptWriter(PipesUnityCatalogVolumesMessageWriter):
    """Writes what there is every ``interval`` seconds, and the rest at once when the job ends."""

    def make_channel(self, params: Any) -> PromptChannel:
        """Write into the folder that Dagster named.

        Raises
        ------
        StartedTwiceError
            When there are messages in it: work would be done twice, and the two attempts would write
            over each other's messages.
        """
        if Path(params["path"], "1.json").exists():
            raise StartedTwiceError(
                "the task of this job run",
                found="messages of an earlier attempt: Databricks has started it once more",
                expected="one attempt, which every job run of ml_assets asks for",
                fix="look at the earlier attempt on this page, and execute again in Dagster what is "
                "missing; when somebody repaired the run by hand: Dagster does not wait for that",
            )
        return PromptChannel(path=params["path"], interval=self.interval)


class PromptChannel(PipesBufferedFilesystemMessageWriterChannel):
    """The same files as those of dagster-pipes, written at other moments."""

    def __init__(self, path: str, *, interval: float) -> None:
        super().__init__(path, interval=interval)
        #: A chunk that could not be written: the next attempt writes the same one, because a
        #: reader may have seen it all the same, and never looks at it again.
        self._unwritten = ""

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
            while self._write_new():
                continue

    def _write_until(self, closed: Event) -> None:
        while not closed.wait(self._interval):
            # What could not be written is tried again, the last time where it raises.
            with suppress(OSError):
                self._write_new()

    def _write_new(self) -> bool:
        """Write one chunk; False when there is nothing to write."""
        self._unwritten = self._unwritten or "\n".join(
            dumps(_shown(message)) for message in self.flush_messages()
        )
        if not self._unwritten:
            return False
        self.upload_messages_chunk(StringIO(self._unwritten), self._counter)
        self._counter += 1
        self._unwritten = ""
        return True


def _shown(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """A message without secrets; a report has chosen by itself what of it is text for people."""
    if message.get("method") == "report_custom_message":
        return message
    return {**message, "params": redacted_values(message.get("params"))}
