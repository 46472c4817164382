"""What somebody does by hand."""

from __future__ import annotations

from deltalake import DeltaTable

from examples.broken.by_hand import Stored


def break_it(stored: Stored) -> None:
    """The rows are as they were, and readers join by other keys."""
    table = DeltaTable(stored.platform.tables.path("shop.features.activity"))
    keys = {"ml_assets.primary_keys": '["customer", "visits"]'}
    table.alter.set_table_properties(keys, raise_if_not_exists=False)
