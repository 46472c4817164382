"""Names, owners and schedules that Dagster would refuse later and less kindly."""

from __future__ import annotations

import keyword
import re
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from ml_assets.spec.base import TYPE_NAME, check_identifier
from ml_assets.spec.wording import refusal, shown

#: Names that Dagster keeps for itself (a test holds this list against Dagster's own).
RESERVED = frozenset(
    [
        "context",
        "conf",
        "config",
        "meta",
        "arg_dict",
        "dict",
        "input_arg_dict",
        "output_arg_dict",
        "int",
        "str",
        "float",
        "bool",
        "input",
        "output",
        "type",
    ]
)
_OWNER = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}|team:.+")
_ALIASES = frozenset(
    ["@hourly", "@midnight", "@daily", "@weekly", "@monthly", "@annually", "@yearly"]
)
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_FIELDS: tuple[tuple[str, int, int, list[str]], ...] = (
    ("minute", 0, 59, []),
    ("hour", 0, 23, []),
    ("day of the month", 1, 31, []),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 7, _DAYS),
)
_PART = re.compile(r"(?:\*|(\w+)(?:-(\w+))?)(?:/(\d+))?")


def check_asset_name(value: str) -> str:
    """Accept a plain name that may stand in an asset key and name a Python package.

    >>> check_asset_name("arrival_delay")
    'arrival_delay'
    """
    if check_identifier(value) in RESERVED or keyword.iskeyword(value):
        raise refusal(
            shown(value),
            expected="a name that neither Dagster nor Python keeps for itself",
            fix=f"rename it, for example {value}_model or {value}_table",
        )
    return value


def check_owner(value: str) -> str:
    """Accept an e-mail address or ``team:name``, the only owners that Dagster knows.

    >>> check_owner("team:data-science")
    'team:data-science'
    """
    if not _OWNER.fullmatch(value):
        plain = re.fullmatch(r"[\w .-]+", value)
        raise refusal(
            shown(value),
            expected="an e-mail address or team:name",
            fix=f"write team:{value.strip()}" if plain else "write owner@example.com or team:name",
        )
    return value


def check_cron(value: str) -> str:
    """Accept five cron fields (minute, hour, day, month, weekday) or an alias such as ``@daily``.

    >>> check_cron("0 6 * * mon-fri")
    '0 6 * * mon-fri'
    """
    if value in _ALIASES:
        return value
    fields = value.split()
    if len(fields) != len(_FIELDS):
        raise refusal(
            f"{value!r} with {len(fields)} fields",
            expected="five fields: minute, hour, day of the month, month, day of the week",
            fix="write for example 0 6 * * * (every day at 06:00 UTC)",
        )
    for text, (name, low, high, words) in zip(fields, _FIELDS, strict=True):
        if not all(_is_cron_part(part, low, high, words) for part in text.split(",")):
            named = f" or {words[0]} to {words[-1]}" if words else ""
            raise refusal(
                f"{text!r} as {name}",
                expected=f"{low} to {high}{named}, *, lists (1,2), ranges (1-5) or steps (*/10)",
                fix="correct the field, for example 0 6 * * * (every day at 06:00 UTC)",
            )
    return value


def _is_cron_part(text: str, low: int, high: int, words: list[str]) -> bool:
    match = _PART.fullmatch(text)
    if match is None or match[3] == "0":
        return False
    numbers = [_cron_number(word, words) for word in match.group(1, 2) if word is not None]
    known = [n for n in numbers if n is not None]
    return (
        len(known) == len(numbers)
        and known == sorted(known)
        and all(low <= n <= high for n in known)
    )


def _cron_number(word: str, words: list[str]) -> int | None:
    if word.lower() in words:
        # Months count from 1, weekdays from 0.
        return words.index(word.lower()) + (words is _MONTHS)
    return int(word) if word.isascii() and word.isdigit() else None


AssetName = Annotated[
    str, AfterValidator(check_asset_name), WithJsonSchema({"type": "string", TYPE_NAME: "name"})
]
Owner = Annotated[
    str,
    AfterValidator(check_owner),
    WithJsonSchema({"type": "string", TYPE_NAME: "e-mail address or team:name"}),
]
Cron = Annotated[
    str, AfterValidator(check_cron), WithJsonSchema({"type": "string", TYPE_NAME: "cron"})
]
