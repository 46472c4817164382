"""Texts without what looks like a secret, before they leave the process that they were made in."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

REDACTED = "[redacted]"
#: Variables of the environment whose values are never shown.
_SECRET_NAME = re.compile(
    r"TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|(API|ACCESS|PRIVATE|ACCOUNT)_?KEY", re.IGNORECASE
)
_PLACE = re.compile(r"_(SCOPE|NAME|FILE|PATH|DIR|PROVIDER|URL|URI|TYPE)$", re.IGNORECASE)
#: Shorter values are words, and would be found everywhere.
_SHORTEST = 8
#: What is a secret by its form, or by what stands before it, which is kept.
_PATTERNS = (
    re.compile(r"()\b(?:dapi|dose|dkea|dsapi)[0-9a-f]{32}(?:-\d+)?\b"),
    re.compile(r"()\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]+"),
    re.compile(r"()\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    re.compile(
        r"()-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
    ),
    re.compile(
        r"((?:\bbearer|authorization['\"]?\s*[:=]\s*['\"]?basic) )(?=[^\s]*\d)[\w.~+/=-]{16,}",
        re.IGNORECASE,
    ),
    re.compile(r"([?&]sig=)[^\s&]{12,}"),
    # Tokens and keys mix digits with letters; numbers, paths and dotted names are something else.
    re.compile(r"(://[^/\s:@]+:)[^/\s@]+(?=@)"),
    re.compile(
        r"((?:secret|token|(?:api|access|account|private)[_-]?key)"
        r"""['"]?\s*[:=]\s*['"]?)(?=[\w+=~-]*\d)(?=[\w+=~-]*[a-z])[\w+=~-][\w+/=~-]{11,}""",
        re.IGNORECASE,
    ),
    re.compile(
        r"((?:password|passwd)['\"]?\s*[:=]\s*['\"]?)(?=[^\s'\",;&)\]}]*\d)[^\s'\",;&()\[\]{}/]{6,}",
        re.IGNORECASE,
    ),
)


def redacted(text: str, environment: Mapping[str, str] | None = None) -> str:
    """Take out of a text what is, or looks like, a secret.

    That are the values of variables of the environment (this process's, when none is given) whose
    names say so, tokens by their form, and what follows ``password=`` and its like.

    >>> redacted("401 for dapi0123456789abcdef0123456789abcdef: expired")
    '401 for [redacted]: expired'
    >>> redacted("GET https://me:s3cret@example.com/simple failed")
    'GET https://me:[redacted]@example.com/simple failed'
    >>> redacted("column 'token' is missing; password: (none)")
    "column 'token' is missing; password: (none)"
    >>> redacted("PWD=/Workspace/user1/x, n_token: 123456789012, 'secret': 'main.features.v2_table'")
    "PWD=/Workspace/user1/x, n_token: 123456789012, 'secret': 'main.features.v2_table'"
    >>> redacted("it is hunter2hunter2", {"DB_PASSWORD": "hunter2hunter2"})
    'it is [redacted]'
    """
    for name, value in (os.environ if environment is None else environment).items():
        if _is_secret(name) and len(value) >= _SHORTEST:
            text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", REDACTED, text)
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\g<1>{REDACTED}", text)
    return text


def _is_secret(variable: str) -> bool:
    """Whether a variable holds a secret, and not where one lies.

    >>> _is_secret("DATABRICKS_TOKEN"), _is_secret("SECRET_SCOPE"), _is_secret("CREDENTIALS_FILE")
    (True, False, False)
    """
    return bool(_SECRET_NAME.search(variable)) and not _PLACE.search(variable)


def redacted_values(values: Any) -> Any:
    """Do the same to every text inside plain values (what JSON holds); other values stay.

    >>> redacted_values({"errors": ["Bearer abcdefghijklmnop1234"], "rows": 3})
    {'errors': ['Bearer [redacted]'], 'rows': 3}
    """
    if isinstance(values, str):
        return redacted(values)
    if isinstance(values, Mapping):
        return {key: redacted_values(value) for key, value in values.items()}
    if isinstance(values, (list, tuple)):
        return [redacted_values(value) for value in values]
    return values
