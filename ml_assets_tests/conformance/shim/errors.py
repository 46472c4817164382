"""Errors in the words of Spark and Unity Catalog."""

from __future__ import annotations

from pyspark.errors import AnalysisException


def refuse(condition: str, text: str) -> AnalysisException:
    """Make the error that a statement raises on Databricks: ``[CONDITION] text``."""
    return AnalysisException(f"[{condition}] {text}")


class NotInShimError(NotImplementedError):
    """A statement, a route or an option that the shim does not know: it must be written first."""
