"""Names that a declaration and SQL can hold, made from what people call their columns."""

from __future__ import annotations

import keyword
import re
import unicodedata
from typing import TYPE_CHECKING

from pydantic_core import PydanticCustomError

from ml_assets.spec.dagster_values import RESERVED, check_asset_name
from ml_assets.spec.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_NOT_PLAIN = re.compile(r"\W+", re.ASCII)
#: What ml_assets and its tables call their own columns.
_TAKEN = frozenset(["prediction", "predicted_class", "model_version", "none"])
_LONGEST = 100


def plain(names: Sequence[str], taken: Iterable[str] = ()) -> list[str]:
    """Give each name letters, digits and underscores, and none twice, whatever the case.

    >>> plain(["Wind speed (m/s)", "2nd", "prediction", "a", "A", "Größe (m²)"])
    ['Wind_speed_m_s', 'c_2nd', 'prediction_value', 'a', 'A_2', 'Grosse_m2']
    """
    used = {name.lower() for name in taken}
    result = []
    for name in names:
        new = base = _plain(name)
        count = 1
        while new.lower() in used:
            count += 1
            new = f"{base}_{count}"
        used.add(new.lower())
        result.append(new)
    return result


def argument(name: str, taken: Iterable[str] = ()) -> str:
    """Give a name that a Python argument and a Dagster asset can have.

    >>> argument("Class"), argument("type"), argument("Daily Weather")
    ('class_table', 'type_table', 'daily_weather')
    """
    new = _plain(name).lower()
    if keyword.iskeyword(new) or new in RESERVED or new in set(taken):
        new = f"{new}_table"
    return new


def model_name(text: str) -> tuple[str, str]:
    """Take ``project/model`` apart.

    Raises
    ------
    SpecError
        When it is not two names that Dagster, Python and SQL can hold.

    >>> model_name("shop/churn")
    ('shop', 'churn')
    """
    project, slash, model = text.partition("/")
    if not slash or not project or not model or "/" in model:
        raise SpecError(
            text or "the model's name",
            found=f"{text!r}",
            expected="PROJECT/MODEL, two names of letters, digits and underscores",
            fix="write for example shop/churn",
        )
    for word in (project, model):
        try:
            check_asset_name(word)
        except PydanticCustomError as error:
            facts = error.context or {}
            texts = {part: str(facts[part]) for part in ("found", "expected", "fix")}
            raise SpecError(f"{text}: {word}", **texts) from None
    return project, model


def _plain(name: str) -> str:
    ascii_letters = unicodedata.normalize("NFKD", name.replace("ß", "ss"))
    bare = "".join(c for c in ascii_letters if not unicodedata.combining(c))
    new = _NOT_PLAIN.sub("_", bare).strip("_")[:_LONGEST] or "column"
    if new[0].isdigit():
        new = f"c_{new}"
    return f"{new}_value" if new.lower() in _TAKEN else new
