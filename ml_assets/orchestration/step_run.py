"""What one op does: build an asset, or only execute checks on what is stored."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import dagster as dg

from ml_assets.orchestration import metadata as md
from ml_assets.orchestration.checks import (
    ChecksFailed,
    broken_rule,
    to_result,
    to_results,
    unmeasured,
)
from ml_assets.orchestration.guard import (
    ChangedSinceJudged,
    RefusedToStart,
    changed_inputs,
    latest_verdicts,
    red_inputs,
)
from ml_assets.orchestration.handles import HandleError, latest_handle, require_handle
from ml_assets.orchestration.names import asset_key
from ml_assets.orchestration.recipe import Recipe
from ml_assets.orchestration.trace import trace
from ml_assets.rules.facts import VersionFacts
from ml_assets.rules.rule import Rule
from ml_assets.rules.verdict import Verdict
from ml_assets.spec.errors import MlAssetsError
from ml_assets.spec.model import ModelSpec
from ml_assets.steps.execution import Inputs, Outcome, execute
from ml_assets.steps.handles import Handle, TableHandle

if TYPE_CHECKING:
    from ml_assets.platform.protocol import Platform
    from ml_assets.steps.graph import Step

Event = dg.MaterializeResult[Any] | dg.AssetCheckResult


@dataclass(frozen=True)
class StepRun:
    """One step of one model in one Dagster run."""

    context: dg.AssetExecutionContext
    spec: ModelSpec
    step: "Step"
    recipe: Recipe

    def events(self) -> Iterator[Event]:
        """Build the asset when it is selected; otherwise execute the selected checks alone."""
        if self.context.selected_asset_keys:
            yield from self._build()
        else:
            yield from self._check()

    def _build(self) -> Iterator[Event]:
        if self._must_skip():
            return
        inputs = Inputs(self.step.asset, self._upstream(), self._trace)
        try:
            outcome = self._execute(inputs)
        except MlAssetsError as error:
            verdict = broken_rule(self._rules, error)
            if verdict is None:
                raise
            yield from to_results([verdict], self.key, self._selected, {})
            raise dg.Failure(description=str(error), allow_retries=False) from error
        yield from self._report(outcome)

    def _execute(self, inputs: Inputs) -> Outcome:
        return execute(self.step.build, self.recipe.judge, self.spec, self._platform, inputs)

    def _report(self, outcome: Outcome) -> Iterator[Event]:
        if outcome.handle is not None:
            yield self._materialization(outcome.handle, outcome)
        measured = md.measured(outcome.handle)
        yield from to_results(outcome.verdicts, self.key, self._selected, measured)
        dropped = outcome.handle is None
        if outcome.stopped:
            consequence = "nothing was published" if dropped else "nothing downstream may run"
            raise ChecksFailed(self.step.asset, outcome.stopped, consequence)
        if dropped:
            red = [v.message for v in outcome.verdicts if not v.passed]
            self.context.log.warning("%s was not published: %s", self.step.asset, " ".join(red))

    def _materialization(self, handle: Handle, outcome: Outcome) -> dg.MaterializeResult[Any]:
        own = md.handle_metadata(handle)  # first, and not replaced by a detail of the same name
        details = md.details_metadata(outcome.details)
        return dg.MaterializeResult(
            asset_key=self.key,
            data_version=md.data_version(handle),
            metadata={
                **own,
                **{name: value for name, value in details.items() if name not in own},
                **md.table_metadata(handle, self._platform),
                "spec_hash": self.spec.hash,
            },
        )

    def _check(self) -> Iterator[Event]:
        rules = [rule for rule in self._rules if rule.check in self._selected]
        try:
            verdicts, own = self._measure()
        except Exception as error:
            # Not swallowed: every selected check turns red with the error, then it goes on.
            for rule in rules:
                yield to_result(unmeasured(rule, error), self.key)
            raise
        chosen = [v for v in verdicts if v.check in self._selected]
        yield from to_results(chosen, self.key, self._selected, own)
        if stopped := [v for v in chosen if v.stops]:
            raise ChecksFailed(self.step.asset, stopped, "nothing downstream may run")

    def _measure(self) -> tuple[list[Verdict], dict[str, Any]]:
        own = latest_handle(self.context.instance, self.key, self.step.handle)
        if own is None and self.step.handle is not TableHandle:
            raise HandleError(self.key, "was never materialized: there is nothing to measure")
        if self.step.measure is None:
            return [], {}  # a seeded source: there are no rules for it
        handles = {self.step.asset: own} if own else {}
        inputs = Inputs(self.step.asset, handles, self._trace)
        facts = self.step.measure(self.spec, self._platform, inputs)
        verdicts = list(self.recipe.judge(self.spec, self.step.asset, facts))
        return verdicts, _stored(facts) or md.measured(own)

    def _must_skip(self) -> bool:
        """Refuse on a red blocking or changed input; say that any other red ERROR skips the step."""
        inputs = self.step.depends_on
        verdicts = latest_verdicts(self.context.instance, self.spec, inputs, self.recipe)
        reds = red_inputs(self.spec, verdicts)
        if blocking := [red for red in reds if red.blocking]:
            raise RefusedToStart(self.step.asset, blocking)
        for red in reds:
            message = "%s is skipped, because %s of %s is red: %s"
            key = red.asset.to_user_string()
            self.context.log.warning(message, self.step.asset, red.check, key, red.message)
        if not reds and (changed := changed_inputs(self.spec, verdicts, self.recipe)):
            raise ChangedSinceJudged(self.step.asset, changed)
        return bool(reds)

    def _upstream(self) -> dict[str, Handle]:
        """Handles of the inputs that a step of ours makes; tables of others have none."""
        ours = {step.asset: step for step in self.recipe.steps_of(self.spec)}
        return {
            name: require_handle(
                self.context.instance, asset_key(self.spec, name), ours[name].handle
            )
            for name in self.step.depends_on
            if name in ours
        }

    @cached_property
    def _platform(self) -> "Platform":
        platform: Platform = self.context.resources.platform.open()
        return platform

    @property
    def key(self) -> dg.AssetKey:
        """The asset's key."""
        return asset_key(self.spec, self.step.asset)

    @property
    def _rules(self) -> tuple[Rule, ...]:
        return self.recipe.checks_for(self.step.asset)

    @property
    def _selected(self) -> set[str]:
        return {key.name for key in self.context.selected_asset_check_keys}

    @cached_property
    def _trace(self) -> dict[str, str]:
        return trace(self.spec, self.context.run.run_id)


def _stored(facts: Any) -> dict[str, Any]:
    """Name what was measured, when it may be another version than the latest handle's.

    Somebody else may have written the table, and a refused version does not serve.
    """
    if isinstance(facts, VersionFacts):
        return {"model_version": facts.version, "run_id": facts.run_id}
    table = getattr(facts, "table", None)
    return {"table": table.name, "delta_version": table.version} if table else {}
