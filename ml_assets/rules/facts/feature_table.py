"""Facts of a feature table, of the rows before them, and of its sources."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ml_assets.rules.facts.columns import ColumnFacts
    from ml_assets.spec.catalog import TableInfo


@dataclass(frozen=True)
class BeforeFacts:
    """The rows that a table held before the ones that were measured.

    ``rows`` and ``columns`` (types by name) are None when neither the commit nor the log tells.
    """

    version: int
    rows: int | None
    columns: Mapping[str, str] | None


@dataclass(frozen=True)
class SourceFacts:
    """A source now, beside the version of it that a table was made from.

    ``used`` is None when the table's writer did not record it; ``version`` is -1 for a view or a
    table without versions. ``data_version`` is the last version that changed rows. Of a source
    without versions ``used_state`` and ``state`` say how many rows it held and holds, and the latest
    event time; empty when that was not recorded.
    """

    table: str
    used: int | None
    version: int
    data_version: int
    used_state: str = ""
    state: str = ""

    @property
    def comparable(self) -> bool:
        """Whether there is something to tell a change by."""
        return self.version >= 0 or bool(self.used_state and self.state)

    @property
    def changed(self) -> bool:
        """Whether the source holds other rows now than those that were used.

        Of a source without versions: as far as their number and latest event time tell.
        """
        if self.version < 0:
            return self.comparable and self.used_state != self.state
        return self.used is not None and not self.data_version <= self.used <= self.version


@dataclass(frozen=True)
class FeatureTableFacts:
    """A feature table: its rows, keys and columns, and what the catalog stores about it.

    ``table`` describes the stored table; before the first publication ``table.exists`` is False.
    ``examples`` maps a check's name to the keys of the first offending rows. ``before`` is None when
    there are no rows to compare with. ``latest_event`` is None without event times.
    """

    table: TableInfo
    rows: int
    columns: tuple[ColumnFacts, ...]
    key_nulls: Mapping[str, int]
    duplicate_keys: int
    examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    staged: bool = False
    before: BeforeFacts | None = None
    sources: tuple[SourceFacts, ...] = ()
    latest_event: datetime | None = None
    measured_at: datetime | None = None
