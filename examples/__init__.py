"""Examples that are tests too. Not part of the wheel."""
