"""What labels are held against: until when the data goes, and what the champion was trained on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ml_assets.rules.facts import ChampionLabels
from ml_assets.spec.errors import DataError
from ml_assets.steps.measuring.measure import column_types, from_micros
from ml_assets.steps.serving.version_tags import CHAMPION, development_run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ml_assets.platform.protocol import Platform, RowsCommit
    from ml_assets.spec.model import ModelSpec

UNTIL, END = "data_until", "data_end"
_SHARE = "label_share_"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class DataEnd:
    """Until when there is data (UTC), and what says so."""

    until: datetime
    named: str

    def latest_micros(self, horizon: timedelta) -> int:
        """The last event time whose outcome is known by then, in microseconds since 1970."""
        return (self.until - horizon - _EPOCH) // timedelta(microseconds=1)

    def properties(self) -> dict[str, str]:
        """What a commit records, so that a later check does not take later data for known."""
        return {UNTIL: self.until.isoformat(), END: self.named}


def data_end(spec: ModelSpec, platform: Platform, versions: Mapping[str, int]) -> DataEnd:
    """Find the latest event time of the label's sources; the time of the build when none declares one.

    ``versions`` are those to read, by table; without one the source as it is now.

    Raises
    ------
    DataError
        When a declared event time is no timestamp column of its source, or has no value.
    """
    ends = [
        DataEnd(
            _latest(platform, name, source.table, source.event_time, versions),
            f"{name}.{source.event_time}",
        )
        for name in spec.label.sources
        if (source := spec.sources[name]).event_time
    ]
    if not ends:
        return DataEnd(datetime.now(UTC), "the time of the build")
    return max(ends, key=lambda end: end.until)


def recorded_end(commit: RowsCommit | None) -> DataEnd | None:
    """Read back what a commit recorded; None when its writer recorded nothing."""
    if commit is None or UNTIL not in commit.properties:
        return None
    try:
        until = datetime.fromisoformat(commit.properties[UNTIL])
    except ValueError:  # somebody else's property of the same name
        return None
    return DataEnd(until, commit.properties.get(END, "")) if until.tzinfo else None


def champion_labels(spec: ModelSpec, platform: Platform) -> ChampionLabels | None:
    """Read the training labels of the champion out of its training run; None without a champion.

    A run that is gone, or that measured no labels, tells nothing: shares are empty then.
    """
    registry, name = platform.registry, spec.registered_model
    version = registry.version_of(name, CHAMPION)
    if version is None:
        return None
    tags = registry.tags(name, version)
    try:
        run_id = development_run(platform, tags)
        metrics = platform.tracking.info(run_id).metrics if run_id else {}
    except DataError:  # somebody deleted the run
        return ChampionLabels(version, "")
    shares = {k.removeprefix(_SHARE): v for k, v in metrics.items() if k.startswith(_SHARE)}
    rows = _finite(metrics, "train_rows")
    return ChampionLabels(
        version,
        run_id,
        shares,
        mean=_finite(metrics, "label_mean"),
        std=_finite(metrics, "label_std"),
        rows=None if rows is None else int(rows),
    )


def _finite(metrics: Mapping[str, float], name: str) -> float | None:
    value = metrics.get(name)
    return value if value is not None and math.isfinite(value) else None


def _latest(
    platform: Platform, name: str, table: str, column: str | None, versions: Mapping[str, int]
) -> datetime:
    from pyspark.sql import functions as F

    frame = platform.tables.read(table, versions.get(table))
    kind = column_types(frame).get(column or "", "no such column")
    latest = None
    if kind == "timestamp":
        micros = frame.agg(F.unix_micros(F.max(F.col(f"`{column}`")))).collect()[0][0]
        latest = from_micros(micros)
    if latest is None:
        raise DataError(
            f"sources.{name}.event_time: {column}",
            found="no value" if kind == "timestamp" else f"{kind} in {table}",
            expected="a timestamp column of the source, which says until when the data goes",
            fix="declare another column of the source, or leave event_time out: outcomes then count as known up to the time of the build",
            rule="ml05_label_horizon_closed",
        )
    return latest
