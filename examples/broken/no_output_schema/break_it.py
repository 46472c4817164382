"""What somebody does by hand."""

from __future__ import annotations

from examples.broken.by_hand import Stored, edited_mlmodel


def break_it(stored: Stored) -> None:
    """Models that are logged without an output schema look like this."""
    with edited_mlmodel(stored) as mlmodel:
        mlmodel["signature"]["outputs"] = None
