"""Marks that ``ml-assets new`` leaves for a person: a declaration that holds one is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ml_assets.spec.findings import Place
from ml_assets.spec.wording import refusal, shown

if TYPE_CHECKING:
    from pydantic_core import PydanticCustomError

MARK = "TODO"
_MARKED = re.compile(rf"\b{MARK}:|^\s*{MARK}\s*$")


def mark(question: str) -> str:
    """Write the text that stands where a person has to answer a question.

    >>> mark("meaning and unit")
    'TODO: meaning and unit'
    """
    return f"{MARK}: {question}"


def is_mark(value: object) -> bool:
    """Whether a value holds a mark: ``TODO`` alone, or ``TODO:`` anywhere in a text.

    >>> is_mark("TODO"), is_mark("TODO: unit"), is_mark("Price. TODO: unit"), is_mark("TODO list")
    (True, True, True, False)
    """
    return isinstance(value, str) and _MARKED.search(value) is not None


def marks(value: Any, place: Place = ()) -> Iterator[tuple[Place, PydanticCustomError]]:
    """Find the marks in a plain value, each with its place and our words for it.

    >>> [place for place, _ in marks({"label": {"business": "TODO"}, "owners": ["team:a"]})]
    [('label', 'business')]
    """
    if is_mark(value):
        question = str(value).split(f"{MARK}:", 1)[-1].strip()
        asked = "" if question == MARK else f": {question}"
        yield (
            place,
            refusal(
                f"{shown(value)}, a mark that waits for you",
                expected=f"your own words{asked}",
                fix=f"replace the whole text, {MARK} included; nothing runs before",
            ),
        )
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from marks(item, (*place, key if isinstance(key, str | int) else str(key)))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from marks(item, (*place, index))
