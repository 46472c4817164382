"""Turn what a full, read-only or forbidden disk makes libraries say into one clear error."""

from __future__ import annotations

import contextlib
import itertools
import re
from typing import TYPE_CHECKING

from ml_assets.spec.errors import MlAssetsError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Sail and delta-rs hand on the operating system's words inside errors of their own.
_SYMPTOMS = {
    r"No space left on device|Disk quota exceeded|File too large|os error (28|122|27)\b": (
        "free some space, or point ML_ASSETS_HOME to a larger disk"
    ),
    r"Read-only file system|os error 30\b": (
        "make the warehouse writable, or point ML_ASSETS_HOME to a writable folder"
    ),
    r"Permission denied|Operation not permitted|os error (13|1)\b": (
        "give this user write permission, or point ML_ASSETS_HOME to a folder of its own"
    ),
    r"Not a directory|File exists|Is a directory|os error (20|17|21)\b": (
        "move away the file that stands where a folder is needed"
    ),
    r"Input/output error|Too many open files|os error (5|24)\b": (
        "check the disk and the limits of this machine, then run the step again"
    ),
}


@contextlib.contextmanager
def storage_errors(path: Path, doing: str) -> Iterator[None]:
    """Raise ``StorageError`` for a failure of the disk inside the block; others pass through.

    ``doing`` completes "<path>: could not …". The block must leave nothing half-written.
    """
    try:
        yield
    except MlAssetsError:
        raise
    except Exception as error:
        fix = _fix_for(error)
        if fix is None:
            raise
        raise StorageError(
            str(path),
            found=f"could not {doing}: {words(error)}",
            expected="a warehouse folder that can be read and written",
            fix=fix,
        ) from error


def _fix_for(error: BaseException) -> str | None:
    text = str(error)
    for pattern, fix in _SYMPTOMS.items():
        if re.search(pattern, text):
            return fix
    if isinstance(error, OSError):
        return "check the folder and its disk, then run the step again"
    return None


def words(error: BaseException) -> str:
    r"""Join an error's first lines, without the colours, arrows and stack that delta-rs adds.

    >>> words(OSError("\x1b[31mGeneric error\x1b[0m\n  ↳ File too large\n   0: <unknown>"))
    'Generic error: File too large'
    """
    plain = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    lines = [line.strip(" \t↳") for line in plain.splitlines()]
    said = itertools.takewhile(lambda line: not re.match(r"\d+: ", line), lines)
    return ": ".join(line for line in said if line)[:500] or type(error).__name__
