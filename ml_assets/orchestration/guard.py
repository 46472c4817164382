"""No step starts on an input that is red, or that nobody judged as it is stored now.

Dagster's own blocking checks stop what is downstream in the same run only, and a green verdict says
nothing about what somebody else stored after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import dagster as dg
from dagster._core.storage.asset_check_execution_record import (
    COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES,
)

from ml_assets.orchestration.names import asset_key
from ml_assets.platform.embedded.warehouse import commits_since, data_version, home_folder
from ml_assets.rules.rule import Rule
from ml_assets.spec.model import ModelSpec
from ml_assets.steps.recipe import Recipe


@dataclass(frozen=True)
class Judged:
    """The latest verdict of severity ERROR of a check on an input."""

    rule: Rule
    key: dg.AssetCheckKey
    verdict: dg.AssetCheckEvaluation

    @property
    def version(self) -> int | None:
        """The Delta version that was measured; None when it was no stored one."""
        found = self.verdict.metadata.get("delta_version")
        return found.value if isinstance(found, dg.IntMetadataValue) else None


@dataclass(frozen=True)
class Red:
    """A failed check of severity ERROR on an input."""

    check: str
    asset: dg.AssetKey
    message: str
    blocking: bool

    def skips(self, asset: str) -> str:
        """Say that an asset is skipped because of it."""
        key = self.asset.to_user_string()
        return f"{asset} is skipped, because {self.check} of {key} is red: {self.message}"


@dataclass(frozen=True)
class Changed:
    """An input table whose rows are not the ones that were judged."""

    asset: dg.AssetKey
    table: str
    judged: int | None
    stored: int

    @property
    def message(self) -> str:
        """What was judged, and what is stored."""
        judged = (
            "what was prepared and not published"
            if self.judged is None
            else f"version {self.judged}"
        )
        return f"the checks judged {judged}, the stored data version is {self.stored}"


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
                "or, when the stored version is fine, execute its checks alone: they measure what "
                "is stored now."
            ),
            metadata={"red_checks": ", ".join(r.check for r in reds)},
            allow_retries=False,
        )


class ChangedSinceJudged(dg.Failure):
    """An input table of the step was changed after it was judged."""

    def __init__(self, asset: str, changed: Sequence[Changed]) -> None:
        listed = "\n\n".join(f"**{c.table}**: {c.message}." for c in changed)
        keys = ", ".join(c.asset.to_user_string() for c in changed)
        super().__init__(
            description=(
                f"{asset} was not started, because an input was changed after it was judged.\n\n"
                f"{listed}\n\nFix: for {keys}, execute its checks, they measure what is stored "
                "now; or materialize it again."
            ),
            metadata={"changed_tables": ", ".join(c.table for c in changed)},
            allow_retries=False,
        )


def latest_verdicts(
    instance: dg.DagsterInstance, spec: ModelSpec, inputs: Iterable[str], recipe: Recipe
) -> list[Judged]:
    """Find the latest verdict of each check of the inputs, where its severity is ERROR.

    A check that was planned but never judged does not hide the verdict before it.
    """
    rules = {
        dg.AssetCheckKey(asset_key(spec, asset), rule.check): rule
        for asset in inputs
        for rule in recipe.checks_for(spec, asset)
    }
    found = [(rule, key, _latest_evaluation(instance, key)) for key, rule in rules.items()]
    return [
        Judged(rule, key, verdict)
        for rule, key, verdict in found
        if verdict and verdict.severity == dg.AssetCheckSeverity.ERROR
    ]


def red_inputs(spec: ModelSpec, verdicts: Iterable[Judged]) -> list[Red]:
    """Pick the failures; whether one blocks or skips is what the declaration says now."""
    return [
        Red(j.rule.check, j.key.asset_key, j.verdict.description or "failed", j.rule.blocking(spec))
        for j in verdicts
        if not j.verdict.passed
    ]


def changed_inputs(spec: ModelSpec, verdicts: Iterable[Judged], recipe: Recipe) -> list[Changed]:
    """Find the tables of which a check judged other rows than those that are stored.

    Commits that change no rows (OPTIMIZE, VACUUM, comments) do not count. Tables without verdicts
    and tables that do not exist are left to the steps.
    """
    versions: dict[dg.AssetKey, set[int | None]] = {}
    for judged in verdicts:
        versions.setdefault(judged.key.asset_key, set()).add(judged.version)
    tables = {asset_key(spec, name): step.table for name, step in recipe.known(spec).items()}
    found = ((key, tables.get(key), judged) for key, judged in versions.items())
    changed = (_changed(key, table, judged) for key, table, judged in found if table)
    return [c for c in changed if c]


def _changed(key: dg.AssetKey, table: str, judged: Iterable[int | None]) -> Changed | None:
    stored = data_version(home_folder(), table)
    if stored is None:
        return None
    others = (v for v in judged if v is None or v < stored or _was_recreated(table, v, stored))
    return next((Changed(key, table, version, stored) for version in others), None)


def _was_recreated(table: str, judged: int, stored: int) -> bool:
    """Whether the judged version lies beyond the table's last commit."""
    return judged > stored and next(commits_since(home_folder(), table, judged - 1), None) is None


def _latest_evaluation(
    instance: dg.DagsterInstance, key: dg.AssetCheckKey
) -> dg.AssetCheckEvaluation | None:
    history = instance.event_log_storage.get_asset_check_execution_history(
        key, limit=1, status=COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES
    )
    return history[0].evaluation if history else None
