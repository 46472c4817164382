"""Facts of a registered version, of its replay, and of its comparison with the champion."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class ReplayFacts:
    """Raw keys scored again by the packaged model, beside what training gave for the same rows.

    ``max_difference`` is absolute for classes and relative for numbers. ``changed_features`` counts,
    by feature, the rows whose looked-up value is another than the one that was trained on.
    """

    rows: int
    missing: int
    null_predictions: int
    different: int
    max_difference: float
    changed_features: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class MetricDifference:
    """How a candidate and the champion differ in a metric, on the same rows.

    ``difference`` is candidate - champion, with its sign turned where smaller is better: above 0 the
    candidate is better. ``low`` and ``high`` are the ends of its interval, from the ``draws`` that
    define the metric; NaN when fewer than half of all draws do, or when there is one unit to draw.
    """

    candidate: float
    champion: float
    difference: float
    low: float
    high: float
    draws: int


@dataclass(frozen=True)
class ComparisonFacts:
    """A candidate and the champion, scored through the feature store on the same holdout rows.

    ``rows`` were compared, of ``holdout_rows``; ``seen_rows`` of the holdout are older than the
    champion's own holdout: it may have been trained on them (None: nobody knows any more). ``entities``
    is how many different keys without the as-of time the compared rows have: they are what was drawn,
    with all their rows. Of one entity ``blocks`` of time were drawn instead (0: entities were).
    ``widened`` is by what intervals were stretched because what was drawn is few. ``trouble`` says why
    the two could not be compared; there are no ``differences`` then.
    """

    champion: int
    holdout_rows: int = 0
    rows: int = 0
    seen_rows: int | None = None
    entities: int = 0
    blocks: int = 0
    widened: float = 1.0
    confidence: float = 0.95
    differences: Mapping[str, MetricDifference] = field(default_factory=dict)
    trouble: str = ""


@dataclass(frozen=True)
class VersionFacts:
    """A registered version before promotion: holdout metrics, baseline, and the score replay.

    ``champion`` is the version that the alias pointed to when it was measured, ``rollback_to`` the one
    that a rollback would restore (0: the record says that there was none before; None: no record),
    and ``rollback_trouble`` why it would not serve then (empty: it would). ``comparison`` is None
    without another champion.
    ``overtaken`` says that somebody moved the alias between the comparison and the promotion;
    ``forced`` who promoted this champion against its gates, and why; ``rolled_back`` who took this
    version back, and why (both empty: nobody). ``run_tags`` are those of the evaluation run.
    """

    model: str
    version: int | None
    run_id: str
    experiment: str
    metrics: Mapping[str, float]
    baseline: Mapping[str, float]
    replay: ReplayFacts
    champion: int | None = None
    comparison: ComparisonFacts | None = None
    rollback_to: int | None = None
    rollback_trouble: str = ""
    overtaken: bool = False
    forced: str = ""
    rolled_back: str = ""
    run_tags: Mapping[str, str] = field(default_factory=dict)
