"""Facts of batch predictions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ml_assets.rules.facts.columns import Spread
    from ml_assets.rules.facts.drift import DriftFacts
    from ml_assets.rules.facts.lookups import LookupFacts
    from ml_assets.spec.catalog import TableInfo


@dataclass(frozen=True)
class PredictionFacts:
    """Batch predictions. ``versions`` counts the rows by the model version they carry.

    ``values`` counts predicted classes by their text; for predictions that are numbers it is empty
    and ``spread`` describes them (None when the column's type is no number).
    ``names`` are the readable classes that are stored beside each predicted code, by its text.
    ``same_keys`` says whether the predictions are for exactly the keys and times to score;
    ``repeated_keys`` counts the keys to score beyond the first of each.
    """

    table: TableInfo
    expected_rows: int
    rows: int
    null_predictions: int
    type: str
    values: Mapping[str, int]
    versions: Mapping[str, int]
    champion: int | None
    experiment: str
    lookups: tuple[LookupFacts, ...] = ()
    same_keys: bool = True
    repeated_keys: int = 0
    staged: bool = False
    spread: Spread | None = None
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    run_tags: Mapping[str, str] = field(default_factory=dict)
    drift: DriftFacts | None = None
