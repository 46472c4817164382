"""What makes a stored thing traceable: the Dagster run, the code's commit, the declaration."""

from __future__ import annotations

import functools
import getpass
import hashlib
import importlib.util
import os
import subprocess
from pathlib import Path

from ml_assets.spec.model import ModelSpec

COMMIT_VARIABLE = "ML_ASSETS_GIT_COMMIT"
USER_VARIABLE = "ML_ASSETS_USER"


def trace(spec: ModelSpec, run_id: str) -> dict[str, str]:
    """Tags for commits, MLflow runs and model versions.

    ``git_commit`` is what ``ML_ASSETS_GIT_COMMIT`` says (an image has no repository); else what is
    checked out; outside a repository there is none. ``started_by`` says who.
    """
    given = os.environ.get(COMMIT_VARIABLE)
    commit = given or git_commit(model_folder(spec) or Path(__file__).parent)
    found = {"dagster_run_id": run_id, "spec_hash": spec.hash, "started_by": who()}
    return {**found, "git_commit": commit} if commit else found


def who() -> str:
    """Name who runs this: what ``ML_ASSETS_USER`` says, else the user of this process."""
    if named := os.environ.get(USER_VARIABLE):
        return named
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container whose user has no name
        return "unknown"


@functools.cache
def git_commit(folder: Path) -> str | None:
    """Name the commit that a folder is checked out at, with ``-dirty`` when files were changed."""
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40"]
    command += ["--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None  # no git on this machine: the trace goes without it
    return done.stdout.strip() or None if done.returncode == 0 else None


def model_folder(spec: ModelSpec) -> Path | None:
    """Find the folder of the model's own Python package without importing its modules."""
    if spec.package is None:
        return None
    try:
        found = importlib.util.find_spec(spec.package)
    except ModuleNotFoundError:
        return None
    locations = list(found.submodule_search_locations or []) if found else []
    return Path(locations[0]) if locations else None


def code_version(spec: ModelSpec) -> str:
    """Twelve hex digits that change with the declaration or with a Python file beside it."""
    digest = hashlib.sha256(spec.hash.encode())
    folder = model_folder(spec)
    for file in sorted(folder.glob("*.py")) if folder else []:
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:12]
