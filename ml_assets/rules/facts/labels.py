"""Facts of a label table, beside the labels of the champion."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ml_assets.rules.facts.columns import Spread
    from ml_assets.spec.catalog import TableInfo


@dataclass(frozen=True)
class ChampionLabels:
    """The labels that the champion was trained on, as its run recorded them.

    ``shares`` by class; ``mean`` and ``std`` of numbers; ``rows`` that there were. Empty and None when
    the run tells nothing.
    """

    version: int
    run_id: str
    shares: Mapping[str, float] = field(default_factory=dict)
    mean: float | None = None
    std: float | None = None
    rows: int | None = None


@dataclass(frozen=True)
class LabelFacts:
    """A label table, of classes or of numbers.

    Of classes: ``values`` counts the rows of each value by its text, null left out, and the same of
    the training and of the holdout rows: every declared class that there is, and of other values the
    20 most frequent; ``unlisted_rows`` have yet another value. Of numbers: ``spreads`` of the parts
    ``all``, ``train`` and ``holdout``, empty when the column's type is no number; NaN is not counted
    as null.

    ``open_rows`` have an outcome that is known only after ``data_until``, which is the end of the
    data that ``data_end`` names (UTC).
    """

    table: TableInfo
    rows: int
    type: str
    nulls: int
    key_nulls: Mapping[str, int]
    values: Mapping[str, int]
    train_values: Mapping[str, int]
    holdout_values: Mapping[str, int]
    columns: tuple[str, ...]
    staged: bool = False
    spreads: Mapping[str, Spread] = field(default_factory=dict)
    unlisted_rows: int = 0
    open_rows: int = 0
    data_until: datetime | None = None
    data_end: str = ""
    champion: ChampionLabels | None = None
    examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
