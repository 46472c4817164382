"""Delta tables by name: read, staged, published."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd
    from pyspark.sql import DataFrame

    from ml_assets.spec.catalog import TableInfo, TableLayout


@dataclass(frozen=True)
class RowsCommit:
    """A commit that changed a table's rows; ``properties`` are what its writer recorded in it."""

    version: int
    properties: Mapping[str, str] = field(default_factory=dict)


class Staged(Protocol):
    """Rows that are written but not yet visible under the table's name."""

    @property
    def frame(self) -> DataFrame:
        """The staged rows as a Spark frame."""
        ...

    def publish(self, properties: Mapping[str, str] | None = None) -> TableInfo:
        """Replace the table's rows by the staged ones, in one commit, and describe the result.

        ``properties`` go into the commit (run id, spec hash), each as ``ml_assets.<name>``. Raises ``ConcurrentWriteError`` when
        the table was changed since staging, ``StorageError`` when it cannot be written.
        """
        ...

    def discard(self) -> None:
        """Remove the staged rows; the table stays as it was. Safe to call twice and after publish."""
        ...


class Tables(Protocol):
    """Delta tables by three-level name."""

    def info(self, name: str) -> TableInfo:
        """Describe what is stored now; ``exists=False`` when there is no such table."""
        ...

    def read(self, name: str, version: int | None = None) -> DataFrame:
        """Read a table, at a version when given. Raises ``DataError`` when it does not exist."""
        ...

    def commits(self, name: str, most: int = 1) -> tuple[RowsCommit, ...]:
        """List the last commits that changed rows, latest first, with the properties of ``publish``.

        Names of properties come without the prefix ``ml_assets.``; commits of others have none.
        Empty when there is no table, or one without versions; what is no longer in the log is left
        out.
        """
        ...

    def stage(
        self, frame: DataFrame, layout: TableLayout, audit_columns: Sequence[str] = ()
    ) -> Staged:
        """Write rows beside the table, invisible until published.

        ``audit_columns`` are columns of ``frame`` that ``Staged.frame`` has and the published
        table has not: evidence for the audit, such as which values were repaired.
        """
        ...

    def seed(self, name: str, load: Callable[[], pd.DataFrame], description: str = "") -> TableInfo:
        """Create a source table from a pandas frame when it does not exist; else only describe it."""
        ...
