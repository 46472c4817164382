"""A candidate against the champion: what the comparison says, and when a person overrules it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from ml_assets.rules.rule import Finding
from ml_assets.spec.model_types import METRICS

if TYPE_CHECKING:
    from ml_assets.rules.facts import ComparisonFacts, MetricDifference, VersionFacts
    from ml_assets.rules.verdict import Rows
    from ml_assets.spec.model import ModelSpec
    from ml_assets.spec.model_types import Metric


def beats_champion(spec: ModelSpec, _: str, facts: VersionFacts) -> Finding:
    """Hold the lower end of the interval of candidate - champion against the margin."""
    compared, metric = facts.comparison, spec.promotion.metric or spec.kind.headline
    if facts.rolled_back and facts.version != facts.champion:
        return _rolled_back(facts)
    if compared is None:
        return _not_compared(facts)
    difference = compared.differences.get(metric)
    if difference is None and not compared.trouble and not _needed(spec):
        return _unlabelled(metric, compared)
    if difference is None or not math.isfinite(difference.low):
        return unless_forced(_incomparable(metric, compared), facts)
    allowed = _allowed(spec, metric, difference)
    finding = Finding(
        passed=difference.low >= -allowed,
        message=_compared(spec, metric, compared, difference),
        fix=_how_to_go_on(spec, compared),
        numbers={
            "champion": compared.champion,
            "compared_rows": compared.rows,
            "compared_entities": compared.entities,
            "interval_widened_by": compared.widened,
            "rows_the_champion_may_know": compared.seen_rows,
            f"candidate_{metric}": difference.candidate,
            f"champion_{metric}": difference.champion,
            "difference": difference.difference,
            "difference_low": difference.low,
            "difference_high": difference.high,
            "allowed_loss": allowed,
        },
        table=_differences(compared),
    )
    return unless_forced(finding, facts)


def _needed(spec: ModelSpec) -> bool:
    """Whether a version without the metric that decides cannot be compared at all."""
    return spec.kind.learns_label or spec.promotion.metric is not None


def _allowed(spec: ModelSpec, metric: Metric, difference: MetricDifference) -> float:
    margin = spec.promotion.margin
    return margin if METRICS[metric].highest is not None else margin * abs(difference.champion)


def _compared(
    spec: ModelSpec, metric: Metric, compared: ComparisonFacts, found: MetricDifference
) -> str:
    allowed = _allowed(spec, metric, found)
    worse, better = f"{-found.difference:.4f} worse", f"{found.difference:.4f} better"
    relative = (
        "" if METRICS[metric].highest is not None else f" ({spec.promotion.margin:.1%} of it)"
    )
    return (
        f"{metric} {found.candidate:.4f}, champion (version {compared.champion}) "
        f"{found.champion:.4f}: {worse if found.difference < 0 else better}, "
        f"{compared.confidence:.0%} interval of the gain {found.low:+.4f} to {found.high:+.4f} "
        f"({compared.rows:,} rows of {_drawn(compared)}, {found.draws:,} draws{_widened(compared)}); "
        f"allowed is a loss of {allowed:.4f}{relative}.{_seen(compared)}"
    )


def _drawn(compared: ComparisonFacts) -> str:
    """Say what was drawn: entities with all their rows, or blocks of time of the only one."""
    if compared.blocks:
        return f"one entity, drawn in {compared.blocks:,} blocks of time"
    return f"{compared.entities:,} entities"


def _widened(compared: ComparisonFacts) -> str:
    """Say that few entities made the interval wider than their draws are."""
    if compared.widened == 1:
        return ""
    few = "blocks" if compared.blocks else "entities, or few with most of the rows"
    return f", widened by {compared.widened - 1:.0%}: few {few}"


def _seen(compared: ComparisonFacts) -> str:
    """Say how much of the holdout the champion may have been trained on."""
    if compared.seen_rows is None:
        return " What the champion was trained on is not known any more."
    if not compared.seen_rows:
        return ""
    share = compared.seen_rows / compared.holdout_rows
    known = f" {share:.1%} of the {compared.holdout_rows:,} holdout rows are older than the champion's own holdout"
    if compared.rows < compared.holdout_rows:
        return f"{known}: it may know them, they were left out."
    return f"{known}: it may know them, which flatters it; too few are left without them."


def _how_to_go_on(spec: ModelSpec, compared: ComparisonFacts) -> str:
    return (
        f"the champion stays version {compared.champion} and the candidate has the alias challenger; "
        "improve the model, raise promotion.margin, or promote it with a reason: "
        f"ml-assets promote {spec.name} --force --reason …"
    )


def _differences(compared: ComparisonFacts) -> Rows:
    return tuple(
        {
            "metric": name,
            "candidate": d.candidate,
            "champion": d.champion,
            "gain": d.difference,
            "low": d.low,
            "high": d.high,
        }
        for name, d in compared.differences.items()
    )


def _rolled_back(facts: VersionFacts) -> Finding:
    return Finding(
        passed=False,
        message=f"version {facts.version} was rolled back ({facts.rolled_back}); what a person took back is not promoted again by itself.",
        fix="train a new model (materialize trained_model), or promote this one again by hand: ml-assets promote … --force --reason …",
        numbers={"champion": facts.champion},
    )


def _not_compared(facts: VersionFacts) -> Finding:
    if facts.champion is None:
        return Finding(passed=True, message="there is no champion to compare with.")
    same = facts.version == facts.champion
    first = ", the first one: there was none to compare with" if facts.rollback_to == 0 else ""
    return Finding(
        passed=same,
        message=f"version {facts.champion} is the champion{first}."
        if same
        else f"it was not compared with the champion, version {facts.champion}.",
        fix="materialize model_version again",
        numbers={"champion": facts.champion},
    )


def _unlabelled(metric: Metric, compared: ComparisonFacts) -> Finding:
    return Finding(
        passed=False,
        severity="warn",
        blocking=False,
        message=f"{metric} could not be compared with the champion's (version {compared.champion}): the holdout has no known outcomes of both kinds; the gates decided alone.",
        fix="label some rows, or declare promotion.metric: anomaly_share",
        numbers={"champion": compared.champion, "compared_rows": compared.rows},
        table=_differences(compared),
    )


def _incomparable(metric: Metric, compared: ComparisonFacts) -> Finding:
    alone = "one row alone does not say how far the difference is from chance"
    why = compared.trouble or (
        f"{metric} is not defined on the {compared.rows:,} rows, or on most draws of them"
        if compared.rows > 1
        else alone
    )
    return Finding(
        passed=False,
        message=f"not compared with the champion (version {compared.champion}): {why}.",
        fix="remove the cause, choose another promotion.metric, or promote it with a reason: "
        "ml-assets promote … --force --reason …",
        numbers={"champion": compared.champion, "compared_rows": compared.rows},
        table=_differences(compared),
    )


def unless_forced(finding: Finding, facts: VersionFacts) -> Finding:
    """A champion that a person promoted against its gates serves; it stays visible as a warning."""
    if finding.passed or not facts.forced:
        return finding
    return replace(
        finding,
        severity="warn",
        blocking=False,
        message=f"{finding.message} It serves all the same: {facts.forced}.",
        fix="train a better model, or take it back: ml-assets rollback",
    )
