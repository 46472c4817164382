"""Nothing here runs unless it is asked for: it needs a workspace, and starts job runs there."""

from __future__ import annotations

from ml_assets_tests.workspace import enabled

collect_ignore_glob = [] if enabled() else ["test_*.py"]
