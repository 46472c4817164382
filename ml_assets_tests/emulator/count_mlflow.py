"""Counts a task's calls of MLflow's stores. Shipped to the task as a wheel of its own.

On Databricks each of these calls is a REST call, and only a few a second are allowed. Calls that a
store makes of itself are not counted. The wheel's ``.pth`` file imports this module when Python
starts; when the process ends, the counts are written to the file ``COUNT_MLFLOW`` as JSON.
"""

from __future__ import annotations

import atexit
import functools
import importlib.abc
import json
import os
import sys
import threading
from collections import Counter
from importlib.machinery import PathFinder
from pathlib import Path

STORES = {
    "mlflow.store.tracking.sqlalchemy_store": "SqlAlchemyStore",
    "mlflow.store.model_registry.sqlalchemy_store": "SqlAlchemyStore",
    "mlflow.store.artifact.local_artifact_repo": "LocalArtifactRepository",
}
counts = Counter()
_depth = threading.local()


class Finder(importlib.abc.MetaPathFinder):
    """Wraps the stores when they are imported."""

    def find_spec(self, name, path, target=None):
        if name not in STORES:
            return None
        spec = PathFinder.find_spec(name, path, target)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            wrap(getattr(module, STORES[name]), name.split(".")[2])

        spec.loader.exec_module = exec_module
        return spec


def wrap(store, kind):
    """Count every public method of the class and of what it inherits."""
    for name in dir(store):
        method = getattr(store, name)
        if not name.startswith("_") and callable(method) and not isinstance(method, type):
            if isinstance(vars(store).get(name), (staticmethod, classmethod)):
                continue
            setattr(store, name, counted(method, f"{kind}.{name}"))


def counted(method, name):
    """Count a call unless a store makes it."""

    @functools.wraps(method)
    def call(*arguments, **named):
        depth = getattr(_depth, "now", 0)
        if not depth:
            counts[name] += 1
        _depth.now = depth + 1
        try:
            return method(*arguments, **named)
        finally:
            _depth.now = depth

    return call


def write():
    """Write down what was counted."""
    Path(os.environ["COUNT_MLFLOW"]).write_text(json.dumps(counts), encoding="utf-8")


if "COUNT_MLFLOW" in os.environ:
    sys.meta_path.insert(0, Finder())
    atexit.register(write)
