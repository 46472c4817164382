"""Facts of a point-in-time join: how many rows found a feature."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LookupFacts:
    """How many rows found a row of one feature table, and the latest lead of a match in seconds.

    ``max_lead_seconds`` is feature event time minus as-of time; it must not be positive. None for
    static tables and when nothing matched.
    """

    name: str
    rows: int
    matched: int
    max_lead_seconds: float | None = None
    rows_from_future: int = 0

    @property
    def coverage(self) -> float:
        """Share of the rows that found a match; 0 when there are no rows."""
        return self.matched / self.rows if self.rows else 0.0
