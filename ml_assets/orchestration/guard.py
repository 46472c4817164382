"""No step starts on an input whose latest verdict is red, in this run or in an earlier one.

Dagster's own blocking checks stop what is downstream in the same run only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import dagster as dg
from dagster._core.storage.asset_check_execution_record import (
    COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES,
)

from ml_assets.orchestration.names import asset_key
from ml_assets.orchestration.recipe import Recipe
from ml_assets.spec.model import ModelSpec


@dataclass(frozen=True)
class Red:
    """A failed check of severity ERROR on an input."""

    check: str
    asset: dg.AssetKey
    message: str
    blocking: bool


class RefusedToStart(dg.Failure):
    """A blocking rule is red on an input of the step."""

    def __init__(self, asset: str, reds: Iterable[Red]) -> None:
        reds = list(reds)
        listed = "\n\n".join(
            f"**{r.check}** on {r.asset.to_user_string()}: {r.message}" for r in reds
        )
        first = reds[0]
        super().__init__(
            description=(
                f"{asset} was not started, because the latest verdict on its input is red.\n\n"
                f"{listed}\n\nFix the cause and materialize {first.asset.to_user_string()} again; "
                f"or, when the stored version is fine, execute the check {first.check} alone: it "
                "measures what is stored now."
            ),
            metadata={"red_checks": ", ".join(r.check for r in reds)},
            allow_retries=False,
        )


def red_inputs(
    instance: dg.DagsterInstance, spec: ModelSpec, inputs: Iterable[str], recipe: Recipe
) -> list[Red]:
    """Find the ERROR checks of the inputs whose latest verdict is a failure.

    A check that was planned but never judged does not hide the verdict before it. Whether a failure
    blocks or skips is what the declaration says now.
    """
    rules = {
        dg.AssetCheckKey(asset_key(spec, asset), rule.check): rule
        for asset in inputs
        for rule in recipe.checks_for(asset)
    }
    reds = []
    for key, rule in rules.items():
        found = _latest_evaluation(instance, key)
        if found and not found.passed and found.severity == dg.AssetCheckSeverity.ERROR:
            message = found.description or "failed"
            reds.append(Red(rule.check, key.asset_key, message, rule.blocking(spec)))
    return reds


def _latest_evaluation(
    instance: dg.DagsterInstance, key: dg.AssetCheckKey
) -> dg.AssetCheckEvaluation | None:
    history = instance.event_log_storage.get_asset_check_execution_history(
        key, limit=1, status=COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES
    )
    return history[0].evaluation if history else None
