"""What a rule is, apart from how its facts are measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ml_assets.rules.verdict import Rows, Scalar, Severity, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ml_assets.spec.model import ModelSpec

AssetKind = Literal[
    "features", "labels", "training_set", "trained_model", "model_version", "predictions"
]


def always(_: ModelSpec) -> bool:
    """Say that every model has a check."""
    return True


@dataclass(frozen=True)
class Finding:
    """What a rule's function returns: the numbers in a sentence, and the fix when it failed.

    ``severity`` and ``blocking`` override the rule's own where the rule book grades a finding.
    """

    passed: bool
    message: str
    fix: str = ""
    numbers: Mapping[str, Scalar] = field(default_factory=dict)
    table: Rows = ()
    severity: Severity | None = None
    blocking: bool | None = None


@dataclass(frozen=True)
class Rule:
    """One check of the rule book on one kind of asset.

    ``find(spec, asset, facts)`` is pure: the same facts always give the same finding. A model that
    ``applies`` says no to does not have the check: one that could not fail would say nothing.
    """

    check: str
    rule: str
    asset: AssetKind
    severity: Severity
    title: str
    find: Callable[[ModelSpec, str, Any], Finding]
    skips: bool = False
    applies: Callable[[ModelSpec], bool] = always

    def blocking(self, spec: ModelSpec) -> bool:
        """Whether a failure stops the run; a rule that ``skips`` does so only on ``fail``."""
        if self.skips and spec.on_single_class == "skip":
            return False
        return self.severity == "error"

    def judge(self, spec: ModelSpec, asset: str, facts: Any) -> Verdict:
        """Turn facts into a verdict."""
        finding = self.find(spec, asset, facts)
        blocking = self.blocking(spec) if finding.blocking is None else finding.blocking
        return Verdict(
            check=self.check,
            rule=self.rule,
            passed=finding.passed,
            severity=finding.severity or self.severity,
            message=finding.message,
            fix="" if finding.passed else finding.fix,
            numbers=finding.numbers,
            table=finding.table,
            blocking=blocking,
        )


def listed(names: Any, most: int = 8) -> str:
    """Write names as a short list for a message.

    >>> listed(["a", "b"]), listed([]), listed("abcdefghij", most=2)
    ('a, b', 'none', 'a, b and 8 more')
    """
    names = list(names)
    shown = ", ".join(str(n) for n in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown or "none"
