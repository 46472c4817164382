"""Do one task, or the tasks of a whole ``Work`` in order, and say what became of each.

``build`` and ``check`` do one thing and raise; the orchestrator of a laptop calls them directly.
``run`` is what a cluster does: it deals with every task, whatever becomes of the ones before.
"""

from __future__ import annotations

import logging
import time
import traceback
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ml_assets.rules.facts import VersionFacts
from ml_assets.rules.unmeasured import broken_rule, unmeasured
from ml_assets.spec.errors import DataError, MlAssetsError
from ml_assets.steps.execution import Inputs, execute
from ml_assets.steps.handles import TableHandle
from ml_assets.steps.library_errors import explained
from ml_assets.steps.work import Report, TaskError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ml_assets.platform.protocol import Platform
    from ml_assets.rules.verdict import Verdict
    from ml_assets.spec.model import ModelSpec
    from ml_assets.steps.graph import Step
    from ml_assets.steps.handles import Handle
    from ml_assets.steps.recipe import Recipe
    from ml_assets.steps.work import Task, Work

_log = logging.getLogger("ml_assets.worker")


def build(
    step: Step, spec: ModelSpec, platform: Platform, recipe: Recipe, inputs: Inputs
) -> Report:
    """Build an asset and judge it; publish it unless a rule refuses it.

    Raises what the step does; an error of a library as the rule that it breaks, where one is known.
    """
    started = time.time()
    with explained(spec, platform, inputs):
        outcome = execute(step.build, recipe.judge, spec, platform, inputs)
    handle = outcome.handle
    return Report(
        asset=step.asset,
        build=True,
        handle=handle.to_metadata() if handle else None,
        verdicts=outcome.verdicts,
        details=outcome.details,
        table=platform.tables.info(handle.table) if isinstance(handle, TableHandle) else None,
        started=started,
        ended=time.time(),
    )


def check(
    step: Step, spec: ModelSpec, platform: Platform, recipe: Recipe, inputs: Inputs
) -> Report:
    """Judge what is stored of an asset, without building. Raises what the measuring does."""
    started = time.time()
    if step.measure is None:  # a seeded source: there are no rules for it
        return Report(step.asset, build=False, started=started, ended=time.time())
    with explained(spec, platform, inputs):
        facts = step.measure(spec, platform, inputs)
    return Report(
        asset=step.asset,
        build=False,
        verdicts=tuple(recipe.judge(spec, step.asset, facts)),
        measured=_stored(facts),
        started=started,
        ended=time.time(),
    )


def naming(report: Report, measured: Mapping[str, Any]) -> Report:
    """Say what the verdicts of a report speak of."""
    return replace(report, measured=dict(measured))


def run(
    work: Work, platform: Platform, recipe: Recipe, report: Callable[[Report], None]
) -> tuple[Report, ...]:
    """Deal with every task in order; ``report`` is called after each.

    A task is skipped when an input that is a task of the same work failed, was refused, or was
    skipped. Tasks that do not depend on it are done: they would have to be done anyway. An exception
    becomes the task's error; only Ctrl-C and its like end the work early.
    """
    done = _Done(work, platform, recipe)
    for task in work.tasks:
        report(done.deal_with(task))
    return tuple(done.reports.values())


