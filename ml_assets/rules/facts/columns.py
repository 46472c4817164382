"""Facts of a column: of whatever type, and of numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ColumnFacts:
    """Counts of one column. ``nans`` and ``infs`` are 0 for types that cannot hold them.

    ``repaired`` counts the values that the default replaced; None when nobody recorded it.
    ``constant``: there is one distinct value, null being one; False where nobody looked.
    """

    name: str
    type: str
    nulls: int = 0
    nans: int = 0
    infs: int = 0
    repaired: int | None = None
    constant: bool = False

    @property
    def numeric(self) -> bool:
        """Whether the type is a number."""
        return self.type in {"tinyint", "smallint", "int", "bigint", "float", "double"} or (
            self.type.startswith("decimal")
        )


@dataclass(frozen=True)
class Spread:
    """A column of numbers over some rows: its finite values, and how many are none.

    ``lowest``, ``highest`` and ``mean`` are of the finite values; None when there are none.
    """

    finite: int = 0
    nans: int = 0
    infs: int = 0
    lowest: float | None = None
    highest: float | None = None
    mean: float | None = None

    @property
    def constant(self) -> bool:
        """Whether there is not more than one value."""
        return self.lowest == self.highest
