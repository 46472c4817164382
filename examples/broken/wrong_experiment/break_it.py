"""What somebody does by hand."""

from __future__ import annotations

from examples.broken.by_hand import Stored, trained


def break_it(stored: Stored) -> None:
    """A private playground, where nobody finds the runs."""
    client = stored.platform.tracking.store.client
    run = client.get_run(trained(stored).run_id)
    client.rename_experiment(run.info.experiment_id, "/Users/me/playground")
