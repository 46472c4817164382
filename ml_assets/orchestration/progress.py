"""One line for each step of a run, while it runs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import dagster as dg

from ml_assets.orchestration.names import asset_name, step_key
from ml_assets.orchestration.summary import AssetLine, RunSummary, summarize

if TYPE_CHECKING:
    from rich.console import Console

_ENDS = {
    dg.DagsterEventType.STEP_SUCCESS,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.STEP_SKIPPED,
}


@dataclass
class Progress:
    """Listens to the events of a run; prints when a step starts and when it ends, with seconds."""

    console: Console
    keys: Sequence[dg.AssetKey]
    log: list[dg.EventLogEntry] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    done: int = 0

    def __call__(self, entry: dg.EventLogEntry) -> None:
        """Take one event."""
        self.log.append(entry)
        event = entry.dagster_event
        if event is None or event.step_key not in self._names:
            return
        if event.event_type == dg.DagsterEventType.STEP_START:
            self._starts(event.step_key)
        elif event.event_type in _ENDS:
            self._ends(event.step_key, entry.run_id)

    def summary(self, run_id: str) -> RunSummary:
        """What the run did so far."""
        return summarize(self.keys, run_id, self.log)

    @property
    def _names(self) -> dict[str, str]:
        return {step_key(key): asset_name(key) for key in self.keys}

    def _starts(self, step: str) -> None:
        name = self._names[step]
        if self.console.is_terminal:
            # Overwritten by the line that says how it ended.
            self.console.print(f"{self._count(1)} [dim]…[/] {name}", end="\r", highlight=False)
        else:
            self.console.print(f"{self._count(1)} … {name}", highlight=False)

    def _ends(self, step: str, run_id: str) -> None:
        self.done += 1
        name = self._names[step]
        found = self.summary(run_id)
        line = next(line for line in found.assets if line.asset == name)
        red = [check.check for check in found.red if check.asset == name]
        bad = bool(red) or line.state == "failed"
        mark = "[red]✗[/]" if bad else "[green]✓[/]" if line.state == "stored" else "[yellow]-[/]"
        checks = sum(check.asset == name and check.passed for check in found.checks)
        parts = [_what(line), f"{checks} checks passed" if checks else ""]
        parts += [f"red: {', '.join(red)}"] if red else []
        seconds = f"{line.seconds:6.1f} s" if line.seconds is not None else " " * 8
        text = ", ".join(part for part in parts if part)
        self.console.print(f"{self._count()} {mark} {name:<32} {seconds}  {text}", highlight=False)

    def _count(self, ahead: int = 0) -> str:
        return f"{self.done + ahead:>3}/{len(self.keys)}"


def _what(line: AssetLine) -> str:
    if line.state != "stored":
        return line.state
    rows = f"{line.rows:,} rows, " if line.rows is not None else ""
    return f"{rows}version {line.version}" if line.version else "stored"
