"""A second name for folders that Sail cannot find under their own.

Sail 0.7 reads no Delta table whose path needs escaping in a URL, such as one with a space or an
accented letter. For such a folder a symbolic link with a plain name is kept in a private temporary
folder while the process lives.
"""

from __future__ import annotations

import atexit
import re
import shutil
import tempfile
from functools import lru_cache
from pathlib import Path

_PLAIN = re.compile(r"[A-Za-z0-9/_.-]*")


@lru_cache(maxsize=256)
def plain_path(folder: Path) -> Path:
    """Return the folder itself when its path is plain, otherwise a link to it.

    >>> plain_path(Path("/data/warehouse"))
    PosixPath('/data/warehouse')
    """
    if _PLAIN.fullmatch(str(folder)):
        return folder
    link = _links() / f"{len(list(_links().iterdir()))}"
    link.symlink_to(folder, target_is_directory=True)
    return link


@lru_cache(maxsize=1)
def _links() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="ml_assets-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
