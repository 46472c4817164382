"""Job runs over the real feature engineering client: emulated workspace, real wheel, real Pipes.

Started by `make conformance`, which builds the client's environment first and then sets
``ML_ASSETS_CONFORMANCE_PYTHON`` to its interpreter. They run in the project's own environment, where
Dagster is; the task of each job run is in the client's.
"""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "ML_ASSETS_CONFORMANCE_PYTHON"


def client_python() -> Path | None:
    """The interpreter of the environment that has the client; None when these tests are not meant."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else None
