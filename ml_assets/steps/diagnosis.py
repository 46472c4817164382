"""Why a library raised: what the stored rows, packages and runs say, in the words of a rule.

Every function returns None when what is stored is as it should be: then the library's error has
another cause, and the rule is not to blame.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_assets.platform.protocol import AS_OF_PREFIX, MATCHED_PREFIX
from ml_assets.rules.ml04_experiments import PURPOSES
from ml_assets.rules.rule import listed
from ml_assets.spec.catalog import TableInfo
from ml_assets.steps import clean_features, training_set
from ml_assets.steps.execution import Inputs
from ml_assets.steps.handles import RunHandle
from ml_assets.steps.measuring import label_facts

if TYPE_CHECKING:
    import pandas as pd

    from ml_assets.platform.protocol import Platform
    from ml_assets.rules.facts import FeatureTableFacts
    from ml_assets.spec.catalog import PackageInfo
    from ml_assets.spec.model import ModelSpec
    from ml_assets.spec.tables import FeatureTable

MOST_VALUES = 5


@dataclass(frozen=True)
class Cause:
    """What is wrong, and the check that says so."""

    rule: str
    where: str
    found: str
    expected: str
    fix: str


def labels_in(spec: ModelSpec, rows: pd.DataFrame) -> Cause | None:
    """Look at the labels of training rows: values that are no class (or no number), or one class."""
    import numpy as np

    if not spec.kind.learns_label:
        return None
    label = spec.label
    numbers = rows[label.name].astype("float64")
    classes = spec.label_classes
    good = np.isfinite(numbers) if classes is None else numbers.isin(list(classes))
    if bad := Counter(str(v) for v in rows[label.name][~good]):
        seen = listed((f"{v} ({n} rows)" for v, n in bad.most_common()), MOST_VALUES)
        return Cause(
            "ml05_binary_labels",
            f"label {label.name}",
            found=f"{sum(bad.values())} of {len(rows)} training rows have a label that is none: {seen}",
            expected="finite numbers, never null"
            if classes is None
            else f"only {listed(classes)}, never null",
            fix="drop rows whose outcome is not known"
            if classes is None
            else f"declare label.threshold (or label.classes), so that {label.name} is made from {label.column}, and drop rows whose outcome is not known",
        )
    if len(rows) and (numbers == numbers.iloc[0]).all():
        return _single_class(spec, f"all {len(rows)} training rows are {rows[label.name].iloc[0]}")
    return None


def values_in(spec: ModelSpec, rows: pd.DataFrame) -> Cause | None:
    """Look at the features of training rows: infinite values, NaN, and rows without a match."""
    import numpy as np

    for table in spec.feature_tables:
        numbers = rows[[c for c in table.columns if rows[c].dtype.kind in "fiu"]]
        infinite = np.isinf(numbers).sum()
        if infinite.any():
            return _not_finite(table, "infinite", "ml03_no_inf", _counted(infinite), len(rows))
        missing = numbers.isna()
        if not missing.to_numpy().any():
            continue
        matched = _matched(table, rows)
        if (inside := missing[matched].sum()).any():
            return _not_finite(table, "NaN or null", "ml03_no_nan", _counted(inside), len(rows))
        return _unmatched(table, f"{int((~matched).sum())} of {len(rows)} training rows")
    return None


def missing_values(
    spec: ModelSpec, platform: Platform, inputs: Inputs, message: str
) -> Cause | None:
    """Look at the stored feature tables; when they are clean, keys without a row gave the nulls."""
    for table in spec.feature_tables:
        stored = Inputs(f"features/{table.name}", {}, inputs.trace)
        facts = clean_features.measure(spec, platform, stored)
        if cause := _stored_values(table, facts):
            return cause
    if "inf" in message.lower():  # no lookup makes an infinite value
        return None
    for lookup in training_set.measure(spec, platform, inputs).lookups:
        if lookup.matched < lookup.rows:
            table = spec.feature_table(lookup.name)
            return _unmatched(table, f"{lookup.rows - lookup.matched} of {lookup.rows} label keys")
    return None


def stored_labels(spec: ModelSpec, platform: Platform, inputs: Inputs, _: str) -> Cause | None:
    """Look at the stored label table; null is no fault where the model does not learn the label."""
    frame = platform.tables.read(spec.label.table)
    facts = label_facts.measure_frame(
        frame, spec, TableInfo(spec.label.table, exists=True), staged=False
    )
    allowed = None if spec.label_classes is None else {str(c) for c in spec.label_classes}
    seen = dict(facts.values)
    bad = {v: n for v, n in seen.items() if allowed is not None and v not in allowed}
    learned = spec.kind.learns_label
    if learned and facts.nulls:
        bad["null"] = facts.nulls
    if bad:
        never = ", never null" if learned else ""
        return Cause(
            "ml05_binary_labels",
            spec.label.table,
            found=f"labels that are none: {listed(f'{v} ({n} rows)' for v, n in bad.items())}",
            expected=f"only {listed(spec.label_classes or ('finite numbers',))}{never}",
            fix=f"materialize labels again, with a label.threshold for {spec.label.column}, then {inputs.asset}",
        )
    if learned and allowed and len(facts.train_values) == 1:
        return _single_class(spec, f"all training rows are {next(iter(facts.train_values))}")
    return None


def columns(spec: ModelSpec, platform: Platform, inputs: Inputs, message: str) -> Cause | None:
    """Compare the stored feature tables with the declaration, and the message with the label."""
    label = spec.label
    hidden = [n for n in (label.name, label.column, *label.label_sources) if n not in spec.features]
    if leaks := [name for name in hidden if _names(message, name)]:
        return Cause(
            "ml06_label_not_in_features",
            inputs.asset,
            found=f"the model asks for {listed(leaks)}, from which the label is computed",
            expected="a model that only takes declared features; the outcome is not known when a row is scored",
            fix=f"train again without {listed(leaks)} among the features: materialize trained_model",
        )
    for table in spec.feature_tables:
        stored = platform.tables.info(table.table).column_names
        if gone := [c for c in table.columns if c not in stored]:
            return _inputs_differ(table.table, f"the table has no column {listed(gone)}", spec)
    if inputs.asset in {"trained_model", *_LOOKING_UP}:
        return _inputs_differ(inputs.asset, "the packaged model was fitted on other columns", spec)
    return None


def outputs(spec: ModelSpec, platform: Platform, inputs: Inputs, _: str) -> Cause | None:
    """Read the output types that the package states."""
    package = _package(platform, inputs)
    if package and package.signature_inputs and package.outputs == (spec.output_type,):
        return None
    found = package.outputs if package else ()
    return Cause(
        "ml02_output_schema",
        f"the packaged model of {spec.name}",
        found=f"its signature has outputs {list(found)}",
        expected=f"inputs and one output of type {spec.output_type} for {spec.model_type}",
        fix="materialize trained_model again: ml_assets logs every model with its output schema",
    )


def flavor(spec: ModelSpec, platform: Platform, inputs: Inputs, _: str) -> Cause | None:
    """Say that the package lacks what loads it: MLflow looked for exactly that."""
    package = _package(platform, inputs)
    found = package.flavor if package else None
    return Cause(
        "ml02_flavor_recorded",
        f"the packaged model of {spec.name}",
        found=f"flavor of the raw model: {found or 'none'}",
        expected="an MLmodel file that names the flavor of the model, as it was logged",
        fix="materialize trained_model again, and do not change the files of a logged model",
    )


def experiment(spec: ModelSpec, _: Platform, inputs: Inputs, __: str) -> Cause | None:
    """Name the experiment that the step's runs belong to."""
    purpose = PURPOSES.get(inputs.asset)  # type: ignore[call-overload]
    if purpose is None:
        return None
    path = spec.experiment(purpose)
    return Cause(
        "ml04_experiment_names",
        f"the {purpose} experiment of {spec.name}",
        found="it was deleted, or is not where the run was to go",
        expected=f"{path}: an absolute path that starts with /Shared/",
        fix=f"materialize {inputs.asset} again: it makes the experiment when there is none, and restores a deleted one",
    )


