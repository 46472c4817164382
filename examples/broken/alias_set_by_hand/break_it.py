"""What somebody does by hand."""

from __future__ import annotations

from examples.broken.by_hand import Stored


def break_it(stored: Stored) -> None:
    """The tag that a rollback reads is gone."""
    client, name = stored.platform.tracking.store.client, stored.spec.registered_model
    client.delete_model_version_tag(name, "1", "ml_assets.previous_champion")
