"""ML-05: how labels are distributed, against what is usual, the champion's, and the end of the data."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ml_assets.rules.rule import Finding, listed
from ml_assets.spec.base import duration_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ml_assets.rules.facts import ChampionLabels, LabelFacts
    from ml_assets.spec.model import ModelSpec

#: What a standard normal variable exceeds once in a thousand times.
_CHANCE = 3.0902


def named(spec: ModelSpec, value: str) -> str:
    """A class as a person knows it: its place, and for declared classes its name."""
    classes = spec.label.classes
    place = int(value) if value.isdigit() else -1
    return f"{value} ({classes[place]})" if 0 <= place < len(classes) else value


def minority_share(spec: ModelSpec, _: str, facts: LabelFacts) -> Finding:
    """Compare the share of the rarest class with what is usual.

    A class without any row is what ``ml05_not_single_class`` is about.
    """
    least = spec.thresholds.minority_share
    shares = {c: share for c, share in _shares(spec, facts.values).items() if share}
    rare = [c for c, share in shares.items() if share < least]
    shown = listed(
        f"{named(spec, c)} {shares[c]:.2%}" for c in sorted(shares, key=lambda c: (shares[c], c))
    )
    return Finding(
        passed=not rare,
        message=f"shares of the classes, the rarest first: {shown}; usual is at least {least:.2%} of each.",
        fix=f"a model sees little of {listed(named(spec, c) for c in rare)}: take more history, join rare classes, weight them in estimator.params and judge by pr_auc rather than accuracy; if it is usual, lower thresholds.minority_share",
        numbers={"minority_share": round(min(shares.values(), default=0.0), 6)},
        table=tuple(
            {"class": named(spec, c), "rows": facts.values.get(c, 0), "share": round(s, 6)}
            for c, s in shares.items()
        ),
    )


def base_rate_shift(spec: ModelSpec, _: str, facts: LabelFacts) -> Finding:
    """Compare the training labels with those that the champion was trained on.

    A shift beyond the threshold counts when so many rows hardly ever move so far by chance.
    """
    champion, allowed = facts.champion, spec.thresholds.base_rate_shift
    if champion is None:
        return Finding(
            passed=True, message="no champion whose training labels one could compare with."
        )
    shift, told = (_mean_shift if spec.label_classes is None else _share_shift)(spec, facts)
    if shift is None:
        return Finding(
            passed=False,
            message=f"version {champion.version}, the champion, does not tell what labels it was trained on{told}.",
            fix="look at the distribution yourself this time; a version that is trained now records its labels",
            numbers={"champion": champion.version},
        )
    by_chance = shift > allowed and _is_chance(spec, facts, champion, shift)
    few = f"; {champion.rows} and {_trained(facts)} rows move so far by chance" if by_chance else ""
    return Finding(
        passed=shift <= allowed or by_chance,
        message=f"training labels have moved by {shift:.3f} since version {champion.version}, the champion ({told}); usual is up to {allowed:g}{few}.",
        fix="find out whether the world changed or the label's source did: compare the label table with what that version was trained on; if it is right, raise thresholds.base_rate_shift",
        numbers={"shift": round(shift, 6), "champion": champion.version},
    )


def horizon_closed(spec: ModelSpec, _: str, facts: LabelFacts) -> Finding:
    """Count the rows whose outcome is known only after the data ends."""
    known = f"{duration_text(spec.label.horizon)} after" if spec.label.horizon else "at"
    end = "nobody knows when"
    if facts.data_until:
        end = f"{facts.data_until:%Y-%m-%d %H:%M:%S} UTC ({facts.data_end})"
    first = listed(facts.examples.get("ml05_label_horizon_closed", ()), 3)
    return Finding(
        passed=not facts.open_rows and facts.data_until is not None,
        message=f"{facts.open_rows} of {facts.rows} rows have an outcome that lies after the end of the data, {end}; outcomes are known {known} the event time; expected 0.",
        fix=f"let {spec.label.transform} drop rows whose {spec.label.event_time} plus the horizon lies after the end of the data: their outcome can still change; first keys: {first}",
        numbers={
            "rows": facts.rows,
            "open_rows": facts.open_rows,
            "data_until": facts.data_until.isoformat() if facts.data_until else None,
        },
    )


def _shares(spec: ModelSpec, values: Mapping[str, int]) -> dict[str, float]:
    """The share of each class that a label may have, among the rows that have one of them."""
    known = {str(c): values.get(str(c), 0) for c in spec.label_classes or ()}
    total = sum(known.values())
    return {c: n / total if total else 0.0 for c, n in known.items()}


def _is_chance(spec: ModelSpec, facts: LabelFacts, champion: ChampionLabels, shift: float) -> bool:
    """Whether two samples of one population move as far more than once in a thousand times.

    Classes by Pearson's chi-squared test of homogeneity (Pearson 1900), numbers by the difference of
    their means; False when nobody knows how many rows the champion was trained on.
    """
    then, now = champion.rows, _trained(facts)
    if not then or not now:
        return False
    if spec.label_classes is None:
        return shift**2 / (1 / then + 1 / now) <= _seldom(1)
    shares, total = _shares(spec, facts.train_values), then + now
    squares, seen = 0.0, 0
    for c in {*champion.shares, *shares}:
        before, after = champion.shares.get(c, 0.0), shares.get(c, 0.0)
        both = (before * then + after * now) / total
        if both > 0:
            squares, seen = squares + (before - after) ** 2 / both, seen + 1
    return squares / (1 / then + 1 / now) <= _seldom(seen - 1)


def _trained(facts: LabelFacts) -> int:
    """Training rows that have a label."""
    train = facts.spreads.get("train")
    return train.finite if train else sum(facts.train_values.values())


def _seldom(freedom: int) -> float:
    """What chi-squared exceeds once in a thousand times (Wilson and Hilferty 1931).

    >>> round(_seldom(1), 1), round(_seldom(9), 1)
    (11.2, 28.1)
    """
    spread = 2 / (9 * max(freedom, 1))
    return float(max(freedom, 1) * (1 - spread + _CHANCE * spread**0.5) ** 3)


def _share_shift(spec: ModelSpec, facts: LabelFacts) -> tuple[float | None, str]:
    """Total variation distance of two distributions: half the sum of the differences of their shares.

    Levin, Peres: Markov Chains and Mixing Times (2nd edition, 2017), proposition 4.2.
    """
    assert facts.champion  # noqa: S101 - asked for only then
    then, now = facts.champion.shares, _shares(spec, facts.train_values)
    if not then:
        return None, ""
    known = sorted(
        {*then, *now}, key=lambda c: (-round(abs(now.get(c, 0.0) - then.get(c, 0.0)), 9), c)
    )
    moved = sum(abs(now.get(c, 0.0) - then.get(c, 0.0)) for c in known) / 2
    shown = (
        f"class {named(spec, c)} {then.get(c, 0.0):.2%}, now {now.get(c, 0.0):.2%}" for c in known
    )
    return moved, listed(shown, 4)


def _mean_shift(_: ModelSpec, facts: LabelFacts) -> tuple[float | None, str]:
    """Difference of the means in standard deviations of the champion's labels (Glass's delta).

    Glass, McGaw, Smith: Meta-Analysis in Social Research (1981). Without any deviation then, a mean
    that is the same has not moved, and any other has moved infinitely.
    """
    assert facts.champion  # noqa: S101 - asked for only then
    then, std, train = facts.champion.mean, facts.champion.std, facts.spreads.get("train")
    if then is None or std is None or train is None or train.mean is None:
        return (
            None,
            "" if train and train.mean is not None else ", and there are no training rows now",
        )
    moved = abs(train.mean - then)
    shift = moved / std if std > 0 else (math.inf if moved else 0.0)
    return shift, f"mean {then:g}, now {train.mean:g}, in standard deviations of {std:g}"
