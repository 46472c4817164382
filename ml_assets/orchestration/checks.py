"""Rules as asset check specs, verdicts as asset check results."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

import dagster as dg

from ml_assets.orchestration.metadata import to_value
from ml_assets.orchestration.names import asset_key
from ml_assets.orchestration.recipe import Recipe
from ml_assets.rules.rule import Rule
from ml_assets.rules.verdict import Verdict
from ml_assets.spec.errors import MlAssetsError
from ml_assets.spec.model import ModelSpec

_SEVERITIES = {"error": dg.AssetCheckSeverity.ERROR, "warn": dg.AssetCheckSeverity.WARN}


def check_specs(spec: ModelSpec, asset: str, recipe: Recipe) -> list[dg.AssetCheckSpec]:
    """One check per rule; ``blocking`` as the rule says for this model."""
    return [
        dg.AssetCheckSpec(
            rule.check,
            asset=asset_key(spec, asset),
            blocking=rule.blocking(spec),
            description=f"**{rule.rule}**: {rule.title}.",
            metadata={"rule": rule.rule, "severity": rule.severity},
        )
        for rule in recipe.checks_for(asset)
    ]


def to_result(
    verdict: Verdict, key: dg.AssetKey, measured: Mapping[str, Any] | None = None
) -> dg.AssetCheckResult:
    """Show a verdict: message and fix as text, numbers and table as metadata.

    ``measured`` names what was measured (``delta_version``, ``run_id``, …).
    """
    text = verdict.message if verdict.passed else f"{verdict.message}\n\n**Fix:** {verdict.fix}"
    values = {**verdict.numbers, **(measured or {}), "rule": verdict.rule}
    metadata = {name: to_value(name, value) for name, value in values.items()}
    if verdict.table:
        metadata["details"] = to_value("details", verdict.table)
    return dg.AssetCheckResult(
        passed=verdict.passed,
        asset_key=key,
        check_name=verdict.check,
        severity=_SEVERITIES[verdict.severity],
        description=text,
        metadata=metadata,
    )


def to_results(
    verdicts: Iterable[Verdict],
    key: dg.AssetKey,
    selected: AbstractSet[str],
    measured: Mapping[str, Any],
) -> Iterator[dg.AssetCheckResult]:
    """Show the verdicts of the checks that were selected."""
    for verdict in verdicts:
        if verdict.check in selected:
            yield to_result(verdict, key, measured)


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


class ChecksFailed(dg.Failure):
    """Blocking checks are red: what each measured, and what to do."""

    def __init__(self, asset: str, stopped: Iterable[Verdict], consequence: str) -> None:
        stopped = list(stopped)
        listed = "\n\n".join(f"**{v.check}**: {v.message}\nFix: {v.fix}" for v in stopped)
        count = f"{len(stopped)} blocking check{'s' if len(stopped) > 1 else ''}"
        super().__init__(
            description=f"{count} of {asset} failed; {consequence}.\n\n{listed}",
            metadata={"red_checks": ", ".join(v.check for v in stopped)},
            allow_retries=False,
        )
