"""Which column is the event time, and what tells rows apart."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from ml_assets.drafting.rhythm import Step, find_step
from ml_assets.spec.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

    from ml_assets.drafting.sample import Sample, TimeColumn

_GOOD = re.compile(
    r"^(ts|time|date|datetime|timestamp|day|dteday)$|event|creat|order|start|observ|_at$|_ts$",
    re.IGNORECASE,
)
_BAD = re.compile(
    r"birth|dob|expir|updat|modif|clos|resol|end|deliver|return|complet|valid|next|due",
    re.IGNORECASE,
)
_ID = re.compile(r"(^|_)(?i:id|key|uuid|guid|no|nr|code|number|sku)$|Id$|ID$")
_MOST_KEYS = 3
_FEW_NUMBERS = 50
#: What a whole number names rather than counts.
_ENTITY = re.compile(
    r"(^|_)(card|account|customer|user|client|patient|member|device|session|invoice|employee|"
    r"vehicle|machine|sensor|merchant)$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Keys:
    """What tells rows apart, together with the event time.

    ``step`` is the usual distance of the rows of one key, when there is one: the table is then a
    series, and a row stands for the time from its own to the next. No ``names`` means that the
    table is one single series. ``why`` says what was seen.
    """

    names: tuple[str, ...]
    step: Step | None
    why: str


def looks_like_an_id(name: str) -> bool:
    """Whether a name says that its column tells things apart.

    >>> [n for n in ("customer_id", "orderId", "tail_no", "paid", "note") if looks_like_an_id(n)]
    ['customer_id', 'orderId', 'tail_no']
    """
    return _ID.search(name) is not None


def looks_like_a_number_of_somebody(name: str, distinct: int) -> bool:
    """Whether a column of whole numbers names somebody: by its name, and by how many there are.

    >>> [looks_like_a_number_of_somebody(n, 900) for n in ("card", "amount", "cards")]
    [True, False, False]
    """
    return _ENTITY.search(name) is not None and distinct > _FEW_NUMBERS


def find_event_time(sample: Sample, wanted: str | None = None) -> TimeColumn:
    """Find the column that says as of when a row is.

    Raises
    ------
    SpecError
        When there is none, or the wanted one is none.
    """
    times = sample.times
    if wanted is not None:
        sample.column(wanted, "--event-time")
        if wanted not in times:
            raise _no_time(sample, "--event-time", f"{wanted!r}, which is not a time in every row")
        return times[wanted]
    if not times:
        kinds = ", ".join(f"{c.name} {c.type}" for c in sample.columns)
        raise _no_time(sample, f"--from {sample.table}", f"no time among {kinds}")
    best = max(times, key=lambda name: (_plausible(name, sample), -list(times).index(name)))
    return times[best]


def _plausible(name: str, sample: Sample) -> float:
    values = sample.times[name].times
    score = 2.0 * bool(_GOOD.search(name)) - 3.0 * bool(_BAD.search(name))
    moves = bool((values != values.iloc[0]).any())
    unset = bool((values.dt.year <= 1970).any())  # noqa: PLR2004 - where clocks begin
    return score + 2.0 * moves - unset


def find_keys(
    sample: Sample, time: TimeColumn, wanted: Sequence[str] = (), label: str | None = None
) -> Keys:
    """Find what tells rows apart.

    A regular series comes first, because the features of one row can then be looked up for the
    next; then an identifier; then any few columns that do it together.

    Raises
    ------
    SpecError
        When no few columns tell the rows apart, or the wanted ones do not.
    """
    if wanted:
        return _wanted_keys(sample, time, wanted)
    alone = _unique(sample, time, ())
    step = _step(sample, time, ()) if alone else None
    if step is not None:
        return Keys((), step, f"rows {step} apart")
    candidates = _candidates(sample, time, label)
    unique = [names for names in _few(candidates) if _unique(sample, time, names)]
    for names in unique:
        step = _step(sample, time, names)
        if step is not None:
            return Keys(names, step, f"rows {step} apart for each")
    rows = f"in {len(sample.rows):,} rows"
    for names in unique:
        if not sample.rows.duplicated(list(names)).any():
            return Keys(names, None, f"unique {rows}")
    if alone:  # then every column is unique together with the time: it says nothing of them
        ids = tuple(n for n in candidates if looks_like_an_id(n))[:1]
        return Keys(ids, None, f"unique with the time {rows}")
    if unique:
        return Keys(unique[0], None, f"unique with the time {rows}")
    raise _repeated(sample, time, f"--from {sample.table}", "rows that no few columns")


def _wanted_keys(sample: Sample, time: TimeColumn, wanted: Sequence[str]) -> Keys:
    for name in wanted:
        sample.column(name, "--keys")
    empty = [name for name in wanted if sample.nulls(name)]
    if empty or not _unique(sample, time, wanted):
        found = f"nulls in {', '.join(empty)}: rows that it does not" if empty else ""
        found = found or f"rows that {' and '.join(wanted)} do not"
        raise _repeated(sample, time, "--keys", found)
    return Keys(tuple(wanted), _step(sample, time, wanted), "as you said")


def _candidates(sample: Sample, time: TimeColumn, label: str | None) -> list[str]:
    """Columns that may be keys: identifiers by name first, then other text, never a measurement."""
    names = [
        c.name
        for c in sample.columns
        if c.kind in {"whole", "text"}
        and c.name not in sample.times
        and c.name not in {time.column.name, label}
        and not sample.nulls(c.name)
        and sample.distinct(c.name) > 1
    ]
    ids = [n for n in names if looks_like_an_id(n)]
    unique = [n for n in names if sample.distinct(n) == len(sample.rows)]
    text = [c.name for c in sample.columns if c.name in names and c.kind == "text"]
    return list(dict.fromkeys([*ids, *text, *unique]))


def _few(names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for size in range(1, _MOST_KEYS + 1):
        yield from combinations(names[:12], size)


def _unique(sample: Sample, time: TimeColumn, names: Sequence[str]) -> bool:
    keys: pd.DataFrame = sample.rows[list(names)].assign(__time=time.times)
    return not keys.duplicated().any()


def _step(sample: Sample, time: TimeColumn, names: Sequence[str]) -> Step | None:
    return find_step(sample.rows[list(names)].assign(__time=time.times), list(names), "__time")


def _no_time(sample: Sample, where: str, found: str) -> SpecError:
    times = ", ".join(sample.times)
    return SpecError(
        where,
        found=found,
        expected="a timestamp, a date, or text that is one, in every row: a model is trained on the "
        "past and judged on what came after it",
        fix=f"choose among {times}"
        if times
        else f"add the time when each row of {sample.table} became known; a table without times "
        "can still be a feature table beside others (docs/declare-a-model.md)",
        rule="ml06_time_overlap",
    )


def _repeated(sample: Sample, time: TimeColumn, where: str, found: str) -> SpecError:
    return SpecError(
        where,
        found=f"{found} tell apart, together with {time.column.name}",
        expected=f"keys that are unique with {time.column.name} and never null",
        fix="name them with --keys A,B, or remove repeated rows: "
        + ", ".join(c.name for c in sample.columns if c.name != time.column.name),
        rule="ml01_primary_key_unique",
    )
