"""What somebody does by hand."""

from __future__ import annotations

from examples.broken.by_hand import Stored, trained


def break_it(stored: Stored) -> None:
    """Nobody can tell any more which code trained the model."""
    client = stored.platform.tracking.store.client
    client.delete_tag(trained(stored).run_id, "ml_assets.git_commit")
