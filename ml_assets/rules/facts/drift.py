"""Facts of scored keys beside training rows: how far each column moved."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ColumnDrift:
    """How far a batch's values of one column are from those that the champion knows, as PSI.

    ``by_chance`` is what so few rows exceed once in a thousand times, ``usual`` the most that a
    window of the training set as long as the batch shows. ``moved`` names the bin that moved most.
    """

    name: str
    psi: float
    by_chance: float = 0.0
    usual: float = 0.0
    moved: str = ""


@dataclass(frozen=True)
class DriftFacts:
    """A sample of ``rows`` scored keys beside a sample of ``reference_rows`` training rows.

    ``unmeasured`` says what is missing and why, and ``fix`` what to do about it where that is known;
    both are empty when everything was compared.
    """

    rows: int
    reference_rows: int
    columns: tuple[ColumnDrift, ...] = ()
    unmeasured: str = ""
    fix: str = ""