@dataclass
class _Done:
    """What became of the tasks so far."""

    work: Work
    platform: Platform
    recipe: Recipe
    reports: dict[str, Report] = field(default_factory=dict)

    def deal_with(self, task: Task) -> Report:
        started = time.time()
        step = self.recipe.step(self.work.spec, task.asset)
        if task.build and (why := self._stopped_by(step)):
            _log.warning("%s is skipped: %s", task.asset, why)
            found = Report(task.asset, build=True, skipped=why)
        else:
            _log.info("%s %s", "Building" if task.build else "Checking", task.asset)
            found = self._attempt(task, step)
        found = replace(found, started=found.started or started, ended=found.ended or time.time())
        self.reports[task.asset] = found
        return found

    def _attempt(self, task: Task, step: Step) -> Report:
        work = self.work
        try:
            if task.build:
                self._refuse_changed(step)
            inputs = self._inputs(task, step)
            if task.build:
                return build(step, work.spec, self.platform, self.recipe, inputs)
            found = check(step, work.spec, self.platform, self.recipe, inputs)
            selected = tuple(v for v in found.verdicts if v.check in task.checks)
            return replace(found, verdicts=selected)
        except Exception as error:  # noqa: BLE001 - see below
            # Not swallowed: the report carries it, and the job ends by raising.
            _log.exception("%s failed", task.asset)
            return self._failed(task, error)

    def _failed(self, task: Task, error: Exception) -> Report:
        rules = self.recipe.checks_for(self.work.spec, task.asset)
        verdicts = [unmeasured(rule, error) for rule in rules if rule.check in task.checks]
        if task.build:
            named = broken_rule(rules, error)
            verdicts = [named] if named else []
        return Report(task.asset, task.build, verdicts=tuple(verdicts), error=task_error(error))

    def _stopped_by(self, step: Step) -> str:
        """Say which input keeps a step from being built; empty when none does."""
        for name in step.depends_on:
            before = self.reports.get(name)
            if before is None:
                continue
            if before.error or before.skipped:
                return f"{name} {'failed' if before.error else 'was skipped'}"
            if red := [v for v in before.verdicts if not v.passed and v.severity == "error"]:
                return f"{red[0].check} of {name} is red: {red[0].message}"
        return ""

    def _inputs(self, task: Task, step: Step) -> Inputs:
        """Give a build the handles of its inputs, and a check the asset's own."""
        wanted = step.depends_on if task.build else (task.asset,)
        handles = {name: handle for name in wanted if (handle := self._handle(name))}
        return Inputs(task.asset, handles, self.work.trace)

    def _handle(self, asset: str) -> Handle | None:
        made = self.reports[asset].handle if asset in self.reports else None
        values: Mapping[str, Any] | None = made or self.work.handles.get(asset)
        if values is None:
            return None
        return self.recipe.step(self.work.spec, asset).handle.from_metadata(values)

    def _refuse_changed(self, step: Step) -> None:
        """Refuse inputs whose stored rows are not the ones that were judged."""
        for name in step.depends_on:
            built = name in self.reports and self.reports[name].build
            if name in self.work.judged and not built:
                table = self.recipe.step(self.work.spec, name).table
                if table:
                    refuse_changed(self.platform, step.asset, name, table, self.work.judged[name])


def refuse_changed(
    platform: Platform, asset: str, name: str, table: str, judged: Iterable[int | None]
) -> None:
    """Raise when a table holds other rows than those that its checks judged.

    Raises
    ------
    DataError
        Naming the versions. A table that does not exist is left to the step.
    """
    info = platform.tables.info(table)
    if not info.exists:
        return
    for version in judged:
        if version is None or version < info.data_version or version > info.version:
            seen = (
                "what was prepared and not published" if version is None else f"version {version}"
            )
            raise DataError(
                f"{asset}: its input {table}",
                found=f"the checks judged {seen}, the stored data version is {info.data_version}",
                expected="an input that was judged as it is stored now",
                fix=f"execute the checks of {name}, they measure what is stored now; or materialize it again",
            )


def task_error(error: Exception) -> TaskError:
    """Describe an exception in plain values."""
    return TaskError(
        message=f"{type(error).__name__}: {error}",
        traceback="".join(traceback.format_exception(error)),
        ours=isinstance(error, MlAssetsError),
    )


def stopped(reports: Iterable[Report]) -> list[Report]:
    """Pick the reports that make a run fail: errors, and red blocking checks."""
    return [r for r in reports if r.error or any(v.stops for v in r.verdicts)]


def stopping(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Pick the verdicts that keep everything downstream from running."""
    return [v for v in verdicts if v.stops]


def _stored(facts: Any) -> dict[str, Any]:
    """Name what was measured, when it may be another version than the latest handle's.

    Somebody else may have written the table, and a refused version does not serve.
    """
    if isinstance(facts, VersionFacts):
        return {"model_version": facts.version, "run_id": facts.run_id}
    table = getattr(facts, "table", None)
    return {"table": table.name, "delta_version": table.version} if table else {}
