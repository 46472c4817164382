"""What a table held before, what it was made from, and what its writer recorded in the commit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ml_assets.rules.facts import BeforeFacts, SourceFacts
from ml_assets.spec.errors import DataError
from ml_assets.steps.measuring.measure import column_types

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ml_assets.platform.protocol import Platform, RowsCommit
    from ml_assets.rules.facts import FeatureTableFacts, LabelFacts
    from ml_assets.spec.model import ModelSpec


def recorded(facts: FeatureTableFacts | LabelFacts, versions: Mapping[str, int]) -> dict[str, str]:
    """Commit properties that let a later check compare: rows, columns, versions of the inputs."""
    columns = {c.name: c.type for c in facts.table.columns}
    return {
        "rows": str(facts.rows),
        "columns": json.dumps(columns),
        "inputs": json.dumps(dict(versions), sort_keys=True),
    }


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
    spec: ModelSpec, platform: Platform, names: Iterable[str], used: Mapping[str, int] | None
) -> tuple[SourceFacts, ...]:
    """Hold the versions that were used beside what the sources are now; None: nobody recorded them."""
    facts = []
    for name in names:
        info = platform.tables.info(spec.sources[name].table)
        version = None if used is None else used.get(info.name)
        facts.append(SourceFacts(info.name, version, info.version, info.data_version))
    return tuple(facts)


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
