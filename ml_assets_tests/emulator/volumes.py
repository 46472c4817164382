"""The Files API over real folders, so that a job's process opens the very same paths.

A volume is reached under two names, which mean one folder: ``/Volumes/<catalog>/<schema>/<name>``,
as in a real workspace, and the folder's own path on this machine, which is what a job's process can
open. Tests configure the second one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from ml_assets_tests.emulator.web import ApiError, Call, denied, invalid, missing, page, route

if TYPE_CHECKING:
    from starlette.routing import Route

    from ml_assets_tests.emulator.unity import Unity

FILES = "/api/2.0/fs/files/{path:path}"
DIRECTORIES = "/api/2.0/fs/directories/{path:path}"
PREFIX = "/Volumes"


@dataclass
class Volumes:
    """Files and folders in the volumes that Unity Catalog knows."""

    unity: Unity

    def local(self, path: str, *, write: bool = False) -> Path:
        """Find the folder or file behind a path.

        Raises
        ------
        ApiError
            400 for a path outside of every volume, 404 for a volume that was not created, 403
            when the current user may not read it, or write to it.
        """
        root = str(self.unity.volumes_root)
        if path == root or path.startswith(root + "/"):
            path = PREFIX + path[len(root) :]
        clean = os.path.normpath(path)
        parts = clean.split("/")
        # "", "Volumes", catalog, schema, volume
        if ".." in path.split("/") or clean[: len(PREFIX) + 1] != PREFIX + "/" or len(parts) < 5:
            raise invalid(f"Invalid path: {path}. It must be in /Volumes/<catalog>/<schema>/<name>")
        name = ".".join(parts[2:5]).lower()
        if name not in self.unity.found["volumes"]:
            raise missing(f"Volume '{name}' does not exist.", "NOT_FOUND")
        needed = "WRITE_VOLUME" if write else "READ_VOLUME"
        if not self.unity.allows(needed, "volumes", name):
            raise denied(f"User does not have {needed} on Volume '{name}'.")
        return self.unity.volumes_root.joinpath(*name.split("."), *parts[5:])

    def routes(self) -> list[Route]:
        """Serve files and directories; Starlette answers a HEAD like its GET without the body."""
        return [
            route("PUT", FILES, self._write),
            route("GET", FILES, self._read),
            route("DELETE", FILES, self._remove),
            route("PUT", DIRECTORIES, self._make),
            route("HEAD", DIRECTORIES, self._look),
            route("GET", DIRECTORIES, self._list),
            route("DELETE", DIRECTORIES, self._remove_directory),
        ]

    def _path(self, call: Call, *, write: bool = False) -> Path:
        return self.local("/" + call.params["path"], write=write)

    def _file(self, call: Call, *, write: bool = False) -> Path:
        path = self._path(call, write=write)
        if not path.is_file():
            raise missing("The file being accessed is not found.", "NOT_FOUND")
        return path

    def _directory(self, call: Call, *, write: bool = False) -> Path:
        path = self._path(call, write=write)
        if not path.is_dir():
            raise missing("The directory being accessed is not found.", "NOT_FOUND")
        return path

    def _write(self, call: Call) -> Response:
        path = self._path(call, write=True)
        if path.is_dir():
            raise invalid("The path is a directory.")
        # As the API documents it: a file is overwritten only on request.
        if path.exists() and not call.flag("overwrite"):
            raise ApiError(409, "ALREADY_EXISTS", "The file being created already exists.")
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{os.getpid()}.{id(call)}.part")
        part.write_bytes(call.body)
        part.rename(path)
        return Response(status_code=204)

    def _read(self, call: Call) -> Response:
        path = self._file(call)
        changed = formatdate(path.stat().st_mtime, usegmt=True)
        headers = {"last-modified": changed}
        return Response(path.read_bytes(), media_type="application/octet-stream", headers=headers)

    def _remove(self, call: Call) -> Response:
        self._file(call, write=True).unlink()
        return Response(status_code=204)

    def _make(self, call: Call) -> Response:
        path = self._path(call, write=True)
        if path.is_file():
            raise ApiError(409, "ALREADY_EXISTS", "A file of this name already exists.")
        path.mkdir(parents=True, exist_ok=True)
        return Response(status_code=204)

    def _look(self, call: Call) -> Response:
        self._directory(call)
        return Response(status_code=200)

    def _list(self, call: Call) -> dict[str, Any]:
        path, asked = self._directory(call), "/" + call.params["path"].rstrip("/")
        rows = []
        for child in sorted(path.iterdir()):
            if child.name.endswith(".part") and child.name.startswith("."):
                continue
            about = child.stat()
            rows.append(
                {
                    "path": f"{asked}/{child.name}",
                    "name": child.name,
                    "is_directory": child.is_dir(),
                    "last_modified": int(about.st_mtime * 1000),
                    **({} if child.is_dir() else {"file_size": about.st_size}),
                }
            )
        return page(rows, call, 1000, "contents", "page_size")

    def _remove_directory(self, call: Call) -> Response:
        path = self._directory(call, write=True)
        if path.relative_to(self.unity.volumes_root).parts[3:] == ():
            raise invalid("The root of a volume cannot be deleted.")
        if any(path.iterdir()):
            raise ApiError(400, "DIRECTORY_NOT_EMPTY", "The directory being deleted is not empty.")
        path.rmdir()
        return Response(status_code=204)
