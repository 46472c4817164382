"""Files of a Unity Catalog volume, over REST."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ml_assets.orchestration.databricks.errors import WorkspaceError, said

if TYPE_CHECKING:
    from collections.abc import Iterable

    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.files import FilesAPI

    from ml_assets.orchestration.databricks.calls import Calls


@dataclass(frozen=True)
class VolumeFiles:
    """What is read and written below ``root``, the volume's path (``/Volumes/…``).

    Every method is one REST call, but where it says otherwise.
    """

    client: WorkspaceClient
    calls: Calls
    root: str

    @property
    def _files(self) -> FilesAPI:
        from databricks.sdk.service.files import FilesAPI

        # Not client.files: that one splits large uploads into several calls.
        return FilesAPI(self.client.api_client)  # type: ignore[no-untyped-call]

    def with_calls(self, calls: Calls) -> VolumeFiles:
        """The same files, asked for with another patience."""
        return replace(self, calls=calls)

    def names(self, folder: str) -> list[str]:
        """Names in a folder (one call per 1,000); none when there is no such folder."""
        from databricks.sdk.errors import NotFound

        try:
            return self.calls(
                f"listing {folder}",
                lambda: [e.name or "" for e in self._files.list_directory_contents(folder)],
            )
        except NotFound:
            return []

    def size(self, path: str) -> int | None:
        """How many bytes a file has, -1 when that is not said; None when there is no such file."""
        from databricks.sdk.errors import NotFound

        try:
            found = self.calls(f"looking for {path}", lambda: self._files.get_metadata(path))
        except NotFound:
            return None
        return -1 if found.content_length is None else found.content_length

    def make_folder(self, folder: str) -> None:
        """Make a folder and its parents.

        Raises
        ------
        WorkspaceError
            When there is no such volume.
        """
        from databricks.sdk.errors import NotFound

        try:
            self.calls(f"making {folder}", lambda: self._files.create_directory(folder))
        except NotFound as error:
            raise self._no_volume(error) from error

    def write(self, path: str, content: bytes, *, replace: bool) -> None:
        """Write a file; without ``replace`` one that is there already stays as it is.

        Raises
        ------
        WorkspaceError
            When there is no such volume.
        """
        from databricks.sdk.errors import NotFound, ResourceConflict

        def upload() -> None:
            self._files.upload(path, io.BytesIO(content), overwrite=replace)

        try:
            self.calls(f"writing {path}", upload)
        except NotFound as error:
            raise self._no_volume(error) from error
        except ResourceConflict:
            if replace:
                raise

    def read(self, path: str) -> bytes | None:
        """Give a file's content; None when there is no such file."""
        from databricks.sdk.errors import NotFound

        def download() -> bytes:
            contents = self._files.download(path).contents
            return contents.read() if contents else b""

        try:
            return self.calls(f"reading {path}", download)
        except NotFound:
            return None

    def remove(self, folder: str, names: Iterable[str] | None = None) -> None:
        """Remove a folder and the files in it: one call for each.

        ``names`` are the files known to be there; None: they are listed first. What is gone already is
        fine.
        """
        from databricks.sdk.errors import BadRequest, NotFound, ResourceConflict

        for name in self.names(folder) if names is None else names:
            path = f"{folder}/{name}"
            self._unless_gone(f"removing {path}", path)
        try:
            self.calls(f"removing {folder}", lambda: self._files.delete_directory(folder))
        except NotFound:
            return
        except (WorkspaceError, ResourceConflict) as error:
            cause = error.__cause__ if isinstance(error, WorkspaceError) else error
            if names is None or not isinstance(cause, (BadRequest, ResourceConflict)):
                raise
            self.remove(folder)  # not empty: somebody wrote another file meanwhile

    def _unless_gone(self, where: str, path: str) -> None:
        from databricks.sdk.errors import NotFound

        try:
            self.calls(where, lambda: self._files.delete(path))
        except NotFound:
            return

    def _no_volume(self, error: Exception) -> WorkspaceError:
        name = ".".join(self.root.rpartition("/Volumes/")[2].split("/")[:3])
        return WorkspaceError(
            f"volume {self.root}",
            found=said(error),
            expected="a Unity Catalog volume that the identity used by Dagster may write to",
            fix=f"CREATE VOLUME {name}, then GRANT READ VOLUME, WRITE VOLUME ON VOLUME {name} TO that "
            "identity; or correct catalog, schema and volume in the databricks section",
        )
