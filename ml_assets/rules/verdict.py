"""What a rule says about facts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Severity = Literal["error", "warn"]
Scalar = str | int | float | bool | None
Rows = tuple[dict[str, Scalar], ...]


@dataclass(frozen=True)
class Verdict:
    """One rule's judgement of one asset.

    ``message`` is one sentence with what was measured and expected; ``fix`` says what to do (empty
    when passed); ``numbers`` and ``table`` are what the check shows as metadata. A rule whose facts
    could not be measured is a failed verdict of severity ``error``.
    """

    check: str
    rule: str
    passed: bool
    severity: Severity
    message: str
    fix: str = ""
    numbers: Mapping[str, Scalar] = field(default_factory=dict)
    table: Rows = ()
    blocking: bool = True

    @property
    def stops(self) -> bool:
        """Whether what is downstream must not run."""
        return not self.passed and self.blocking and self.severity == "error"
