"""What somebody does by hand."""

from __future__ import annotations

from examples.broken.by_hand import Stored, edited_mlmodel


def break_it(stored: Stored) -> None:
    """Nobody can try the model without looking for rows first."""
    for inside in (False, True):
        with edited_mlmodel(stored, inside=inside) as mlmodel:
            mlmodel.pop("saved_input_example_info", None)
