"""Run steps without Dagster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_assets.rules.registry import judge
from ml_assets.steps.execution import Inputs, Outcome, execute
from ml_assets.steps.graph import steps_of
from ml_assets.steps.library_errors import explained

if TYPE_CHECKING:
    from ml_assets.platform.protocol import Platform
    from ml_assets.rules.facts import Facts
    from ml_assets.rules.verdict import Verdict
    from ml_assets.spec.model import ModelSpec
    from ml_assets.steps.handles import Handle

TRACE = {"dagster_run_id": "test-run", "git_commit": "0" * 40, "started_by": "ann"}


def run_steps(
    spec: ModelSpec,
    platform: Platform,
    *,
    until: str = "predictions",
    handles: dict[str, Handle] | None = None,
) -> dict[str, Outcome]:
    """Execute the steps in order; stop after ``until`` or after a step that left no handle."""
    outcomes: dict[str, Outcome] = {}
    handles = {} if handles is None else handles
    for step in steps_of(spec):
        if step.asset in handles:
            continue
        inputs = Inputs(step.asset, handles, TRACE)
        with explained(spec, platform, inputs):
            outcome = execute(step.build, judge, spec, platform, inputs)
        outcomes[step.asset] = outcome
        if outcome.handle is None or outcome.stopped or step.asset == until:
            break
        handles[step.asset] = outcome.handle
    return outcomes


def measure(spec: ModelSpec, platform: Platform, asset: str, handle: Handle) -> Facts:
    """Measure one stored asset, without building it."""
    step = next(s for s in steps_of(spec) if s.asset == asset)
    assert step.measure is not None
    return step.measure(spec, platform, Inputs(asset, {asset: handle}, TRACE))


def red(verdicts: tuple[Verdict, ...]) -> list[str]:
    """Name the checks that failed."""
    return [v.check for v in verdicts if not v.passed]
