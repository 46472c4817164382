"""Run Python code in a process of its own: to kill it, to fork in it, to limit it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[2]

#: Makes the super-user obey file permissions like everybody else, by giving up all capabilities
#: (Linux); nothing to do for others. Runs before any thread is started: it holds for one thread and
#: those that it starts.
OBEY_PERMISSIONS = """
import ctypes, os, sys
if os.geteuid() == 0 and sys.platform == "linux":
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    assert ctypes.CDLL(None, use_errno=True).capset(header, (ctypes.c_uint32 * 6)()) == 0
"""


def run_python(
    code: str, home: Path, *, returncode: int = 0, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run code with ``home`` as its ML_ASSETS_HOME, and check how it ended."""
    inherited = {k: v for k, v in os.environ.items() if k not in {"RUST_LOG", "PYTHONWARNINGS"}}
    done = subprocess.run(
        [sys.executable, "-c", dedent(code)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=ROOT,
        env=inherited | {"PYTHONPATH": str(ROOT), "ML_ASSETS_HOME": str(home)} | env,
    )
    assert done.returncode == returncode, f"{done.stdout}\n{done.stderr}"
    return done
