"""Read one version of a Delta table from DuckDB: its files, its columns, its types."""
# ruff: noqa: S608 - queries are assembled from names that ``identifier`` and ``literal`` quote.

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from ml_assets.platform.embedded.delta import columns_of, open_table
from ml_assets.platform.embedded.duck import identifier, literal, sql_type
from ml_assets.platform.embedded.failures import storage_errors
from ml_assets.spec.errors import DataError, StorageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import duckdb
    from deltalake import DeltaTable

    from ml_assets.platform.embedded.tables import EmbeddedTables

#: What a table may ask of its readers and still be read from its Parquet files alone.
_PLAIN_FEATURES = frozenset({"timestampNtz", "vacuumProtocolCheck", "v2Checkpoint"})


@dataclass(frozen=True)
class Snapshot:
    """One version of a table.

    ``types`` gives Spark's simple type name by column.
    """

    table: str
    version: int
    files: tuple[str, ...]
    types: Mapping[str, str]
    partitions: tuple[str, ...] = ()

    def relation(self, connection: duckdb.DuckDBPyConnection, columns: tuple[str, ...]) -> str:
        """Return a query that gives ``columns`` with the types of the table.

        A column that was added after a file was written is null in that file's rows.
        """
        found = self._stored_columns(connection)
        selected = ", ".join(self._column(c, present=c.lower() in found) for c in columns)
        if not self.files:
            return f"SELECT {selected} WHERE false"
        return f"SELECT {selected} FROM {self._scan()}"

    def _stored_columns(self, connection: duckdb.DuckDBPyConnection) -> set[str]:
        if not self.files:
            return set()
        rows = connection.execute(f"DESCRIBE SELECT * FROM {self._scan()}").fetchall()
        return {row[0].lower() for row in rows}

    def _scan(self) -> str:
        files = ", ".join(literal(file) for file in self.files)
        hive = ""
        if self.partitions:
            types = ", ".join(
                f"{identifier(c)}: {sql_type(self.types[c])}" for c in self.partitions
            )
            hive = f", hive_partitioning = true, hive_types = {{{types}}}"
        return f"read_parquet([{files}], union_by_name = true{hive})"

    def _column(self, name: str, *, present: bool) -> str:
        kind = sql_type(self.types[name])
        quoted = identifier(name)
        if not present:
            return f"CAST(NULL AS {kind or 'VARCHAR'}) AS {quoted}"
        if name in self.partitions and kind == "VARCHAR":
            quoted = f"NULLIF({quoted}, '')"  # Delta stores an empty partition value as null
        return f"CAST({quoted} AS {kind}) AS {identifier(name)}" if kind else quoted


def snapshot(tables: EmbeddedTables, name: str, version: int | None = None) -> Snapshot:
    """Read the log of a table, at a version or the latest.

    Raises
    ------
        DataError: When there is no such table or version, or when its rows are not what its Parquet
            files hold (deletion vectors, column mapping: written by other engines on request).
        StorageError: When the log cannot be read.
    """
    import pyarrow as pa

    tables.files(name, version)  # explains a missing table or version
    path = tables.path(name)
    with storage_errors(path, "read the table's log"):
        delta = open_table(path, version)
    if delta is None:
        raise StorageError(
            f"table {name}",
            found="it was removed while it was read",
            expected="a stored table",
            fix="materialize the asset that writes it again",
        )
    _refuse_indirect_rows(name, delta)
    # Paths in the log are relative and URL-encoded, once; `file_uris()` encodes the folder as well.
    paths = pa.table(delta.get_add_actions())["path"].to_pylist()
    return Snapshot(
        table=name,
        version=delta.version(),
        files=tuple(str(path / unquote(p)) for p in sorted(paths)),
        types={c.name: c.type for c in columns_of(delta.schema())},
        partitions=tuple(delta.metadata().partition_columns),
    )


def _refuse_indirect_rows(table: str, delta: DeltaTable) -> None:
    needs = set(delta.protocol().reader_features or ()) - _PLAIN_FEATURES
    if delta.metadata().configuration.get("delta.columnMapping.mode", "none") != "none":
        needs.add("columnMapping")
    if needs:
        raise DataError(
            f"table {table}",
            found=f"a Delta table that needs {', '.join(sorted(needs))} to be read",
            expected="rows that are what the Parquet files hold",
            fix="write the table again without these table features (a plain overwrite does it)",
        )
