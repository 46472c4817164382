"""The steps of a model, the checks of an asset, and the judge, as one thing to hand over.

Definitions and jobs are built from a recipe, so that their behaviour can be tried with small steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from ml_assets.rules.rule import Rule
    from ml_assets.spec.model import ModelSpec
    from ml_assets.steps.execution import Judge
    from ml_assets.steps.graph import Step


@dataclass(frozen=True)
class Recipe:
    """Steps in graph order, rules by asset name, and the judgement of facts by these rules."""

    steps_of: Callable[[ModelSpec], tuple[Step, ...]]
    checks_for: Callable[[ModelSpec, str], tuple[Rule, ...]]
    judge: Judge

    def step(self, spec: ModelSpec, asset: str) -> Step:
        """Find the step of an asset; KeyError when the model has none of that name."""
        return self.known(spec)[asset]

    def known(self, spec: ModelSpec) -> dict[str, Step]:
        """The steps by asset, and the assets of other models that they stand on."""
        from ml_assets.steps.graph import reused_by

        return {step.asset: step for step in (*self.steps_of(spec), *reused_by(spec))}


def default_recipe() -> Recipe:
    """The steps and the golden rules of ml_assets."""
    from ml_assets.rules.registry import checks_for, judge
    from ml_assets.steps.graph import steps_of

    return Recipe(steps_of, checks_for, judge)
