"""One thing that is wrong with a declaration, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ml_assets.spec.errors import DeclarationError, SpecError

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Finding:
    """A problem before it becomes an error. ``line`` counts from 1; None when there is no file."""

    place: Place
    found: str
    expected: str
    fix: str
    rule: str | None = None
    line: int | None = None

    @classmethod
    def of(cls, place: Place, facts: Mapping[str, Any], line: int | None = None) -> Finding:
        """Take the texts out of the context of a pydantic error that is in our words."""
        texts = {name: facts[name] for name in ("found", "expected", "fix")}
        return cls(place, line=line, rule=facts["rule"] or None, **texts)

    def error(self, origin: str) -> SpecError:
        """Name the place as ``file:line: field``, which editors and terminals can follow."""
        where = origin if self.line is None else f"{origin}:{self.line}"
        path = field_path(self.place)
        return SpecError(
            f"{where}: {path}" if path else where,
            found=self.found,
            expected=self.expected,
            fix=self.fix,
            rule=self.rule,
        )


def field_path(place: Place) -> str:
    """Write a place as a user would say it.

    >>> field_path(("attributes", "feature_tables", 1, "columns", "wind speed"))
    "attributes.feature_tables[1].columns['wind speed']"
    """
    text = ""
    for step in place:
        if isinstance(step, str) and step.isidentifier():
            text += f".{step}" if text else step
        else:
            text += f"[{step!r}]"
    return text


def as_error(origin: str, findings: list[Finding]) -> DeclarationError:
    """Make one error of all findings, in the order of their lines."""
    ordered = sorted(findings, key=lambda f: f.line or 0)
    return DeclarationError(origin, [f.error(origin) for f in ordered])
