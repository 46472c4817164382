"""All rules, and how an asset is judged by them. A test pins this table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml_assets.rules import (
    ml01_feature_tables,
    ml02_output_schema,
    ml03_clean_features,
    ml04_experiments,
    ml05_labels,
    ml06_leakage,
    ml06_power,
    predictions,
    promotion,
)

if TYPE_CHECKING:
    from ml_assets.rules.rule import Rule
    from ml_assets.rules.verdict import Verdict
    from ml_assets.spec.model import ModelSpec

RULES: tuple[Rule, ...] = (
    *ml01_feature_tables.RULES,
    *ml02_output_schema.RULES,
    *ml03_clean_features.RULES,
    *ml04_experiments.RULES,
    *ml05_labels.RULES,
    *ml06_leakage.RULES,
    *ml06_power.RULES,
    *promotion.RULES,
    *predictions.RULES,
)


def checks_for(spec: ModelSpec, asset: str) -> tuple[Rule, ...]:
    """Find a model's rules for an asset (``features/<name>``, ``labels``, …), in the rule book's order."""
    kind = asset.split("/", maxsplit=1)[0]
    return tuple(rule for rule in RULES if rule.asset == kind and rule.applies(spec))


def judge(spec: ModelSpec, asset: str, facts: Any) -> tuple[Verdict, ...]:
    """Judge an asset by all of its rules."""
    return tuple(rule.judge(spec, asset, facts) for rule in checks_for(spec, asset))
