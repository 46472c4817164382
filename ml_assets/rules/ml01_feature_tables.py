"""ML-01: feature tables are registered, keyed and documented."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_assets.rules.rule import Finding, Rule, listed
from ml_assets.spec.catalog import parse_description

if TYPE_CHECKING:
    from ml_assets.rules.facts import FeatureTableFacts
    from ml_assets.spec.model import ModelSpec

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
)
