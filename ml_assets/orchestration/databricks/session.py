"""The name of a Pipes session: a folder in the volume that a second launcher can find again.

A folder ``sessions/<Dagster run id>.<step>.<request>.<nonce>`` exists from before the job run is
submitted until its outcome was consumed, so a folder that is there when a step starts is what a
killed launcher left behind. Its name alone says whose it is and what was asked.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: The folder of all sessions, in the volume.
SESSIONS = "sessions"


@dataclass(frozen=True)
class SessionName:
    """Which step of which Dagster run asked for what; ``nonce`` makes every start a new one."""

    dagster_run: str
    step: str
    request: str
    nonce: str

    @classmethod
    def new(cls, dagster_run: str, step_key: str, request: Mapping[str, Any]) -> SessionName:
        """Name a session that there never was."""
        return cls(dagster_run, short(step_key), digest(request), secrets.token_hex(4))

    @classmethod
    def parse(cls, folder: str) -> SessionName | None:
        """Read the name of a folder; None when it is not one of ours.

        >>> SessionName.parse("r.0123abcd.0123456789abcdef.01234567").step
        '0123abcd'
        >>> SessionName.parse("lost+found") is None
        True
        """
        parts = folder.split(".")
        return cls(*parts) if len(parts) == 4 and all(parts) else None  # noqa: PLR2004

    def __str__(self) -> str:
        """The folder's name."""
        return f"{self.dagster_run}.{self.step}.{self.request}.{self.nonce}"

    @property
    def token(self) -> str:
        """The idempotency token: the API takes at most 64 characters, and this is 64."""
        return hashlib.sha256(str(self).encode()).hexdigest()

    def same_work(self, other: SessionName) -> bool:
        """Whether both ask for the same."""
        return (self.step, self.request) == (other.step, other.request)


def of_step(folders: Iterable[str], step_key: str) -> list[SessionName]:
    """Find the sessions of one step, whatever the Dagster run; other folders are left out."""
    names = [name for folder in folders if (name := SessionName.parse(folder))]
    return [name for name in names if name.step == short(step_key)]


def of_runs(names: Iterable[SessionName], runs: Sequence[str]) -> list[SessionName]:
    """Find the sessions of some Dagster runs, in the order of the runs."""
    order = {run: place for place, run in enumerate(runs)}
    ours = [name for name in names if name.dagster_run in order]
    return sorted(ours, key=lambda name: order[name.dagster_run])


def short(text: str) -> str:
    """Eight hex digits for a text of any length and letters."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def digest(request: Mapping[str, Any]) -> str:
    """Sixteen hex digits that are the same for the same request, whatever the order of its keys."""
    text = json.dumps(request, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
