"""What a table held before, what it was made from, and what its writer recorded in the commit."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ml_assets.rules.facts import BeforeFacts, SourceFacts
from ml_assets.spec.errors import DataError
from ml_assets.steps.measuring.measure import aggregate, column_types, from_micros

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ml_assets.platform.protocol import Platform, RowsCommit
    from ml_assets.rules.facts import FeatureTableFacts, LabelFacts
    from ml_assets.spec.model import ModelSpec


def recorded(
    facts: FeatureTableFacts | LabelFacts,
    versions: Mapping[str, int],
    states: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Commit properties that let a later check compare: rows, columns, versions of the inputs.

    ``states`` stand for versions where there are none (``source_states``).
    """
    columns = {c.name: c.type for c in facts.table.columns}
    found = {
        "rows": str(facts.rows),
        "columns": json.dumps(columns),
        "inputs": json.dumps(dict(versions), sort_keys=True),
    }
    return found | ({"source_states": json.dumps(dict(states))} if states else {})


def last_commits(
    platform: Platform, name: str, *, staged: bool
) -> tuple[RowsCommit | None, RowsCommit | None]:
    """Find the commit of the measured rows (None while they are staged), and the one before it."""
    found: list[RowsCommit | None] = [None] if staged else []
    found += platform.tables.commits(name, 2 - len(found))
    found += [None, None]
    return found[0], found[1]


def before(platform: Platform, name: str, commit: RowsCommit | None) -> BeforeFacts | None:
    """Describe the rows of an earlier commit; by counting them when its writer did not.

    What cannot be read any more, because the files of the version were cleaned up, is None.
    """
    if commit is None:
        return None
    rows = _parsed(commit, "rows")
    columns = _parsed(commit, "columns")
    if isinstance(rows, int) and isinstance(columns, dict):
        return BeforeFacts(commit.version, rows, columns)
    return BeforeFacts(commit.version, *_stored(platform, name, commit.version))


def sources_of(
    spec: ModelSpec,
    platform: Platform,
    names: Iterable[str],
    used: Mapping[str, int] | None,
    states: Mapping[str, str] | None,
) -> tuple[SourceFacts, ...]:
    """Hold the versions that were used beside what the sources are now; None: nobody recorded them.

    ``states`` are what ``source_states`` said when they were used.
    """
    facts = []
    for name in names:
        source = spec.sources[name]
        info = platform.tables.info(source.table)
        version = None if used is None else used.get(info.name)
        found = SourceFacts(info.name, version, info.version, info.data_version)
        if info.exists and info.version < 0 and (state := (states or {}).get(info.name)):
            now = _state(platform, source.table, source.event_time)
            found = replace(found, used_state=state, state=now)
        facts.append(found)
    return tuple(facts)


def source_states(
    spec: ModelSpec, platform: Platform, names: Iterable[str], versions: Mapping[str, int]
) -> dict[str, str]:
    """Describe the sources without versions (views, system tables) by table: rows, and until when.

    To be asked before their rows are read: a change meanwhile is then told rather than missed. Without
    an event time only the rows are counted; what is changed in place is not seen.
    """
    sources = [spec.sources[name] for name in names]
    return {
        s.table: _state(platform, s.table, s.event_time) for s in sources if versions[s.table] < 0
    }


def _state(platform: Platform, table: str, event_time: str | None) -> str:
    from pyspark.sql import functions as F

    frame = platform.tables.read(table)
    counts = {"rows": F.count(F.lit(1))}
    if event_time and column_types(frame).get(event_time) == "timestamp":
        counts["latest"] = F.unix_micros(F.max(F.col(f"`{event_time}`")))
    found = aggregate(frame, counts)
    latest = from_micros(found.get("latest"))
    return f"{found['rows']} rows" + (f" until {latest.isoformat()}" if latest else "")


def recorded_mapping(commit: RowsCommit | None, name: str) -> dict[str, Any] | None:
    """Read a property that is a mapping; None when the writer recorded none."""
    found = _parsed(commit, name) if commit else None
    return found if isinstance(found, dict) else None


def _parsed(commit: RowsCommit, name: str) -> Any:
    try:
        return json.loads(commit.properties.get(name, "null"))
    except ValueError:  # somebody else's property of the same name
        return None


def _stored(
    platform: Platform, name: str, version: int
) -> tuple[int | None, dict[str, str] | None]:
    from pyspark.errors import PySparkException

    try:
        frame = platform.tables.read(name, version)
        return frame.count(), column_types(frame)
    except (DataError, PySparkException):
        return None, None