_LOOKING_UP = frozenset({"model_version", "predictions"})


def _single_class(spec: ModelSpec, found: str) -> Cause:
    return Cause(
        "ml05_not_single_class",
        f"label {spec.label.name}",
        found=found,
        expected="at least two classes in the training rows",
        fix="choose another label.threshold, more history or another split.holdout",
    )


def _stored_values(table: FeatureTable, facts: FeatureTableFacts) -> Cause | None:
    for check, word, count in (
        ("ml03_no_inf", "infinite", "infs"),
        ("ml03_no_nan", "NaN", "nans"),
        ("ml03_no_null", "null", "nulls"),
    ):
        if counts := {c.name: n for c in facts.columns if (n := getattr(c, count))}:
            return _not_finite(table, word, check, counts, facts.rows)
    return None


def _not_finite(
    table: FeatureTable, word: str, rule: str, counts: dict[str, int], rows: int
) -> Cause:
    shown = listed(f"{name} {n}" for name, n in counts.items())
    return Cause(
        rule,
        f"features/{table.name}",
        found=f"{word} values in {shown} of {rows} rows",
        expected="none: they are repaired when the feature table is written, not in training",
        fix=f"declare a default for {listed(f'columns.{c}' for c in counts)} of {table.table}, and materialize features/{table.name} and what is downstream again",
    )


def _unmatched(table: FeatureTable, whose: str) -> Cause:
    return Cause(
        "ml03_lookup_coverage",
        f"features/{table.name}",
        found=f"{whose} find no feature row as of their time, which gives null although the feature tables are clean",
        expected="a row for each key, or an estimator that takes NaN",
        fix="load the missing keys, or use an estimator that takes NaN (such as XGBoost)",
    )


def _inputs_differ(where: str, found: str, spec: ModelSpec) -> Cause:
    return Cause(
        "ml02_inputs_match_features",
        where,
        found=found,
        expected=f"the {len(spec.features)} declared features: {listed(spec.features)}",
        fix="materialize the feature tables, training_set and trained_model again: the declaration, the tables and the packaged model differ",
    )


def _counted(counts: pd.Series[int]) -> dict[str, int]:
    return {str(name): int(n) for name, n in counts.items() if n}


def _matched(table: FeatureTable, rows: pd.DataFrame) -> pd.Series[bool]:
    """Which rows found a row of the table; all when the training set does not say."""
    import pandas as pd

    if (as_of := AS_OF_PREFIX + table.name) in rows:
        return rows[as_of].notna()
    if (matched := MATCHED_PREFIX + table.name) in rows:
        return rows[matched].astype(bool)
    return pd.Series(data=True, index=rows.index)


def _names(message: str, column: str) -> bool:
    """Whether a message names a column: in quotes, or alone after a dash as scikit-learn lists them."""
    quoted = any(f"{q}{column}{q}" in message for q in "'\"`")
    return quoted or f"- {column}" in message.splitlines()


def _package(platform: Platform, inputs: Inputs) -> PackageInfo | None:
    """Describe the package that the step reads; None where no handle names it yet."""
    for asset in ("trained_model", inputs.asset):
        handle = inputs.handles.get(asset)
        if isinstance(handle, RunHandle):
            return platform.features.package_info(handle.model_uri)
    return None
