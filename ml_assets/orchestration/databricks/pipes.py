"""Dagster Pipes over a folder of a volume that can be found again.

Imported when a step starts, never when definitions load: dagster_databricks is a heavy import.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster_databricks.pipes import (  # noqa: TID253 - imported by a run only
    PipesUnityCatalogVolumesContextInjector,
    PipesUnityCatalogVolumesMessageReader,
)
from dagster_pipes import PipesBlobStoreMessageWriter, PipesContextData

from ml_assets.orchestration.databricks.volume import VolumeFiles

if TYPE_CHECKING:
    from dagster_pipes import PipesParams

_CONTEXT = "context.json"
_PROTOCOL = "__dagster_pipes_version"


class SessionInjector(PipesUnityCatalogVolumesContextInjector):
    """Writes the context into the session's folder, and leaves it there."""

    def __init__(self, files: VolumeFiles, folder: str) -> None:
        super().__init__(client=files.client, volume_path=files.root)
        self._volume, self._folder = files, folder

    @contextmanager
    def inject_context(self, context: PipesContextData) -> Iterator["PipesParams"]:
        """Write the context (2 calls)."""
        self._volume.make_folder(self._folder)
        path = f"{self._folder}/{_CONTEXT}"
        self._volume.write(path, json.dumps(context).encode(), replace=True)
        yield {"path": path}


class SessionReader(PipesUnityCatalogVolumesMessageReader):
    """Reads messages when it is asked to, in the caller's thread; for one session only.

    The reader of dagster-databricks has a thread of its own, which takes every error for "there is no
    message yet", ends for good at the first one that it does not expect, and waits ten seconds at the
    end of a job that sent no last message.
    """

    def __init__(self, files: VolumeFiles, folder: str) -> None:
        super().__init__(
            client=files.client, volume_path=files.root, include_stdio_in_messages=False
        )
        self._volume, self._folder = files, folder
        self._handler: dg.PipesMessageHandler | None = None
        self._next_line = 0

    @property
    def expected_writer_count(self) -> int:
        """One job writes; the inherited property says so, too, but warns that it is a preview."""
        return 1

    @contextmanager
    def read_messages(self, handler: dg.PipesMessageHandler) -> Iterator["PipesParams"]:
        """Say where messages are to be written; nothing is read before ``pull``."""
        self._handler = handler
        yield {
            "path": self._folder,
            PipesBlobStoreMessageWriter.INCLUDE_STDIO_IN_MESSAGES_KEY: False,
        }

    def pull(self) -> None:
        """Hand over what has arrived: one call for each new chunk, and one that finds none.

        After the closing message nothing is asked.
        """
        if self._handler is None:
            raise RuntimeError("read_messages was not entered")
        while not self._handler.received_closed_message:
            content = self._volume.read(f"{self._folder}/{self.counter}.json")
            if content is None or not self._hand_over(_text(content), self._handler):
                return
            self.counter += 1
            self._next_line = 0

    def names(self) -> list[str]:
        """Files that are in the folder as far as is known."""
        return [_CONTEXT, *(f"{index}.json" for index in range(1, self.counter))]

    def _hand_over(self, chunk: str, handler: dg.PipesMessageHandler) -> bool:
        """Handle the lines of a chunk; False when it is still being written."""
        lines = [line for line in chunk.split("\n") if line.strip()]
        for number, line in enumerate(lines[self._next_line :], start=self._next_line):
            try:
                message: Any = json.loads(line)
            except json.JSONDecodeError:
                return False  # half a line: the rest is there at the next look
            if isinstance(message, dict) and _PROTOCOL in message:
                handler.handle_message(message)  # type: ignore[arg-type]
            self._next_line = number + 1
        return bool(lines)


def _text(content: bytes) -> str:
    """Read a chunk, which may end in the middle of a letter while it is being written."""
    return content.decode(errors="replace")


@contextmanager
def open_session(
    context: dg.AssetExecutionContext,
    injector: SessionInjector,
    reader: SessionReader,
    extras: dict[str, Any],
) -> Iterator[dg.PipesSession]:
    """Open a Pipes session, as ``dagster.open_pipes_session`` does.

    That one insists on a result for every selected asset afterwards; here an asset may be skipped.
    """
    keys = sorted(context.selected_asset_keys)
    data = PipesContextData(
        asset_keys=[key.to_escaped_user_string() for key in keys],
        code_version_by_asset_key={},
        provenance_by_asset_key={},
        partition_key=None,
        partition_key_range=None,
        partition_time_window=None,
        run_id=context.run.run_id,
        job_name=context.run.job_name,
        retry_number=context.retry_number,
        extras=extras,
    )
    handler = dg.PipesMessageHandler(context, reader)
    with injector.inject_context(data) as where, handler.handle_messages() as messages:
        yield dg.PipesSession(
            context_data=data,
            message_handler=handler,
            context_injector_params=where,
            message_reader_params=messages,
            context=context,
        )
