"""Facts of a packaged model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ml_assets.rules.facts.columns import Spread
    from ml_assets.spec.catalog import PackageInfo


@dataclass(frozen=True)
class ModelFacts:
    """A packaged model, read back from the run. ``predicted_type`` is what it returned when loaded.

    ``predicted_values`` counts the predicted classes by their text, and up to 20 other values; for
    predictions that are numbers it is empty and ``predicted_spread`` describes them.
    """

    run_id: str
    experiment: str
    package: PackageInfo
    predicted_type: str
    predicted_rows: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    predicted_values: Mapping[str, int] = field(default_factory=dict)
    predicted_spread: Spread | None = None
    run_tags: Mapping[str, str] = field(default_factory=dict)
