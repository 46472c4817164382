"""Rules as asset check specs, verdicts as asset check results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

import dagster as dg

from ml_assets.orchestration.metadata import to_value
from ml_assets.orchestration.names import asset_key
from ml_assets.rules.verdict import Verdict
from ml_assets.spec.model import ModelSpec
from ml_assets.steps.recipe import Recipe

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
        for rule in recipe.checks_for(spec, asset)
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
