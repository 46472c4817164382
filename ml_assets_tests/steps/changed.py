"""Stored tables that somebody else changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import Column

    from ml_assets.platform.embedded import EmbeddedPlatform


def rewritten(platform: EmbeddedPlatform, table: str, column: str, value: Column) -> int:
    """Somebody else overwrites a stored table; return its new version."""
    frame = platform.tables.read(table).withColumn(column, value)
    path = str(platform.tables.path(table))
    frame.write.format("delta").mode("overwrite").option("overwriteSchema", "true").save(path)
    return platform.tables.info(table).version
