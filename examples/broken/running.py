"""Run an example as a cluster runs work: every step, whatever becomes of the ones before it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from examples.broken.by_hand import Stored
from examples.broken.gallery import declared
from ml_assets.spec.errors import DeclarationError
from ml_assets.steps import worker
from ml_assets.steps.graph import steps_of
from ml_assets.steps.recipe import default_recipe
from ml_assets.steps.work import Task, Work

if TYPE_CHECKING:
    from collections.abc import Mapping

    from examples.broken.gallery import Example
    from ml_assets.platform.embedded import EmbeddedPlatform
    from ml_assets.rules.verdict import Verdict
    from ml_assets.spec.model import ModelSpec
    from ml_assets.steps.handles import Handle
    from ml_assets.steps.work import Report

TRACE = {"dagster_run_id": "example", "git_commit": "0" * 40}


@dataclass(frozen=True)
class Outcome:
    """What became of an example: the loader's refusal, or a report of each asset."""

    refused: DeclarationError | None = None
    reports: Mapping[str, Report] = field(default_factory=dict)

    @property
    def red(self) -> dict[tuple[str, str], Verdict]:
        """The verdicts that failed, warnings too, by asset and check."""
        return {
            (asset, verdict.check): verdict
            for asset, report in self.reports.items()
            for verdict in report.verdicts
            if not verdict.passed
        }

    @property
    def skipped(self) -> set[str]:
        """The assets that were not started."""
        return {asset for asset, report in self.reports.items() if report.skipped}


def run(
    example: Example, platform: EmbeddedPlatform, before: Mapping[str, Report] | None = None
) -> Outcome:
    """Run an example on an empty platform; one that only warns ends at its asset.

    ``before`` are the reports of the whole shop when it is already there.
    """
    try:
        spec = example.spec()
    except DeclarationError as refusal:
        return Outcome(refused=refusal)
    if not example.after:
        last = example.asset if example.warns else ""
        return Outcome(reports=build(spec, platform, until=last))
    first = spec if example.break_it else declared({})
    done = _until(example.after, before or build(first, platform, until=example.after))
    if example.break_it:
        example.break_it(Stored(platform, spec, handles_of(spec, done)))
    return Outcome(reports=_go_on(example, spec, platform, done))


def build(spec: ModelSpec, platform: EmbeddedPlatform, until: str = "") -> dict[str, Report]:
    """Build every asset, up to ``until`` when it is given."""
    assets = [step.asset for step in steps_of(spec)]
    if until:
        assets = assets[: assets.index(until) + 1]
    return _work(spec, platform, [Task(asset, build=True) for asset in assets], {})


def handles_of(spec: ModelSpec, reports: Mapping[str, Report]) -> dict[str, Handle]:
    """Read the handles of what was built."""
    kinds = {step.asset: step.handle for step in steps_of(spec)}
    return {a: kinds[a].from_metadata(r.handle) for a, r in reports.items() if r.handle}


def _go_on(
    example: Example, spec: ModelSpec, platform: EmbeddedPlatform, done: Mapping[str, Report]
) -> dict[str, Report]:
    """Build again from the first changed asset; or, after a hand at work, check what is there.

    Checks of what was built are executed alone: they see what is stored now.
    """
    recipe, tasks = default_recipe(), []
    for step in steps_of(spec):
        checks = tuple(rule.check for rule in recipe.checks_for(spec, step.asset))
        rebuilt = step.asset not in done or (example.change and not example.break_it)
        tasks.append(Task(step.asset, build=bool(rebuilt), checks=checks))
        if example.warns and step.asset == example.asset:
            break
    kept = [t for t in tasks if t.build or t.checks]
    return _work(spec, platform, kept, {a: r.handle for a, r in done.items() if r.handle})


def _work(
    spec: ModelSpec,
    platform: EmbeddedPlatform,
    tasks: list[Task],
    handles: Mapping[str, Mapping[str, object]],
) -> dict[str, Report]:
    work = Work(spec, tuple(tasks), handles=handles, trace=TRACE)
    logger = logging.getLogger("ml_assets.worker")
    logger.disabled = True  # what it would say of each failure is what the caller shows
    try:
        reports = worker.run(work, platform, default_recipe(), lambda _: None)
    finally:
        logger.disabled = False
    return {report.asset: report for report in reports}


def _until(asset: str, reports: Mapping[str, Report]) -> dict[str, Report]:
    names = list(reports)
    return {name: reports[name] for name in names[: names.index(asset) + 1]}
