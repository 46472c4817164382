"""DuckDB, set up the same way wherever the embedded platform uses it."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ml_assets.platform.embedded.failures import storage_errors
from ml_assets.spec.errors import SpecError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb
    import pyarrow as pa

MEMORY_VARIABLE = "ML_ASSETS_MEMORY"
_SIZE = re.compile(r"\d+(\.\d+)?\s*([KMGT]i?)?B", re.IGNORECASE)

#: Spark's simple type names, and what DuckDB calls the same values.
_SQL_TYPES = {
    "boolean": "BOOLEAN",
    "tinyint": "TINYINT",
    "smallint": "SMALLINT",
    "int": "INTEGER",
    "bigint": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "string": "VARCHAR",
    "binary": "BLOB",
    "date": "DATE",
    "timestamp": "TIMESTAMPTZ",
    "timestamp_ntz": "TIMESTAMP",
}
_DECIMAL = re.compile(r"decimal\((\d+),\s*(\d+)\)")


def identifier(name: str) -> str:
    """Quote a column name for SQL.

    >>> print(identifier('the "first" k'))
    "the ""first"" k"
    """
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a text for SQL.

    >>> literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def sql_type(spark_type: str) -> str | None:
    """Translate Spark's simple type name; None for types that are passed on as they are (nested).

    >>> sql_type("bigint"), sql_type("decimal(10,2)"), sql_type("array<int>")
    ('BIGINT', 'DECIMAL(10,2)', None)
    """
    if match := _DECIMAL.fullmatch(spark_type):
        return f"DECIMAL({match[1]},{match[2]})"
    return _SQL_TYPES.get(spark_type)


def memory_limit() -> str:
    """Return what DuckDB may keep in memory before it goes to disk.

    ``ML_ASSETS_MEMORY`` (``2GB``, ``800 MiB``) when set, otherwise a third of the machine's memory.
    The process itself, Spark and the model come on top.

    Raises
    ------
    SpecError
        When the variable is not a size.
    """
    configured = os.environ.get(MEMORY_VARIABLE)
    if configured is None:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return f"{total // 3 // 2**20} MiB"
    if not _SIZE.fullmatch(configured.strip()):
        raise SpecError(
            MEMORY_VARIABLE,
            found=repr(configured),
            expected="a size such as 2GB or 800MiB",
            fix=f"export {MEMORY_VARIABLE}=2GB, or unset it to use a third of the memory",
        )
    return configured.strip()


@contextmanager
def connect(home: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a private in-memory database that may spill into ``home``, and nothing else.

    Session time zone UTC; all processors; rows come in any order; no extension is ever downloaded.
    The spill folder is gone when the block ends.

    Raises
    ------
    StorageError
        When the home cannot be written, the disk is full, a file cannot be read, or the memory
        limit is too small for the work.
    """
    import duckdb

    with scratch_folder(home) as spill:
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory_limit(),
            "temp_directory": str(spill),
            "threads": os.cpu_count() or 1,
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        try:
            with duckdb.connect(":memory:", config=settings) as connection:
                connection.execute("SET TimeZone = 'UTC'")
                yield connection
        except duckdb.OutOfMemoryException as error:
            raise _too_little_memory(error) from error
        except duckdb.IOException as error:
            raise StorageError(
                str(home),
                found=f"DuckDB could not read or write: {error}",
                expected="readable tables, and free space to write beside them",
                fix="check the folder's permissions and the free disk space, then try again",
            ) from error


def copy_to_parquet(connection: duckdb.DuckDBPyConnection, query: str, folder: Path) -> int:
    """Write the rows of a query as Parquet files into an existing folder; return their number."""
    target = literal(str(folder))
    options = "FORMAT parquet, PER_THREAD_OUTPUT true, FILENAME_PATTERN 'part-{uuid}'"
    counted = connection.execute(f"COPY ({query}) TO {target} ({options})").fetchone()
    return int(counted[0]) if counted else 0


def batches_of(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """Yield the batches of a query that is still running.

    Raises
    ------
    StorageError
        When the memory limit is too small; Arrow hands on DuckDB's errors as ``OSError``.
    """
    try:
        yield from reader
    except OSError as error:
        if "Out of Memory Error" in str(error):
            raise _too_little_memory(error) from error
        raise


@contextmanager
def scratch_folder(home: Path) -> Iterator[Path]:
    """Make a folder inside ``home`` that is gone when the block ends.

    Raises
    ------
    StorageError
        When the home cannot be written.
    """
    with storage_errors(home, "make a scratch folder"):
        home.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".scratch-", dir=home))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _too_little_memory(error: Exception) -> StorageError:
    return StorageError(
        MEMORY_VARIABLE,
        found=f"the work needs more than {memory_limit()}: {error}",
        expected="enough memory, or free disk space to spill to",
        fix=f"raise {MEMORY_VARIABLE}, or free some disk space in ML_ASSETS_HOME",
    )
