"""Verdicts on assets whose facts could not be measured: an error, never a pass."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from ml_assets.rules.verdict import Verdict
from ml_assets.spec.errors import MlAssetsError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ml_assets.rules.rule import Rule


def broken_rule(rules: Iterable[Rule], error: Exception) -> Verdict | None:
    """Turn an error that names one of the asset's rules into that rule's failed verdict."""
    named = error.rule if isinstance(error, MlAssetsError) else None
    for rule in rules:
        if rule.check == named and isinstance(error, MlAssetsError):
            return Verdict(
                check=rule.check,
                rule=rule.rule,
                passed=False,
                severity="error",
                message=f"{error.where}: found {error.found}; expected {error.expected}.",
                fix=error.fix,
            )
    return None


def unmeasured(rule: Rule, error: Exception) -> Verdict:
    """A rule whose facts could not be measured is red, and shows the original error."""
    if known := broken_rule([rule], error):
        return known
    shown = f"{type(error).__name__}: {error}"
    return Verdict(
        check=rule.check,
        rule=rule.rule,
        passed=False,
        severity="error",
        message=f"Could not be measured.\n\n```\n{shown}\n```",
        fix="remove the cause of this error and execute the check again",
        numbers={"error": "".join(traceback.format_exception(error))},
    )
