"""What ``ml-assets new`` says of its guesses, so that a person can correct them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ml_assets.spec.marks import MARK

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ml_assets.drafting.draft import Draft


def report(draft: Draft, files: Sequence[Path]) -> str:
    """Say what was written, guessed, left out and suspected, and what is to be done."""
    return "\n".join(_lines(draft, files))


def _lines(draft: Draft, files: Sequence[Path]) -> Iterator[str]:
    for file in files:
        yield f"wrote {_shown(file)} ({len(file.read_text(encoding='utf-8').splitlines())} lines)"
    seen = len(draft.sample.rows)
    of = f" of {draft.sample.total:,}" if draft.sample.total and draft.sample.total > seen else ""
    yield f"\nGuessed from {seen:,}{of} rows of {draft.sample.table}:"
    keys = ", ".join(draft.key.names) or "none needed: one single series"
    yield f"  keys        {keys} ({draft.key.why})"
    other = draft.time.or_format
    doubt = (
        f" read as {draft.time.pandas_format}; it could be {other}, correct it then"
        if other
        else ""
    )
    yield f"  event time  {draft.time.column.name}{doubt}"
    others = f"; also possible: {', '.join(draft.label.others)}" if draft.label.others else ""
    yield f"  label       {draft.label.column.name} ({draft.label.why}{others})"
    yield f"  model type  {draft.label.model_type}"
    yield f"  features    {', '.join(draft.features.values())}"
    for name, why in draft.left_out.items():
        yield f"  left out    {name}: {why}"
    if draft.is_series and draft.key.step:
        yield f"A row predicts the label of the next one, {draft.key.step} later: its own is known no sooner."
    yield from _leaks(draft)
    marks = sum(text.count(f"{MARK}:") for text in (f.read_text("utf-8") for f in files))
    yield "\nWrong? Remove the folder and say it: --label, --keys, --event-time."
    yield f"Right? Replace the {marks} marks {MARK} in defs.yaml; nothing loads before. Then:"
    yield f"  make demo MODEL={draft.project}/{draft.model}"


def _leaks(draft: Draft) -> Iterator[str]:
    if draft.leaks:
        yield f"\nMay reveal {draft.label.column.name}:"
    for leak in draft.leaks.values():
        place = "not a feature" if leak.certain else "a feature until you decide"
        yield f"  {leak.column}: {leak.reason} ({place})"


def _shown(file: Path) -> Path:
    """The path as one would type it here."""
    here = Path.cwd()
    return file.relative_to(here) if file.is_relative_to(here) else file
