"""Call what a user wrote, and hold its result against the declaration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_assets.spec.errors import DataError, did_you_mean
from ml_assets.spec.imports import load_object

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import DataFrame

    from ml_assets.platform.protocol import Platform
    from ml_assets.spec.model import ModelSpec


def call_transform(
    spec: ModelSpec, platform: Platform, *, path: str, sources: Sequence[str], field: str
) -> tuple[DataFrame, dict[str, int]]:
    """Run a user's transform on its sources.

    Returns
    -------
    The frame, and the Delta version that was read of each source table.

    Raises
    ------
    SpecError
        When the transform cannot be imported.
    DataError
        When a source does not exist or is empty, or when the result is not a Spark frame.
    """
    transform = load_object(path, field=field, package=spec.package)
    frames, versions = {}, {}
    for name in sources:
        table = spec.sources[name].table
        info = platform.tables.info(table)
        frame = platform.tables.read(table, info.version if info.exists else None)
        if not frame.take(1):
            raise DataError(
                f"source {name} ({table})",
                found="0 rows",
                expected="a table with rows",
                fix=f"fill {table} before {field} is materialized; no table was changed",
            )
        frames[name], versions[table] = frame, info.version
    result = transform(**frames)
    if not hasattr(result, "schema") or not hasattr(result, "select"):
        raise DataError(
            f"{field}: {path}",
            found=f"it returned {type(result).__name__}",
            expected="a Spark DataFrame",
            fix="return the DataFrame from the transform",
        )
    return result, versions


def require_columns(
    frame: DataFrame, columns: Sequence[str], *, where: str, rule: str | None = None
) -> None:
    """Refuse a frame that lacks a declared column.

    Raises
    ------
    DataError
        Naming each missing column, with the closest one that is there.
    """
    have = frame.columns
    if missing := [c for c in columns if c not in have]:
        hints = ", ".join(f"{c!r}{did_you_mean(c, have)}" for c in missing)
        raise DataError(
            where,
            found=f"columns {', '.join(have)}",
            expected=f"also {hints}",
            fix="return the missing columns from the transform, or correct the names in defs.yaml",
            rule=rule,
        )


def refuse_empty(rows: int, *, where: str) -> None:
    """Refuse a result without rows; nothing is published.

    Raises
    ------
    DataError
        When ``rows`` is 0.
    """
    if not rows:
        raise DataError(
            where,
            found="0 rows",
            expected="at least one row",
            fix="look at the transform's filters and joins; the stored table stays as it was",
        )
