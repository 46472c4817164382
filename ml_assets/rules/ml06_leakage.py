"""ML-06: the outcome does not leak into the features, by name, by key or by time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_assets.rules.rule import Finding, Rule, listed

if TYPE_CHECKING:
    from datetime import timedelta

    from ml_assets.rules.facts import TrainingSetFacts
    from ml_assets.spec.model import ModelSpec


_PARTS = ("train", "embargo", "holdout")


def label_not_in_features(spec: ModelSpec, _: str, facts: TrainingSetFacts) -> Finding:
    """Look for the label and its sources among the features, in any case."""
    label = spec.label
    forbidden = {label.name, label.column, *label.label_sources}
    found = _among(forbidden, facts)
    return Finding(
        passed=not found,
        message=f"{len(found)} of {len(facts.columns)} features reveal the label: {listed(found)}; forbidden names: {listed(sorted(forbidden))}.",
        fix=f"remove {listed(found)} from the feature tables: it is not known when a row is scored",
        numbers={"features": len(facts.columns), "leaking": len(found)},
    )


def keys_in_features(spec: ModelSpec, _: str, facts: TrainingSetFacts) -> Finding:
    """Look for keys and event times by name in any case and by their values, and for row ids."""
    keys = {*spec.label_keys, *(k for t in spec.feature_tables for k in t.keys)}
    named = _among(keys, facts)
    alone = facts.leakage.features if facts.leakage else ()
    ids = [f.name for f in alone if f.identity == "row id" and f.name not in named]
    times = [f.name for f in alone if f.identity == "event time" and f.name not in named]
    copies = [f.name for f in alone if f.identity == "key" and f.name not in named]
    found = [*named, *copies, *ids, *times]
    only_guessed = bool(found) and not named and not ids
    repeated = f"; {len(copies)} hold the values of a key: {listed(copies)}" if copies else ""
    return Finding(
        passed=not found,
        message=f"{len(named)} of {len(facts.columns)} features are keys or event times by name: {listed(named)}; {len(ids)} are a row id (another value in every row): {listed(ids)}; {len(times)} are a time under another name (numbers in the order of {spec.label.event_time}): {listed(times)}{repeated}; expected none.",
        fix=f"remove {listed(found)} from the features: a model must not learn identities, nor moments that will not come again",
        numbers={
            "features": len(facts.columns),
            "keys_among_features": len(named) + len(copies),
            "row_ids": len(ids),
            "times": len(times),
        },
        table=tuple({"feature": f.name, "is a": f.identity} for f in alone if f.identity),
        severity="warn" if only_guessed else None,
        blocking=False if only_guessed else None,
    )


def time_overlap(spec: ModelSpec, _: str, facts: TrainingSetFacts) -> Finding:
    """Compare the last training time plus the embargo with the first holdout time."""
    embargo = spec.split.embargo
    last, first = facts.last_train, facts.first_holdout
    gap: timedelta | None = first - last if first and last else None
    unknown = [part for part in facts.split_rows if part not in _PARTS]
    return Finding(
        passed=gap is not None and gap >= embargo and not unknown,
        message=f"last training row {last}, first holdout row {first}: gap {gap}; expected at least the embargo of {embargo}; parts other than {', '.join(_PARTS)}: {listed(unknown)}.",
        fix="split by event time (split.holdout, split.embargo) and materialize training_set again; never split at random over time",
        numbers={
            "gap_hours": gap.total_seconds() / 3600 if gap is not None else None,
            "embargo_hours": embargo.total_seconds() / 3600,
            **{f"{k}_rows": v for k, v in facts.split_rows.items()},
        },
    )


def future_feature(spec: ModelSpec, _: str, facts: TrainingSetFacts) -> Finding:
    """Count joined feature rows that are later than their label's event time."""
    late = [x for x in facts.lookups if x.rows_from_future]
    measured = {x.name for x in facts.lookups}
    unmeasured = [t.name for t in spec.feature_tables if t.event_time and t.name not in measured]
    leads = {x.name: x.max_lead_seconds for x in facts.lookups if x.max_lead_seconds is not None}
    return Finding(
        passed=not late and not unmeasured,
        message=f"{sum(x.rows_from_future for x in late)} of {facts.rows} rows joined with a feature row from after their as-of time ({listed(x.name for x in late)}); expected 0; not measured: {listed(unmeasured)}.",
        fix="materialize training_set again with the point-in-time join, and check that the feature table's event_time is when the row became known",
        numbers={
            "rows": facts.rows,
            "rows_from_future": sum(x.rows_from_future for x in late),
            **{f"max_lead_seconds_{k}": v for k, v in leads.items()},
        },
    )


def _among(names: set[str], facts: TrainingSetFacts) -> list[str]:
    lowered = {n.lower() for n in names}
    return [c.name for c in facts.columns if c.name.lower() in lowered]


RULES = (
    Rule(
        "ml06_label_not_in_features",
        "ML-06",
        "training_set",
        "error",
        "Neither the label nor a label source is a feature",
        label_not_in_features,
    ),
    Rule(
        "ml06_keys_in_features",
        "ML-06",
        "training_set",
        "error",
        "No primary key, event time or row id is a feature",
        keys_in_features,
    ),
    Rule(
        "ml06_time_overlap",
        "ML-06",
        "training_set",
        "error",
        "The holdout begins after the last training row plus the embargo",
        time_overlap,
    ),
    Rule(
        "ml06_future_feature",
        "ML-06",
        "training_set",
        "error",
        "No joined feature row is later than its label's event time",
        future_feature,
    ),
)
