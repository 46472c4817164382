"""A small table that is published without an engine, and what is on the disk of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, write_deltalake

from ml_assets.spec.catalog import TableLayout

if TYPE_CHECKING:
    from pathlib import Path

    from ml_assets.platform.embedded.staged import EmbeddedStaged
    from ml_assets.platform.embedded.tables import EmbeddedTables

NAME = "main.flights.planes"
LAYOUT = TableLayout(name=NAME, primary_keys=("k",), description="Planes.", not_null=("k",))
SCHEMA = pa.schema([("k", pa.int64())])


def no_session() -> NoReturn:
    """Refuse to start an engine."""
    raise AssertionError("nothing here needs Spark")


def stage(tables: EmbeddedTables, keys: list[int], layout: TableLayout = LAYOUT) -> EmbeddedStaged:
    """Let rows with these keys wait for publication."""
    rows = pa.table({"k": keys}, SCHEMA)
    return tables.stage_arrow(
        SCHEMA, layout, lambda folder: pq.write_table(rows, folder / "a.parquet")
    )


def keys_of(tables: EmbeddedTables, version: int | None = None) -> list[int]:
    """Read the keys as any other engine would."""
    return sorted(
        DeltaTable(tables.path(NAME), version=version).to_pyarrow_table()["k"].to_pylist()
    )


def files_in(folder: Path) -> set[str]:
    """Name all files under a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def append_behind_our_back(tables: EmbeddedTables, keys: list[int]) -> None:
    """Add rows as another program would."""
    write_deltalake(tables.path(NAME), pa.table({"k": keys}, SCHEMA), mode="append")


def referenced(tables: EmbeddedTables) -> set[str]:
    """Name the files of all versions, with their folders."""
    table = DeltaTable(tables.path(NAME))
    versions = range(table.version() + 1)
    uris = [u for v in versions for u in DeltaTable(tables.path(NAME), version=v).file_uris()]
    return {"/".join(uri.split("/")[-2:]) for uri in uris}
