"""What somebody does by hand."""

from __future__ import annotations

from examples.broken.by_hand import Stored, overwrite


def break_it(stored: Stored) -> None:
    """Corrected visits are delivered."""
    visits = stored.platform.tables.read("shop.raw.visits")
    overwrite(stored, "shop.raw.visits", visits)
