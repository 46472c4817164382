"""One step, in two phases: prepare and measure first; publish only what no blocking rule refuses.

``build`` of a step returns a ``Prepared``: the work is done and measured, nothing is visible yet.
The caller judges ``facts`` and then calls ``publish`` or ``refuse``; leaving the ``with`` block
without either leaves every table and the registry as they were.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType
    from typing import Any, Self

    from ml_assets.platform.protocol import Platform
    from ml_assets.rules.facts import Facts
    from ml_assets.rules.verdict import Verdict
    from ml_assets.spec.model import ModelSpec
    from ml_assets.steps.handles import Handle

    Judge = Callable[[ModelSpec, str, Facts | None], Sequence[Verdict]]
    Build = Callable[[ModelSpec, Platform, "Inputs"], "Prepared"]


@dataclass(frozen=True)
class Inputs:
    """What a step is told: the handles of its inputs by asset name, and tags that make it traceable.

    ``trace`` holds ``dagster_run_id`` and ``git_commit``; ``asset`` is the step's own asset name
    (``features/<name>``, ``labels``, ``training_set``, …).
    """

    asset: str
    handles: Mapping[str, Handle]
    trace: Mapping[str, str]


class Prepared(Protocol):
    """Work that is done and measured, but not yet visible."""

    @property
    def facts(self) -> Facts | None:
        """What was measured on the prepared work; None where there are no rules."""
        ...

    def publish(self, verdicts: Sequence[Verdict]) -> Handle:
        """Make it visible in one move."""
        ...

    def refuse(self, verdicts: Sequence[Verdict]) -> Handle | None:
        """Drop it (None), or keep it as evidence without effect (its handle)."""
        ...

    def details(self) -> Mapping[str, Any]:
        """Extra values worth showing on the asset's page (repaired counts, metrics)."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


@dataclass(frozen=True)
class Outcome:
    """What a step did: ``handle`` is None when the work was refused and dropped."""

    handle: Handle | None
    verdicts: tuple[Verdict, ...]
    details: Mapping[str, Any]

    @property
    def stopped(self) -> tuple[Verdict, ...]:
        """The verdicts that keep everything downstream from running."""
        return tuple(v for v in self.verdicts if v.stops)


def execute(
    build: Build, judge: Judge, spec: ModelSpec, platform: Platform, inputs: Inputs
) -> Outcome:
    """Build, measure, judge, and then publish or refuse.

    After publishing, the facts hold what is stored (the table's own metadata), and are judged
    again; that costs no further pass over the data.
    """
    with build(spec, platform, inputs) as prepared:
        verdicts = judge(spec, inputs.asset, prepared.facts)
        if any(not v.passed and v.severity == "error" for v in verdicts):
            handle = prepared.refuse(verdicts)
        else:
            handle = prepared.publish(verdicts)
            verdicts = judge(spec, inputs.asset, prepared.facts)
        return Outcome(handle, tuple(verdicts), prepared.details())
