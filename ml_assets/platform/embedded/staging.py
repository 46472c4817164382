"""Rows on disk that no commit refers to yet: written beside the table, then published or removed.

A staging is a folder ``data-<id>`` of Parquet files inside the table's folder, and a mark of the
same name under ``_staging``. The mark is made before the first byte and removed after publication,
so whatever a killed process left behind is found again.
"""

from __future__ import annotations

import contextlib
import shutil
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_assets.platform.embedded.warehouse import referenced_folders
from ml_assets.spec.errors import DataError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MARKS = "_staging"
ORPHAN_AGE_SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class StagedFile:
    """One Parquet file: path relative to the table's folder, bytes, rows."""

    path: str
    size: int
    rows: int


@dataclass(frozen=True)
class Staging:
    """A folder to write into, inside the table's folder."""

    table: Path
    folder: Path

    @classmethod
    def open(cls, table: Path) -> Staging:
        """Mark and make a new, empty folder."""
        folder = table / f"data-{uuid.uuid4().hex}"
        marks = table / MARKS
        marks.mkdir(parents=True, exist_ok=True)
        (marks / folder.name).touch()
        folder.mkdir()
        return cls(table, folder)

    @property
    def mark(self) -> Path:
        """The file that says that the folder is not published."""
        return self.table / MARKS / self.folder.name

    def files(self) -> tuple[StagedFile, ...]:
        """List what was written, with the rows that each file's footer states."""
        return tuple(
            StagedFile(
                path=str(path.relative_to(self.table)),
                size=path.stat().st_size,
                rows=metadata.num_rows,
            )
            for path, metadata in self._footers()
        )

    def check_not_null(self, table: str, columns: Iterable[str]) -> None:
        """Refuse null values: a commit of files does not look into them.

        Raises
        ------
        DataError
            Naming each column and its number of nulls.
        """
        nulls = dict.fromkeys(columns, 0)
        for path, metadata in self._footers() if nulls else ():
            for name in nulls:
                nulls[name] += _null_count(path, metadata, name)
        if found := {name: count for name, count in nulls.items() if count}:
            raise DataError(
                f"{table}: columns {', '.join(map(repr, found))}",
                found=", ".join(f"{count} nulls in {name!r}" for name, count in found.items()),
                expected="no nulls in columns that are stored as NOT NULL",
                fix="drop or repair these rows in the transform",
                rule="ml01_primary_key_unique",
            )

    def check_complete(self, files: Iterable[StagedFile]) -> None:
        """Refuse files that are no longer what was staged.

        Raises
        ------
        StorageError
            Naming the first file that is missing or has another size.
        """
        for file in files:
            path = self.table / file.path
            size = path.stat().st_size if path.is_file() else None
            if size != file.size:
                raise StorageError(
                    str(path),
                    found="no such file" if size is None else f"{size} bytes",
                    expected=f"the {file.size} bytes that were staged",
                    fix="run this step again; leave the warehouse's folders to ml_assets",
                )

    def settle(self) -> None:
        """Remove the mark: the files belong to the table now."""
        with contextlib.suppress(OSError):  # a later staging looks after marks that stayed
            self.mark.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the folder and the mark, as far as the disk allows."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.settle()

    def _footers(self) -> Iterator[tuple[Path, Any]]:
        import pyarrow.parquet as pq

        for path in sorted(self.folder.rglob("*.parquet")):
            yield path, pq.read_metadata(path)


def remove_orphans(home: Path, name: str, table: Path) -> None:
    """Remove stagings that were left behind over a day ago and that no commit refers to."""
    try:
        marks = [m for m in (table / MARKS).iterdir() if _is_old(m)]
    except OSError:
        return
    kept = referenced_folders(home, name) if marks else frozenset()
    for mark in marks:
        if mark.name not in kept:
            shutil.rmtree(table / mark.name, ignore_errors=True)
        with contextlib.suppress(OSError):
            if mark.is_dir():
                shutil.rmtree(mark)
            else:
                mark.unlink()


def _is_old(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > ORPHAN_AGE_SECONDS
    except OSError:
        return False


def _null_count(path: Path, metadata: Any, column: str) -> int:
    """Count nulls by the footer's statistics; read the column where they are incomplete."""
    import pyarrow.parquet as pq

    groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
    counts = [_stated_nulls(group, column) for group in groups]
    if None in counts:
        return int(pq.read_table(path, columns=[column]).column(0).null_count)
    return sum(count or 0 for count in counts)


def _stated_nulls(group: Any, column: str) -> int | None:
    chunks = (group.column(number) for number in range(group.num_columns))
    chunk = next((c for c in chunks if c.path_in_schema == column), None)
    if chunk is None or chunk.statistics is None or not chunk.statistics.has_null_count:
        return None
    return int(chunk.statistics.null_count)
