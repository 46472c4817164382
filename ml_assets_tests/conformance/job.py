"""A job's process over the real client: ``python -m ml_assets_tests.conformance.job <home> …``.

It opens the workspace at a folder, as the runtime would have, and starts ``ml_assets.remote`` with
the rest of the arguments.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ml_assets_tests.conformance.platforms import databricks


def main() -> None:
    from ml_assets import remote

    home = Path(sys.argv.pop(1))
    with databricks(home):
        remote.main()


if __name__ == "__main__":
    main()
