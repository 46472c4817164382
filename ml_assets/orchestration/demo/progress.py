"""One line for each step of a run, while it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import dagster as dg

from ml_assets.orchestration.demo.summary import AssetLine, RunSummary, asset_of, summarize
from ml_assets.orchestration.names import asset_name

if TYPE_CHECKING:
    from rich.console import Console

_ENDS = {
    dg.DagsterEventType.STEP_SUCCESS,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.STEP_SKIPPED,
}


@dataclass
class Progress:
    """Listens to the events of a run; prints when a step starts, and what became of each asset.

    A step of several assets tells of them one after the other: what it says of the next one, or its
    end, shows that the one before is done.
    """

    console: Console
    steps: Mapping[dg.AssetKey, str]
    log: list[dg.EventLogEntry] = field(default_factory=list)
    told: list[dg.AssetKey] = field(default_factory=list)
    current: dg.AssetKey | None = None

    def __call__(self, entry: dg.EventLogEntry) -> None:
        """Take one event."""
        event = entry.dagster_event
        known = event if event and event.step_key in self.steps.values() else None
        if known and (key := asset_of(known)) and key != self.current:
            self._ends(entry.run_id)  # what was logged so far is all about the one before
            self.current = key
        self.log.append(entry)
        if known and known.event_type == dg.DagsterEventType.STEP_START:
            self._starts(self._assets(known.step_key))
        elif known and known.event_type in _ENDS:
            self._ends(entry.run_id)
            for key in self._assets(known.step_key):
                self.current = key
                self._ends(entry.run_id)

    def summary(self, run_id: str) -> RunSummary:
        """What the run did so far."""
        return summarize(self.steps, run_id, self.log)

    def _assets(self, step: str | None) -> list[dg.AssetKey]:
        return [key for key, name in self.steps.items() if name == step]

    def _starts(self, keys: Sequence[dg.AssetKey]) -> None:
        name = asset_name(keys[0]) if len(keys) == 1 else f"{len(keys)} assets in one job run"
        count = f"{len(self.told) + 1:>3}/{len(self.steps)}"
        # Overwritten by the line that says how it ended.
        end = "\r" if self.console.is_terminal else "\n"
        self.console.print(f"{count} [dim]…[/] {name}", end=end, highlight=False)

    def _ends(self, run_id: str) -> None:
        if self.current is None or self.current in self.told:
            return
        self.told.append(self.current)
        name = asset_name(self.current)
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
        count = f"{len(self.told):>3}/{len(self.steps)}"
        self.console.print(f"{count} {mark} {name:<32} {seconds}  {text}", highlight=False)


def _what(line: AssetLine) -> str:
    if line.state != "stored":
        return line.state
    rows = f"{line.rows:,} rows, " if line.rows is not None else ""
    return f"{rows}version {line.version}" if line.version else "stored"
