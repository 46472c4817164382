"""Runs inside a task's process: calls the submitted code, and keeps the error it raised.

``launch.py ERROR_FILE wheel PACKAGE ENTRY_POINT [PARAMETER ...]``
``launch.py ERROR_FILE file PATH [PARAMETER ...]``

Imports nothing but the standard library: it runs in an environment that holds only what was
submitted. What an entry point RETURNS is ignored, as on Databricks; only raising fails the task.
"""

from __future__ import annotations

import importlib
import json
import runpy
import sys
import traceback
from importlib import metadata
from pathlib import Path


def call_wheel(package: str, name: str, *parameters: str) -> None:
    """Call an entry point by its name, or else a function of the package by that name."""
    sys.argv = [name, *parameters]
    try:
        points = metadata.distribution(package).entry_points
    except metadata.PackageNotFoundError:
        message = f"Package {package!r} is not installed in the environment of this task."
        raise RuntimeError(message) from None
    for point in points:
        if point.name == name:
            point.load()()
            return
    module = importlib.import_module(package.replace("-", "_"))
    if not hasattr(module, name):
        message = f"Entry point {name!r} was not found in package {package!r}."
        raise RuntimeError(message)
    getattr(module, name)()


def run_file(path: str, *parameters: str) -> None:
    """Run a Python file as a script."""
    sys.argv = [path, *parameters]
    sys.path.insert(0, str(Path(path).parent))
    runpy.run_path(path, run_name="__main__")


def main() -> None:
    """Do what the arguments say; write the error's message and traceback to the file."""
    error_file, kind, *arguments = sys.argv[1:]
    try:
        {"wheel": call_wheel, "file": run_file}[kind](*arguments)
    except SystemExit as stop:
        if stop.code not in {None, 0}:
            keep(error_file, f"SystemExit: {stop.code}")
        raise
    except BaseException as error:
        keep(error_file, "".join(traceback.format_exception_only(error)).strip())
        raise


def keep(error_file: str, message: str) -> None:
    """Write down the error that is being handled."""
    known = {"error": message, "error_trace": traceback.format_exc()}
    Path(error_file).write_text(json.dumps(known), encoding="utf-8")


if __name__ == "__main__":
    main()
