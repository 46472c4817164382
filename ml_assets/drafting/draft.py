"""Everything that was guessed of a table, in one value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ml_assets.drafting.labels import LabelGuess, find_label
from ml_assets.drafting.leaks import Leak, find_leaks
from ml_assets.drafting.names import argument, model_name, plain
from ml_assets.drafting.sample import Column, Sample, TimeColumn, refuse_no_rows
from ml_assets.drafting.times import (
    Keys,
    find_event_time,
    find_keys,
    looks_like_a_number_of_somebody,
    looks_like_an_id,
)
from ml_assets.spec.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KNOWN_AT, ASKED_AT, SERIES = "known_at", "asked_at", "series"
#: Below so many different values a text may be a feature, however few rows there are.
_FEW_LEVELS = 50
#: What features.py calls its own functions.
_OWN_NAMES = ("time", "known", "outcomes", "to_score")
_DEFAULTS: dict[str, Any] = {"number": 0.0, "whole": 0, "boolean": False, "text": "unknown"}


@dataclass(frozen=True)
class Wanted:
    """What a person said instead of leaving it to a guess."""

    label: str | None = None
    keys: tuple[str, ...] = ()
    event_time: str | None = None


@dataclass(frozen=True)
class Draft:
    """A model that could be made from one table.

    ``features`` gives each column's name in the feature table by its name in the source;
    ``keys`` the same for the key columns (``series`` by None where the table is one series).
    ``left_out`` says why of each column that became nothing.
    """

    project: str
    model: str
    sample: Sample
    source: str
    time: TimeColumn
    key: Keys
    label: LabelGuess
    label_name: str
    keys: Mapping[str | None, str]
    features: Mapping[str, str]
    leaks: Mapping[str, Leak]
    left_out: Mapping[str, str]
    known_at: str
    asked_at: str

    @property
    def catalog(self) -> str:
        """Where the model's own tables are stored: in the catalog of the table."""
        return self.sample.table.split(".", maxsplit=1)[0]

    @property
    def is_series(self) -> bool:
        """Whether a row is looked up for the next one, instead of for itself."""
        return self.key.step is not None

    @property
    def label_sources(self) -> tuple[str, ...]:
        """Columns that must not become features: the outcome, and what certainly reveals it."""
        certain = [leak.column for leak in self.leaks.values() if leak.certain]
        return (self.label.column.name, *certain)

    @property
    def embargo(self) -> timedelta | None:
        """The gap before the holdout, where the usual day would swallow much of the data."""
        span = self.time.times.max() - self.time.times.min()
        if span > timedelta(days=20):
            return None
        step = self.key.step.length if self.key.step else timedelta(0)
        return step if step < span / 20 else timedelta(0)

    def default(self, name: str) -> Any:
        """What replaces missing values of a feature, by its type."""
        return _DEFAULTS[self._column(name).kind]

    def comment(self, name: str) -> str:
        """What the catalog already says of a column."""
        return self._column(name).comment

    def _column(self, name: str) -> Column:
        return next(c for c in self.sample.columns if c.name == name)


def draft_model(name: str, sample: Sample, wanted: Wanted | None = None) -> Draft:
    """Guess a model from the rows of a table.

    Raises
    ------
    SpecError
        When the name is none, or the table has no rows, no time, no keys, nothing to predict or
        nothing to predict from; naming what is there.
    """
    wanted = wanted or Wanted()
    project, model = model_name(name)
    refuse_no_rows(sample.table, sample.rows)
    time = find_event_time(sample, wanted.event_time)
    key = find_keys(sample, time, wanted.keys, wanted.label)
    label = find_label(sample, {*key.names, *sample.times}, wanted.label)
    rest = [c for c in sample.columns if c.name not in {*key.names, label.column.name}]
    left_out = {c.name: why for c in rest if (why := _no_feature(sample, c))}
    usable = [c for c in rest if c.name not in left_out]
    leaks = {} if key.step is not None else find_leaks(sample, label, time, usable)
    features = [c.name for c in usable if c.name not in leaks or not leaks[c.name].certain]
    if key.step is not None:
        features = [label.column.name, *features]  # what came out last time is known by then
    if not features:
        raise _nothing_to_learn_from(sample, label, leaks, left_out)
    left_out.pop(time.column.name, None)
    names = _names(sample, key, label, features)
    return Draft(
        project=project,
        model=model,
        sample=sample,
        source=argument(sample.table.split(".")[-1], _OWN_NAMES),
        time=time,
        key=key,
        label=label,
        leaks=leaks,
        left_out={n: why for n, why in left_out.items() if n not in leaks},
        **names,
    )


def _no_feature(sample: Sample, column: Column) -> str | None:
    """Say why a column cannot be a feature; None when it can."""
    name, count, rows = column.name, sample.distinct(column.name), len(sample.rows)
    reasons = (
        (
            name in sample.times or column.kind in {"time", "date"},
            "a time; differences can be features",
        ),
        (
            column.kind == "other",
            f"type {column.type}; turn it into numbers or text in features.py",
        ),
        (sample.nulls(name) == 1, "never has a value"),
        (count == 1, "always has the same value"),
        (
            column.kind == "text" and count > max(_FEW_LEVELS, rows // 10),
            f"text with {count:,} different values in {rows:,} rows",
        ),
        (
            looks_like_an_id(name)
            or (column.kind == "whole" and count == rows)
            or (column.kind == "whole" and looks_like_a_number_of_somebody(name, count)),
            "an identifier tells nothing of rows that come later",
        ),
    )
    return next((reason for applies, reason in reasons if applies), None)


def _names(sample: Sample, key: Keys, label: LabelGuess, features: Sequence[str]) -> dict[str, Any]:
    """Give every column of the declaration a name of its own that SQL and a spec can hold."""
    sources: list[str | None] = list(key.names) or [None]
    known_at, asked_at = plain([KNOWN_AT, ASKED_AT], [c.name for c in sample.columns])
    before = {label.column.name: f"{label.column.name}_before"}
    inputs = [before.get(name, name) for name in features]
    wanted = [*(s or SERIES for s in sources), label.column.name, *inputs]
    names = plain(wanted, [known_at, asked_at])
    keys = dict(zip(sources, names, strict=False))
    rest = names[len(sources) :]
    return {
        "keys": keys,
        "label_name": rest[0],
        "features": dict(zip(features, rest[1:], strict=True)),
        "known_at": known_at,
        "asked_at": asked_at,
    }


def _nothing_to_learn_from(
    sample: Sample, label: LabelGuess, leaks: Mapping[str, Leak], left_out: Mapping[str, str]
) -> SpecError:
    reasons = {leak.column: leak.reason for leak in leaks.values()} | dict(left_out)
    return SpecError(
        f"--from {sample.table}",
        found=f"nothing to predict {label.column.name} from: "
        + ("; ".join(f"{name}: {why}" for name, why in reasons.items()) or "no other columns"),
        expected="at least one other column that is known before the outcome is",
        fix="name another column with --label, or add columns to the table",
    )
