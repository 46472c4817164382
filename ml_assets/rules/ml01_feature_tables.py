"""ML-01: feature tables are registered, keyed and documented."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_assets.rules.rule import Finding, Rule, listed
from ml_assets.spec.base import duration_text
from ml_assets.spec.catalog import parse_description

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ml_assets.rules.facts import FeatureTableFacts, SourceFacts
    from ml_assets.spec.model import ModelSpec
    from ml_assets.spec.tables import FeatureTable

REQUIRED_TAGS = ("domain", "model")


def table_registered(spec: ModelSpec, asset: str, facts: FeatureTableFacts) -> Finding:
    """Compare the stored keys and event time with the declared ones."""
    declared, stored = spec.feature_table(_short(asset)), facts.table
    same = (
        stored.exists
        and stored.primary_keys == declared.primary_keys
        and stored.event_time == declared.event_time
    )
    found = (
        f"keys {list(stored.primary_keys)} and event time {stored.event_time}"
        if stored.exists
        else "no such table"
    )
    return Finding(
        passed=same,
        message=f"{declared.table}: {found}; declared are keys {list(declared.primary_keys)} and event time {declared.event_time}.",
        fix=f"materialize {asset} again: it writes the declared keys into the table's metadata",
        numbers={"exists": stored.exists, "delta_version": stored.version},
    )


def primary_key_unique(_: ModelSpec, asset: str, facts: FeatureTableFacts) -> Finding:
    """Count repeated keys and null keys."""
    nulls = {k: n for k, n in facts.key_nulls.items() if n}
    passed = not facts.duplicate_keys and not nulls
    keys = listed(facts.key_nulls)
    return Finding(
        passed=passed,
        message=f"{facts.duplicate_keys} repeated and {sum(nulls.values())} null keys ({keys}) in {facts.rows} rows; expected 0 of each.",
        fix=f"make the transform of {asset} return one row per ({keys}), for example with dropDuplicates, and drop rows without a key; first offenders: {listed(facts.examples.get('ml01_primary_key_unique', ()), 3)}",
        numbers={
            "rows": facts.rows,
            "duplicate_keys": facts.duplicate_keys,
            **{f"nulls_in_{k}": n for k, n in facts.key_nulls.items()},
        },
    )


def documented(_: ModelSpec, asset: str, facts: FeatureTableFacts) -> Finding:
    """Look for both descriptions and the tags (error), and for column comments (warning)."""
    business, technical = parse_description(facts.table.description)
    missing = [n for n, v in (("business", business), ("technical", technical)) if not v]
    missing += [f"tags.{t}" for t in REQUIRED_TAGS if not facts.table.tags.get(t)]
    keys = set(facts.key_nulls)
    bare = [c.name for c in facts.table.columns if not c.comment and c.name not in keys]
    return Finding(
        passed=not missing and not bare,
        severity="error" if missing else "warn",
        blocking=bool(missing),
        message=f"missing: {listed(missing)}; feature columns without a comment: {listed(bare)}.",
        fix=f"declare {listed([*missing, *(f'columns.{c}.comment' for c in bare)])} of {asset} in defs.yaml",
        numbers={"missing": len(missing), "columns_without_comment": len(bare)},
    )


def row_count(spec: ModelSpec, asset: str, facts: FeatureTableFacts) -> Finding:
    """Compare the number of rows with the version before.

    Fewer rows count as what it would take to grow back: half of them is as much as twice of them.
    """
    allowed, before = spec.thresholds.row_count_change, facts.before
    if before is None:
        return _first_version(facts, {"rows": facts.rows})
    if before.rows is None:
        return Finding(
            passed=False,
            message=f"{facts.rows} rows; how many version {before.version} had is neither recorded nor readable any more.",
            fix=f"materialize {asset}: it records its rows, and the next check compares with them",
            numbers={"rows": facts.rows, "version_before": before.version},
        )
    change = (facts.rows - before.rows) / max(before.rows, 1)
    more, fewer = max(facts.rows, before.rows), max(min(facts.rows, before.rows), 1)
    return Finding(
        passed=more / fewer - 1 <= allowed,
        message=f"{facts.rows} rows, {change:+.1%} against the {before.rows} of version {before.version}; usual are up to {allowed:.0%} more or {allowed / (1 + allowed):.0%} less.",
        fix=f"look for a source of {asset} that was loaded twice or half, or a filter that changed; if it is right, raise thresholds.row_count_change",
        numbers={"rows": facts.rows, "rows_before": before.rows, "change": round(change, 6)},
    )


def fresh(spec: ModelSpec, asset: str, facts: FeatureTableFacts) -> Finding:
    """Compare the sources with the versions that were used, and the latest event time with now."""
    declared = spec.feature_table(_short(asset))
    troubles = {**_sources_trouble(declared, asset, facts), **_age_trouble(declared, asset, facts)}
    used = listed(f"{s.table} {_used(s)}" for s in facts.sources)
    latest = (
        f", latest event time {facts.latest_event:%Y-%m-%d %H:%M} UTC" if facts.latest_event else ""
    )
    return Finding(
        passed=not troubles,
        message=f"made from {used}{latest}; expected the sources as they are now{_limit(declared)}; not so: {listed(troubles)}.",
        fix="; ".join(troubles.values()),
        numbers={
            "changed_sources": sum(s.changed for s in facts.sources),
            "unrecorded_sources": sum(s.used is None for s in facts.sources),
            "latest_event": facts.latest_event.isoformat() if facts.latest_event else None,
        },
        table=tuple(
            {
                "source": s.table,
                "used": s.used,
                "data_version": s.data_version,
                "version": s.version,
            }
            for s in facts.sources
        ),
    )


def schema_stable(_: ModelSpec, asset: str, facts: FeatureTableFacts) -> Finding:
    """Compare columns and types with the version before."""
    now, before = {c.name: c.type for c in facts.table.columns}, facts.before
    if before is None:
        return _first_version(facts, {"columns": len(now)})
    if before.columns is None:
        return Finding(
            passed=False,
            message=f"{len(now)} columns; those of version {before.version} are neither recorded nor readable any more.",
            fix=f"materialize {asset}: it records its columns, and the next check compares with them",
            numbers={"columns": len(now), "version_before": before.version},
        )
    changes = _changes(now, before.columns)
    return Finding(
        passed=not changes,
        message=f"{len(now)} columns; against version {before.version}: {listed(changes) if changes else 'the same names and types'}.",
        fix="train the model again on these columns; if nobody meant to change them, take the change of the transform or of its source back",
        numbers={"columns": len(now), "changes": len(changes), "version_before": before.version},
        table=tuple(
            {"column": c, "before": before.columns.get(c), "now": now.get(c)}
            for c in {**before.columns, **now}
            if before.columns.get(c) != now.get(c)
        ),
    )


def _first_version(facts: FeatureTableFacts, numbers: Mapping[str, int]) -> Finding:
    measured = listed(f"{n} {what}" for what, n in numbers.items())
    name = facts.table.name
    return Finding(
        passed=True,
        message=f"{measured}; {name} held no rows before that one could compare with.",
        numbers=dict(numbers),
    )


def _used(source: SourceFacts) -> str:
    if source.version < 0 and source.comparable:
        return f"{source.used_state} (has no versions; now {source.state})"
    used = "an unrecorded version" if source.used is None else f"version {source.used}"
    now = (
        "has no versions"
        if source.version < 0
        else f"its rows are of version {source.data_version}"
    )
    return f"{used} ({now})"


def _limit(declared: FeatureTable) -> str:
    return f" and rows not older than {duration_text(declared.max_age)}" if declared.max_age else ""


def _sources_trouble(
    declared: FeatureTable, asset: str, facts: FeatureTableFacts
) -> dict[str, str]:
    """What is wrong with the sources, with its fix. A view's changes show in rows and event times."""
    lost = [s for s in facts.sources if not s.comparable]
    blind = listed(s.table for s in lost if declared.max_age is None)
    changed = listed(s.table for s in facts.sources if s.changed)
    unknown = listed(s.table for s in facts.sources if s.version >= 0 and s.used is None)
    found = {
        f"{changed} changed": f"materialize {asset} again, from {changed} as it is now",
        f"{unknown} not recorded": f"materialize {asset}: whoever wrote the stored rows did not record what from",
        f"{blind} cannot be compared": f"declare max_age of {declared.name}, because {blind} has no versions",
    }
    return {what: fix for what, fix in found.items() if not what.startswith("none ")}


