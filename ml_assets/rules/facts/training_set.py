"""Facts of a stored training set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ml_assets.rules.facts.columns import ColumnFacts
    from ml_assets.rules.facts.leakage import LeakageFacts
    from ml_assets.rules.facts.lookups import LookupFacts
    from ml_assets.spec.catalog import TableInfo


@dataclass(frozen=True)
class TrainingSetFacts:
    """A stored training set. Times are UTC; ``split_rows`` counts rows by train, embargo, holdout.

    ``split_values`` counts the labels of each part by class; it is empty when labels are numbers.
    """

    table: TableInfo
    rows: int
    columns: tuple[ColumnFacts, ...]
    split_rows: Mapping[str, int]
    split_values: Mapping[str, Mapping[str, int]]
    last_train: datetime | None
    first_holdout: datetime | None
    lookups: tuple[LookupFacts, ...]
    staged: bool = False
    leakage: LeakageFacts | None = None
