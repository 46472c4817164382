"""Seed rows as a Parquet file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def write_table(rows: Any, folder: Path) -> None:
    """Write the rows as one Parquet file."""
    import pyarrow.parquet as pq

    pq.write_table(rows, folder / "seed.parquet", compression="zstd")
