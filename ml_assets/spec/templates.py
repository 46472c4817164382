"""Environment variables in a declaration: ``{{ env.NAME }}`` and nothing else.

Dagster renders templates too, but an unset variable becomes ``None`` there without a word, and
quoted text such as ``"1"`` becomes a number. Here a value with a template is always text, and a
variable that is not set is a problem with a name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ml_assets.spec.findings import Place
from ml_assets.spec.wording import refusal, shown

if TYPE_CHECKING:
    from pydantic_core import PydanticCustomError

    Problems = list[tuple[Place, PydanticCustomError]]

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_ENV = re.compile(
    rf"\{{\{{\s*env(?:\.({_NAME})|\(\s*['\"]({_NAME})['\"]\s*(?:,\s*(['\"])(.*?)\3\s*)?\))\s*\}}\}}"
)
_OTHER = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{\{|\{%", re.DOTALL)


def render(value: Any, place: Place = ()) -> tuple[Any, Problems]:
    """Replace the variables in all texts of a plain value; keys and other types stay as they are.

    Returns
    -------
    A new value, and the templates that could not be replaced (they stay in the value).

    Examples
    --------
    >>> render({"table": "{{ env('NOT_SET_HERE', 'main') }}.flights.planes"})
    ({'table': 'main.flights.planes'}, [])
    """
    if isinstance(value, str):
        return _render_text(value, place)
    if isinstance(value, Mapping):
        return _join([(k, render(v, (*place, _step(k)))) for k, v in value.items()])
    if isinstance(value, list | tuple):
        items, problems = _join([(i, render(v, (*place, i))) for i, v in enumerate(value)])
        return list(items.values()), problems
    return value, []


def _join(parts: list[tuple[Any, tuple[Any, Problems]]]) -> tuple[dict[Any, Any], Problems]:
    values = {key: value for key, (value, _) in parts}
    return values, [problem for _, (_, problems) in parts for problem in problems]


def _step(key: object) -> str | int:
    return key if isinstance(key, str | int) else str(key)


def _render_text(text: str, place: Place) -> tuple[str, Problems]:
    problems: Problems = []

    def replace(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        default: str | None = match[4]
        value = os.environ.get(name, default)
        if value is None:
            problems.append((place, _unset(name, match[0])))
        return match[0] if value is None else value

    rest = _ENV.sub("", text)
    rendered = _ENV.sub(replace, text)
    if other := _OTHER.search(rest):
        problems.append((place, _unknown(other[0])))
    return rendered, problems


def _unset(name: str, template: str) -> PydanticCustomError:
    return refusal(
        f"{template}, but the environment variable {name} is not set",
        expected="a variable that is set, or a default",
        fix=f"set {name}, or write {{{{ env('{name}', 'default') }}}}",
    )


def _unknown(template: str) -> PydanticCustomError:
    return refusal(
        shown(template),
        expected="no template but {{ env.NAME }} and {{ env('NAME', 'default') }}",
        fix="write the value out: a declaration is read without Dagster too",
    )
