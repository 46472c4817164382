"""Names and literals as they stand in Databricks' SQL."""

from __future__ import annotations

import re

from ml_assets_tests.conformance.shim.errors import refuse

#: One part of a name: quoted with backticks (doubled inside), or a plain word.
PART = r"(?:`(?:[^`]|``)+`|\w+)"
#: A name of one to three parts.
NAME = rf"{PART}(?:\.{PART}){{0,2}}"
#: A string literal: quotes of either kind, with backslash escapes.
STRING = r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""

_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b"}


def parts(name: str) -> tuple[str, ...]:
    """Split a name and take its quotes off.

    >>> parts("`a``b`.c")
    ('a`b', 'c')
    """
    return tuple(
        part[1:-1].replace("``", "`") if part.startswith("`") else part
        for part in re.findall(PART, name)
    )


def full_name(name: str) -> str:
    """Return ``catalog.schema.name`` in lower case, as Unity Catalog stores it.

    Raises
    ------
    AnalysisException
        When the name has not three parts: what it means would depend on the session.
    """
    found = parts(name)
    if len(found) != 3:
        raise refuse("UC_NOT_THREE_LEVELS", f"{name} is not a catalog.schema.name")
    return ".".join(found).lower()


def quoted(name: str) -> str:
    """Quote every part of a full name.

    >>> quoted("a.b.c")
    '`a`.`b`.`c`'
    """
    return ".".join(f"`{part.replace('`', '``')}`" for part in name.split("."))


def text(literal: str) -> str:
    r"""Return what a string literal stands for.

    >>> text(r"'it\'s'")
    "it's"
    """
    return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), literal[1:-1], flags=re.DOTALL)
