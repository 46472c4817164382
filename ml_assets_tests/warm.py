"""Processes of their own that need not import everything again: forked from one that is kept warm.

A fresh interpreter spends four to six seconds of CPU on importing Dagster and its Databricks library;
a test that starts one to kill it has no other work for it. What is forked here has its own process id,
signals and environment, and no Spark session, no connection and no thread of the tests' process: the
warm process has only imported.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from multiprocessing.process import BaseProcess

#: Imported once, in the warm process; what they import is the point.
_PRELOADED = ["ml_assets_tests.orchestration.databricks.bench", "dagster_databricks.pipes"]


def start_warm(
    act: Callable[[str], None], argument: str, environment: Mapping[str, str]
) -> BaseProcess:
    """Start ``act(argument)`` in a process with this environment; what it prints is dropped."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    process = context.Process(target=_act, args=(act, argument, dict(environment)), daemon=True)
    process.start()
    return process


def _act(act: Callable[[str], None], argument: str, environment: dict[str, str]) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    quiet = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(quiet, stream.fileno())
    act(argument)