def _age_trouble(declared: FeatureTable, asset: str, facts: FeatureTableFacts) -> dict[str, str]:
    """Whether the latest event time is too old, with the fix."""
    if declared.max_age is None or facts.measured_at is None:
        return {}
    fix = f"look at what fills {listed(s.table for s in facts.sources)} and materialize {asset} again; if such an age is usual, raise max_age of {declared.name}"
    if facts.latest_event is None:
        return {"no row has an event time": fix}
    age = facts.measured_at - facts.latest_event
    hours = age.total_seconds() / 3600
    return {f"the latest row is {hours:.1f} hours old": fix} if age > declared.max_age else {}


def _changes(now: Mapping[str, str], before: Mapping[str, str]) -> list[str]:
    added = [f"{c} ({now[c]}) is new" for c in now if c not in before]
    removed = [f"{c} ({before[c]}) is gone" for c in before if c not in now]
    both = [c for c in now if c in before and now[c] != before[c]]
    return [*removed, *added, *(f"{c} was {before[c]} and is {now[c]}" for c in both)]


def _short(asset: str) -> str:
    return asset.removeprefix("features/")


RULES = (
    Rule(
        "ml01_table_registered",
        "ML-01",
        "features",
        "error",
        "The table exists as Delta under its three-level name, with the declared keys and event time",
        table_registered,
    ),
    Rule(
        "ml01_primary_key_unique",
        "ML-01",
        "features",
        "error",
        "Keys (with the event time) are unique and never null",
        primary_key_unique,
    ),
    Rule(
        "ml01_documented",
        "ML-01",
        "features",
        "error",
        "Business and technical description, tags, and a comment on every feature column",
        documented,
    ),
    Rule(
        "ml01_row_count",
        "ML-01",
        "features",
        "warn",
        "The number of rows is not far from that of the version before",
        row_count,
    ),
    Rule(
        "ml01_fresh",
        "ML-01",
        "features",
        "warn",
        "The table was made from the sources as they are now, and its data is not too old",
        fresh,
    ),
    Rule(
        "ml01_schema_stable",
        "ML-01",
        "features",
        "warn",
        "Columns and types are those of the version before",
        schema_stable,
    ),
)
