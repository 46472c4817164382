"""What one op does on Databricks: hand its tasks to one job run, and report what becomes of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import dagster as dg

from ml_assets.orchestration import metadata as md
from ml_assets.orchestration.databricks.job_run import RUN_ID, RUN_URL
from ml_assets.orchestration.guard import Judged, RefusedToStart, latest_verdicts, red_inputs
from ml_assets.orchestration.handles import HandleError, latest_handle, upstream_handles
from ml_assets.orchestration.names import asset_key
from ml_assets.orchestration.reporting import Event, Reporting, checks_failed, unpublished
from ml_assets.orchestration.resumed import already_done
from ml_assets.orchestration.trace import trace
from ml_assets.rules.unmeasured import unmeasured
from ml_assets.spec.model import ModelSpec
from ml_assets.steps.handles import Handle, TableHandle
from ml_assets.steps.recipe import Recipe
from ml_assets.steps.work import Report, Task, Work

if TYPE_CHECKING:
    from ml_assets.steps.graph import Step


@dataclass(frozen=True)
class RemoteRun:
    """The selected steps of one op, done by one Databricks job run."""

    context: dg.AssetExecutionContext
    spec: ModelSpec
    steps: Sequence["Step"]
    recipe: Recipe

    def events(self) -> Iterator[Event]:
        """Submit what may run, and yield each asset's events as soon as the job reports them.

        Everything that can be known before is found out before: a red or missing input costs no
        job run, and when every task has to be skipped none is submitted.
        """
        tasks, refused = self._sorted_out(self._wanted)
        yield from self._refuse_unmade(tasks)
        reports: list[Report] = []
        first: dict[str, Any] = {}
        if tasks:
            # A job run that a killed process left behind was asked for all of it.
            whole = self._work(self._sorted_out(self._asked)[0]) if self._made else None
            launch = self.context.resources.databricks.launch
            with launch(self.context, self._work(tasks), whole) as job:
                first = {RUN_URL: job.url, RUN_ID: job.run_id}
                for report in job.reports():
                    if report.asset in {task.asset for task in tasks}:
                        reports.append(report)
                        yield from self._events(report, first)
        self._raise_for(refused, reports, first)

    @cached_property
    def _asked(self) -> tuple[Task, ...]:
        """Tasks in graph order, from what was selected in this run."""
        built = self.context.selected_asset_keys
        checked: dict[dg.AssetKey, list[str]] = {}
        for key in self.context.selected_asset_check_keys:
            checked.setdefault(key.asset_key, []).append(key.name)
        found = []
        for step in self.steps:
            key = asset_key(self.spec, step.asset)
            if key in built or key in checked:
                checks = tuple(sorted(checked.get(key, ())))
                found.append(Task(step.asset, build=key in built, checks=checks))
        return tuple(found)

    @cached_property
    def _wanted(self) -> tuple[Task, ...]:
        """The tasks without those that need not be done again."""
        return tuple(task for task in self._asked if task.asset not in self._made)

    @cached_property
    def _made(self) -> frozenset[str]:
        """What a run that this one resumes made, judged by all that is asked, and not refused."""
        done = already_done(self.context.instance, self.context.run)
        found = []
        for task in self._asked:
            key = asset_key(self.spec, task.asset)
            judged = {dg.AssetCheckKey(key, check) for check in task.checks} <= done.checks
            if key in done.assets and judged:
                found.append(task.asset)
        return frozenset(a for a in found if not red_inputs(self.spec, self._verdicts((a,))))

    def _sorted_out(self, tasks: Sequence[Task]) -> tuple[list[Task], list[dg.Failure]]:
        """Give the tasks that may be done, and why others are refused.

        What depends on a refused task, or on one that a red ERROR skips, is left out, too. Inputs
        that are built here are judged by the job.
        """
        allowed: list[Task] = []
        refused: list[dg.Failure] = []
        skipped: set[str] = set()
        for task in tasks:
            inputs = self._step(task.asset).depends_on if task.build else ()
            reds = red_inputs(self.spec, self._verdicts_on(inputs, tasks))
            blocking = [red for red in reds if red.blocking]
            if before := [name for name in inputs if name in skipped]:
                self.context.log.warning("%s is skipped with %s", task.asset, before[0])
            elif blocking:
                refused.append(RefusedToStart(task.asset, blocking))
            elif reds:
                self.context.log.warning(reds[0].skips(task.asset))
            elif missing := self._missing(inputs, tasks):
                refused.append(missing)
            else:
                allowed.append(task)
                continue
            skipped.add(task.asset)
        return allowed, refused

    def _verdicts_on(self, inputs: Sequence[str], tasks: Sequence[Task]) -> list[Judged]:
        """The latest verdicts on inputs, but for those that the job is going to give."""
        here = {task.asset: task for task in tasks}
        found = []
        for name in inputs:
            task = here.get(name)
            if task is None or not task.build:
                again = task.checks if task else ()
                found += [v for v in self._verdicts((name,)) if v.key.name not in again]
        return found

    def _missing(self, inputs: Sequence[str], tasks: Sequence[Task]) -> HandleError | None:
        """Say which input was never made, by this project or in this run."""
        try:
            self._upstream({*_without(inputs, [t for t in tasks if t.build])})
        except HandleError as error:
            return error
        return None

    def _work(self, tasks: Sequence[Task]) -> Work:
        building = [self._step(t.asset) for t in tasks if t.build]
        inputs = {name for step in building for name in step.depends_on}
        names = {asset_key(self.spec, name): name for name in inputs}
        judged: dict[str, set[int | None]] = {}
        for verdict in self._verdicts_on(sorted(inputs), tasks):
            judged.setdefault(names[verdict.key.asset_key], set()).add(verdict.version)
        made_before = {*_without(sorted(inputs), [t for t in tasks if t.build])}
        return Work(
            spec=self.spec,
            tasks=tuple(tasks),
            handles={**self._upstream(made_before), **self._own(tasks)},
            judged={name: tuple(sorted(v, key=_first_none)) for name, v in sorted(judged.items())},
            trace=trace(self.spec, self.context.run.run_id),
        )

    def _upstream(self, inputs: set[str]) -> dict[str, Mapping[str, Any]]:
        """Handles of the inputs that no task makes."""
        instance, names = self.context.instance, sorted(inputs)
        found = upstream_handles(instance, self.spec, self.recipe, names)
        return {name: handle.to_metadata() for name, handle in found.items()}

    def _refuse_unmade(self, tasks: Sequence[Task]) -> Iterator[Event]:
        """Turn checks of what was never made red; a table may have been made by somebody else."""
        for task in tasks:
            step, key = self._step(task.asset), asset_key(self.spec, task.asset)
            if task.build or step.handle is TableHandle or self._own_handle(step):
                continue
            error = HandleError(key, "was never materialized: there is nothing to measure")
            rules = self.recipe.checks_for(self.spec, task.asset)
            verdicts = tuple(unmeasured(rule, error) for rule in rules)
            report = Report(task.asset, build=False, verdicts=verdicts)
            yield from Reporting(self.spec, step, {}).events(report, set(task.checks))
            raise error

    def _own(self, tasks: Sequence[Task]) -> dict[str, Mapping[str, Any]]:
        """The latest handles of what is stored and only checked."""
        checked = {task.asset: self._step(task.asset) for task in tasks if not task.build}
        found = {asset: self._own_handle(step) for asset, step in checked.items()}
        return {asset: handle.to_metadata() for asset, handle in found.items() if handle}

    def _own_handle(self, step: "Step") -> Handle | None:
        key = asset_key(self.spec, step.asset)
        return latest_handle(self.context.instance, key, step.handle)

    def _events(self, report: Report, first: Mapping[str, Any]) -> Iterator[Event]:
        step, task = self._step(report.asset), self._task(report.asset)
        if report.skipped:
            self.context.log.warning("%s was skipped: %s", report.asset, report.skipped)
        if not report.build and not report.measured:
            report = replace(report, measured=md.measured(self._own_handle(step)))
        yield from Reporting(self.spec, step, first).events(report, set(task.checks))
        if why := unpublished(report):
            self.context.log.warning(why)

    def _raise_for(
        self, refused: Sequence[dg.Failure], reports: Sequence[Report], first: Mapping[str, Any]
    ) -> None:
        """Fail the op when a task was refused or failed, or a blocking check is red, at the end."""
        failures = [*refused, *(f for report in reports if (f := self._failure(report)))]
        if not failures:
            return
        metadata = {name: md.to_value(name, value) for name, value in first.items()}
        for failure in failures:
            metadata |= failure.metadata
        text = "\n\n".join(f.description or "" for f in failures)
        raise dg.Failure(description=text, metadata=metadata, allow_retries=False)

    def _failure(self, report: Report) -> dg.Failure | None:
        if report.error is None:
            return checks_failed(report, set(self._task(report.asset).checks))
        trace_of_job = f"```\n{report.error.traceback}\n```"
        text = f"**{report.asset}** failed: {report.error.message}"
        if not report.error.ours:
            text += f"\n\n{trace_of_job}"
        shown = {f"traceback of {report.asset}": dg.MetadataValue.md(trace_of_job)}
        return dg.Failure(text, metadata=shown)

    def _verdicts(self, inputs: Sequence[str]) -> list[Judged]:
        return latest_verdicts(self.context.instance, self.spec, inputs, self.recipe)

    def _step(self, asset: str) -> "Step":
        return self.recipe.step(self.spec, asset)

    def _task(self, asset: str) -> Task:
        return next(task for task in self._asked if task.asset == asset)


def _without(inputs: Sequence[str], tasks: Sequence[Task]) -> tuple[str, ...]:
    """Leave out the inputs that are tasks themselves."""
    names = {task.asset for task in tasks}
    return tuple(name for name in inputs if name not in names)


def _first_none(version: int | None) -> int:
    return -1 if version is None else version
