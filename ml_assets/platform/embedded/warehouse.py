"""Where tables live, and what their Delta logs say, read with the standard library alone.

Sensors and the code location import this module, so it imports no engine.

A Delta table's log is a folder of numbered JSON files, one per commit; each line of a file is one
action (https://github.com/delta-io/delta/blob/master/PROTOCOL.md). Old commits may have been
folded into a checkpoint and removed; what is gone is left out, never guessed.

Names differ by case only at the reader's risk: on a disk that ignores case (macOS, Windows)
``a.b.T`` and ``a.b.t`` are one folder, elsewhere they are two.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ml_assets.platform.table_names import checked_name
from ml_assets.spec.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

HOME_VARIABLE = "ML_ASSETS_HOME"
_DEFAULT_HOME = ".ml_assets"
_PROJECT_MARKERS = ("workspace.yaml", "pyproject.toml")
_COMMIT_FILE = re.compile(r"(\d{20})\.json")
LOG_FOLDER = "_delta_log"
_NOT_IN_PATHS = re.compile(r"[*?\[\]{}#%\\]")


class Commit(NamedTuple):
    """One commit of a table: whether it changed rows, and its ``commitInfo`` (may be empty)."""

    version: int
    is_data: bool
    info: dict[str, Any]


def home_folder() -> Path:
    """Find the folder of everything that is stored on this machine.

    ``ML_ASSETS_HOME`` when set; otherwise ``.ml_assets`` in the project's root, the closest folder
    from the current one upwards that holds ``workspace.yaml`` or ``pyproject.toml``; otherwise
    ``.ml_assets`` in the current folder. The folder need not exist.
    """
    if configured := os.environ.get(HOME_VARIABLE):
        return Path(configured).expanduser().resolve()
    here = Path.cwd()
    for folder in (here, *here.parents):
        if any((folder / marker).is_file() for marker in _PROJECT_MARKERS):
            return folder / _DEFAULT_HOME
    return here / _DEFAULT_HOME


def check_home(home: Path) -> Path:
    """Accept a folder whose path every engine reads as it is written.

    Raises
    ------
    StorageError
        For patterns (``* ? [ ] { }``), which Sail and DuckDB would expand, and for ``# %`` and the
        backslash, which MLflow's and Delta's addresses give a meaning of their own.
    """
    if bad := sorted(set(_NOT_IN_PATHS.findall(str(home)))):
        raise StorageError(
            str(home),
            found=f"{' '.join(bad)} in the path",
            expected="a path without * ? [ ] { } # % and backslash",
            fix=f"set {HOME_VARIABLE} to another folder",
        )
    return home


def table_path(home: Path, name: str) -> Path:
    """Return ``<home>/warehouse/<catalog>/<schema>/<table>``.

    Raises
    ------
    DataError
        When ``name`` is not three plain names: nothing can point outside the warehouse.
    """
    return home.joinpath("warehouse", *checked_name(name).split("."))


def data_version(home: Path, name: str, until: int | None = None) -> int | None:
    """Return the version of the last commit that changed rows; None when there is none.

    ``until`` leaves out later commits.

    Commits that only rearrange or describe (CREATE, OPTIMIZE, VACUUM, SET TBLPROPERTIES) do not
    count. When every commit that is still in the log is of that kind, the version before the first
    of them is returned: the rows cannot have changed later.
    """
    log = table_path(home, name) / LOG_FOLDER
    versions = [v for v in _versions(log) if until is None or v <= until]
    for version in reversed(versions):
        if _changes_rows(log, version):
            return version
    return versions[0] - 1 if versions and versions[0] > 0 else None


def commits_since(home: Path, name: str, version: int) -> Iterator[Commit]:
    """Yield the commits after ``version``, oldest first; those no longer in the log are left out."""
    log = table_path(home, name) / LOG_FOLDER
    for number in _versions(log):
        if number > version:
            infos = (a["commitInfo"] for a in _actions(log, number) if "commitInfo" in a)
            yield Commit(number, _changes_rows(log, number), next(infos, {}))


def rows_commits(home: Path, name: str) -> Iterator[Commit]:
    """Yield the commits that changed rows and are still in the log, latest first."""
    log = table_path(home, name) / LOG_FOLDER
    for number in reversed(_versions(log)):
        if _changes_rows(log, number):
            infos = (a["commitInfo"] for a in _actions(log, number) if "commitInfo" in a)
            yield Commit(number, is_data=True, info=next(infos, {}))


def referenced_folders(home: Path, name: str) -> frozenset[str]:
    """Name the folders inside the table's that any commit still in the log added files of."""
    log = table_path(home, name) / LOG_FOLDER
    return frozenset().union(*(_added_folders(log, version) for version in _versions(log)))


def version_adding(home: Path, name: str, folder: str, after: int) -> int | None:
    """Find the commit after version ``after`` that added the files of a folder; None if none did."""
    log = table_path(home, name) / LOG_FOLDER
    newer = (version for version in _versions(log) if version > after)
    return next((version for version in newer if folder in _added_folders(log, version)), None)


def _added_folders(log: Path, version: int) -> frozenset[str]:
    paths = (str(a["add"]["path"]) for a in _actions(log, version) if "add" in a)
    return frozenset(path.split("/", 1)[0] for path in paths)


def _versions(log: Path) -> list[int]:
    try:
        names = [entry.name for entry in log.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise _unreadable(log, error) from error
    return sorted(int(match[1]) for name in names if (match := _COMMIT_FILE.fullmatch(name)))


def _changes_rows(log: Path, version: int) -> bool:
    moves = (a.get("add") or a.get("remove") for a in _actions(log, version))
    return any(move and move.get("dataChange", True) for move in moves)


def _actions(log: Path, version: int) -> Iterator[dict[str, Any]]:
    path = log / f"{version:020}.json"
    try:
        with path.open(encoding="utf-8") as lines:
            yield from (json.loads(line) for line in lines if line.strip())
    except FileNotFoundError:
        return  # folded into a checkpoint and removed since the folder was listed
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> StorageError:
    return StorageError(
        str(path),
        found=f"the table's log cannot be read: {error}",
        expected="a readable Delta log",
        fix="check the folder's permissions and disk, then try again",
    )
