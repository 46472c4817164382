"""ML-03: NaN, Inf and null are repaired when a feature table is written, and never reach a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_assets.rules.rule import Finding, Rule, listed

if TYPE_CHECKING:
    from ml_assets.rules.facts import (
        ColumnFacts,
        FeatureTableFacts,
        LookupFacts,
        PredictionFacts,
        TrainingSetFacts,
        VersionFacts,
    )
    from ml_assets.spec.model import ModelSpec


def _values(check: str, word: str, asset: str, facts: FeatureTableFacts, count: str) -> Finding:
    def of(column: ColumnFacts) -> int:
        return int(getattr(column, count))

    features = [c for c in facts.columns if c.name not in facts.key_nulls]
    bad = sorted((c for c in features if of(c)), key=of, reverse=True)
    shown = listed(f"{c.name} {of(c)} ({of(c) / max(facts.rows, 1):.1%})" for c in bad)
    return Finding(
        passed=not bad,
        message=f"{word} values in {len(bad)} of {len(features)} feature columns ({shown}), {facts.rows} rows; expected none.",
        fix=f"declare a default for {listed(f'columns.{c.name}' for c in bad)} of {asset}; first keys: {listed(facts.examples.get(check, ()), 3)}",
        numbers={
            "rows": facts.rows,
            "columns": len(features),
            "bad_columns": len(bad),
            "bad_values": sum(of(c) for c in bad),
        },
        table=tuple({"column": c.name, "type": c.type, word: of(c)} for c in bad),
    )


def no_nan(_: ModelSpec, asset: str, facts: FeatureTableFacts) -> Finding:
    """Count NaN in the stored feature columns."""
    return _values("ml03_no_nan", "NaN", asset, facts, "nans")


def no_inf(_: ModelSpec, asset: str, facts: FeatureTableFacts) -> Finding:
    """Count +Inf and -Inf in the stored feature columns."""
    return _values("ml03_no_inf", "infinite", asset, facts, "infs")


def no_null(_: ModelSpec, asset: str, facts: FeatureTableFacts) -> Finding:
    """Count null in the stored feature columns."""
    return _values("ml03_no_null", "null", asset, facts, "nulls")


def repaired_share(spec: ModelSpec, asset: str, facts: FeatureTableFacts) -> Finding:
    """Compare the share of values that a default replaced with what is usual, column by column."""
    declared = spec.feature_table(asset.removeprefix("features/")).columns
    features = [c for c in facts.columns if c.name in declared]
    kept = {c.name: c.repaired for c in features if c.repaired is not None}
    shares = {name: n / max(facts.rows, 1) for name, n in kept.items()}
    high = [name for name, share in shares.items() if share > declared[name].max_repaired]
    unknown = [
        c.name for c in features if c.repaired is None and declared[c.name].default is not None
    ]
    ordered = sorted(shares, key=lambda name: -shares[name])
    shown = listed(
        f"{c} {shares[c]:.1%} (usual up to {declared[c].max_repaired:.0%})" for c in high
    )
    fixes = []
    if high:
        fixes.append(
            f"a column that is mostly defaults is not a feature: mend the source of {listed(high)}, drop it, or raise its max_repaired and say why in its comment"
        )
    if unknown:
        fixes.append(
            f"materialize {asset}: whoever wrote the stored rows did not record what was repaired in {listed(unknown)}"
        )
    return Finding(
        passed=not high and not unknown,
        message=f"defaults replaced more values than usual in {len(high)} of {len(features)} feature columns ({shown}); most of all: {listed(f'{c} {shares[c]:.1%}' for c in ordered[:1])}; not recorded: {listed(unknown)}; {facts.rows} rows.",
        fix="; ".join(fixes),
        numbers={
            "rows": facts.rows,
            "columns": len(features),
            "high_columns": len(high),
            "unrecorded_columns": len(unknown),
            "largest_share": round(max(shares.values(), default=0.0), 6),
        },
        table=tuple(
            {
                "column": c,
                "repaired": kept[c],
                "share": round(shares[c], 6),
                "usual": declared[c].max_repaired,
            }
            for c in ordered
            if kept[c]
        ),
    )


def constant_column(_: ModelSpec, asset: str, facts: FeatureTableFacts) -> Finding:
    """Look for columns with one value in all rows."""
    features = [c for c in facts.columns if c.name not in facts.key_nulls]
    same = [c.name for c in features if c.constant] if facts.rows > 1 else []
    few = "" if facts.rows > 1 else " (one row cannot vary)"
    return Finding(
        passed=not same,
        message=f"{len(same)} of {len(features)} feature columns have one value in all {facts.rows} rows{few}: {listed(same)}; expected values that vary.",
        fix=f"a constant tells a model nothing: look whether the source of {listed(same)} is filled, or drop it from the columns of {asset}",
        numbers={"rows": facts.rows, "columns": len(features), "constant_columns": len(same)},
        table=tuple({"column": c.name, "type": c.type} for c in features if c.name in same),
    )


def _coverage(spec: ModelSpec, lookups: tuple[LookupFacts, ...], whose: str) -> Finding:
    floors = {t.name: t.min_coverage for t in spec.feature_tables}
    low = [x for x in lookups if x.coverage < floors[x.name]]
    unmeasured = sorted(set(floors) - {x.name for x in lookups})
    shown = listed(f"{x.name} {x.coverage:.2%} (floor {floors[x.name]:.0%})" for x in lookups)
    return Finding(
        passed=not low and not unmeasured,
        message=f"share of {whose} that find a feature row as of their time: {shown}; not measured: {listed(unmeasured)}.",
        fix=_coverage_fix([x.name for x in low], unmeasured),
        numbers={f"coverage_{x.name}": round(x.coverage, 6) for x in lookups},
        table=tuple(
            {
                "feature_table": x.name,
                "rows": x.rows,
                "matched": x.matched,
                "coverage": round(x.coverage, 6),
                "floor": floors[x.name],
            }
            for x in lookups
        ),
    )


def _coverage_fix(low: list[str], unmeasured: list[str]) -> str:
    fixes = []
    if low:
        fixes.append(
            f"load the missing keys of {listed(low)}, widen its lookback, or lower its min_coverage and say why"
        )
    if unmeasured:
        fixes.append(
            f"materialize the asset again: whoever wrote the stored rows did not record which of them found a row of {listed(unmeasured)}"
        )
    return "; ".join(fixes)


def training_coverage(spec: ModelSpec, _: str, facts: TrainingSetFacts) -> Finding:
    """Share of label rows that found a row of each feature table."""
    return _coverage(spec, facts.lookups, "label keys")


def scoring_coverage(spec: ModelSpec, _: str, facts: PredictionFacts) -> Finding:
    """Share of scored rows that found a row of each feature table."""
    return _coverage(spec, facts.lookups, "scoring keys")


def score_replay(spec: ModelSpec, _: str, facts: VersionFacts) -> Finding:
    """Compare scores of raw keys through the feature store with those of training time."""
    replay = facts.replay
    passed = (
        replay.rows > 0
        and not replay.missing
        and not replay.null_predictions
        and not replay.different
        and not replay.changed_features
    )
    return Finding(
        passed=passed,
        message=f"{replay.rows} holdout keys scored again from raw keys: {replay.missing} lost, {replay.null_predictions} null, {replay.different} different from training time (largest {_difference(spec)} {replay.max_difference:.3g}, allowed {spec.thresholds.replay_tolerance:.3g}); features looked up with other values than in training: {listed(f'{k} in {n} rows' for k, n in replay.changed_features.items())}.",
        fix="the holdout has no row whose keys and as-of time occur once, so nothing could be scored again: let the label's transform return each of them once"
        if not replay.rows
        else "features differ between training and serving: materialize training_set and trained_model again on the current feature tables, and look for a transform that depends on when it runs",
        numbers={
            "rows": replay.rows,
            "missing": replay.missing,
            "null_predictions": replay.null_predictions,
            "different": replay.different,
            "changed_features": len(replay.changed_features),
            "max_difference": replay.max_difference,
        },
    )


def _difference(spec: ModelSpec) -> str:
    return "relative difference" if spec.predicted_classes is None else "difference"


RULES = (
    Rule(
        "ml03_no_nan", "ML-03", "features", "error", "No NaN in any stored feature column", no_nan
    ),
    Rule(
        "ml03_no_inf",
        "ML-03",
        "features",
        "error",
        "No infinite value in any stored feature column",
        no_inf,
    ),
    Rule(
        "ml03_no_null",
        "ML-03",
        "features",
        "error",
        "No null in any stored feature column",
        no_null,
    ),
    Rule(
        "ml03_repaired_share",
        "ML-03",
        "features",
        "warn",
        "No feature column consists of more defaults than is usual for it",
        repaired_share,
    ),
    Rule(
        "ml03_constant_column",
        "ML-03",
        "features",
        "warn",
        "Every feature column has more than one value",
        constant_column,
    ),
    Rule(
        "ml03_lookup_coverage",
        "ML-03",
        "training_set",
        "error",
        "Enough label keys find a feature row as of their event time",
        training_coverage,
    ),
    Rule(
        "ml03_lookup_coverage",
        "ML-03",
        "predictions",
        "error",
        "Enough scoring keys find a feature row as of their event time",
        scoring_coverage,
    ),
    Rule(
        "ml03_score_replay",
        "ML-03",
        "model_version",
        "error",
        "The packaged model scores raw keys through the feature store as it did in training",
        score_replay,
    ),
)
