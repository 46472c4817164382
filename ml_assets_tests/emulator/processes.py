"""The process of a task: what it is given, what it leaves behind, and how it is stopped."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LAUNCH = Path(__file__).with_name("launch.py")
LOG_CHARACTERS = 5_000_000


@dataclass
class TaskProcess:
    """One running or finished process, leader of its own process group."""

    process: subprocess.Popen[bytes]
    log: Path
    error_file: Path

    @classmethod
    def start(
        cls,
        python: Path,
        what: Sequence[str],
        *,
        folder: Path,
        name: str,
        variables: Mapping[str, str],
    ) -> TaskProcess:
        """Start ``launch.py`` with a bare environment: nothing of the parent's is passed on."""
        home = folder / "home"
        home.mkdir(parents=True, exist_ok=True)
        environment = {
            "PATH": f"{python.parent}{os.pathsep}{os.defpath}",
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            **variables,
        }
        log, error_file = folder / f"{name}.log", folder / f"{name}.error.json"
        # -P: the folder of launch.py is not a place to import from.
        command = [str(python), "-P", str(LAUNCH), str(error_file), *what]
        with log.open("wb") as out:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=home,
                start_new_session=True,
            )
        return cls(process, log, error_file)

    @property
    def ended(self) -> bool:
        """Whether the process is gone."""
        return self.process.poll() is not None

    def stop(self, patience: float) -> None:
        """Ask the whole group to end; after ``patience`` seconds make it."""
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(patience)
        self.sweep()

    def sweep(self) -> None:
        """Kill what is left of the group, as the end of a container does."""
        self._signal(signal.SIGKILL)
        self.process.wait()

    def output(self) -> dict[str, Any]:
        """Give the log, and the error with its traceback when there was one."""
        text = self.log.read_text(encoding="utf-8", errors="replace")
        found: dict[str, Any] = {
            "logs": text[-LOG_CHARACTERS:],
            "logs_truncated": len(text) > LOG_CHARACTERS,
        }
        if self.error_file.exists():
            found |= json.loads(self.error_file.read_text(encoding="utf-8"))
        elif self.process.returncode:
            found["error"] = f"The Python process exited with exit code {self.process.returncode}."
        return found

    def _signal(self, number: int) -> None:
        # macOS answers EPERM for a group of which only zombies are left.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)


def wait_until(condition: Any, seconds: float, what: str) -> None:
    """Wait for something that another thread or process does.

    Raises
    ------
    TimeoutError
        When it did not come true in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.02)
