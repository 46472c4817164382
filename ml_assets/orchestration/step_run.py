"""What one op does on a laptop: build an asset, or only execute checks on what is stored."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import dagster as dg

from ml_assets.orchestration import metadata as md
from ml_assets.orchestration.checks import to_result, to_results
from ml_assets.orchestration.guard import (
    ChangedSinceJudged,
    RefusedToStart,
    changed_inputs,
    latest_verdicts,
    red_inputs,
)
from ml_assets.orchestration.handles import HandleError, latest_handle, upstream_handles
from ml_assets.orchestration.names import asset_key
from ml_assets.orchestration.reporting import Event, Reporting, checks_failed, unpublished
from ml_assets.orchestration.trace import trace
from ml_assets.rules.rule import Rule
from ml_assets.rules.unmeasured import broken_rule, unmeasured
from ml_assets.spec.errors import MlAssetsError
from ml_assets.spec.model import ModelSpec
from ml_assets.steps import worker
from ml_assets.steps.execution import Inputs
from ml_assets.steps.handles import Handle, TableHandle
from ml_assets.steps.recipe import Recipe
from ml_assets.steps.work import Report

if TYPE_CHECKING:
    from ml_assets.platform.protocol import Platform
    from ml_assets.steps.graph import Step


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
            report = worker.build(self.step, self.spec, self._platform, self.recipe, inputs)
        except MlAssetsError as error:
            verdict = broken_rule(self._rules, error)
            if verdict is None:
                raise
            yield from to_results([verdict], self._key, self._selected, {})
            raise dg.Failure(description=str(error), allow_retries=False) from error
        yield from self._reported(report)

    def _check(self) -> Iterator[Event]:
        rules = [rule for rule in self._rules if rule.check in self._selected]
        try:
            report = self._measured()
        except Exception as error:
            # Not swallowed: every selected check turns red with the error, then it goes on.
            for rule in rules:
                yield to_result(unmeasured(rule, error), self._key)
            raise
        yield from self._reported(report)

    def _measured(self) -> Report:
        own = latest_handle(self.context.instance, self._key, self.step.handle)
        if own is None and self.step.handle is not TableHandle:
            raise HandleError(self._key, "was never materialized: there is nothing to measure")
        handles = {self.step.asset: own} if own else {}
        inputs = Inputs(self.step.asset, handles, self._trace)
        report = worker.check(self.step, self.spec, self._platform, self.recipe, inputs)
        return report if report.measured else worker.naming(report, md.measured(own))

    def _reported(self, report: Report) -> Iterator[Event]:
        yield from Reporting(self.spec, self.step, {}).events(report, self._selected)
        if failed := checks_failed(report, self._selected):
            raise failed
        if why := unpublished(report):
            self.context.log.warning(why)

    def _must_skip(self) -> bool:
        """Refuse on a red blocking or changed input; say that any other red ERROR skips the step."""
        inputs = self.step.depends_on
        verdicts = latest_verdicts(self.context.instance, self.spec, inputs, self.recipe)
        reds = red_inputs(self.spec, verdicts)
        if blocking := [red for red in reds if red.blocking]:
            raise RefusedToStart(self.step.asset, blocking)
        for red in reds:
            self.context.log.warning(red.skips(self.step.asset))
        if not reds and (changed := changed_inputs(self.spec, verdicts, self.recipe)):
            raise ChangedSinceJudged(self.step.asset, changed)
        return bool(reds)

    def _upstream(self) -> dict[str, Handle]:
        instance, names = self.context.instance, self.step.depends_on
        return upstream_handles(instance, self.spec, self.recipe, names)

    @cached_property
    def _platform(self) -> "Platform":
        platform: Platform = self.context.resources.platform.open()
        return platform

    @property
    def _key(self) -> dg.AssetKey:
        return asset_key(self.spec, self.step.asset)

    @property
    def _rules(self) -> tuple[Rule, ...]:
        return self.recipe.checks_for(self.spec, self.step.asset)

    @property
    def _selected(self) -> set[str]:
        return {key.name for key in self.context.selected_asset_check_keys}

    @cached_property
    def _trace(self) -> dict[str, str]:
        return trace(self.spec, self.context.run.run_id)
