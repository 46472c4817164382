"""What each feature of a training set gives away by itself: copies, proxies, row ids and times.

Measured on the training rows, where a model learns: a leak that had not yet been filled in for the
latest rows would look harmless on all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ml_assets.platform.protocol import SPLIT_COLUMN
from ml_assets.rules.facts import FeatureAlone, LeakageFacts
from ml_assets.steps.measuring.measure import is_number
from ml_assets.steps.measuring.sampling import collect_sample
from ml_assets.steps.statistics.copies import (
    LEAST_OF_CLASS,
    LEAST_ROWS,
    copy_of_classes,
    copy_of_numbers,
    identity_of,
    repeats_key,
)
from ml_assets.steps.statistics.levels import levels_of
from ml_assets.steps.statistics.power import power_for_classes, power_for_numbers, ranks_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import pandas as pd
    from pyspark.sql import Column, DataFrame

    from ml_assets.spec.model import ModelSpec
    from ml_assets.steps.statistics.levels import Levels
    from ml_assets.steps.statistics.power import Power

    Array = np.ndarray[Any, Any]

#: Classes beyond the most frequent ones are not tried one by one.
MOST_CLASSES = 20
_LABEL, _TIME, _KEY = "label", "event time", "key "


@dataclass(frozen=True)
class Truth:
    """Labels of rows: the distinct ones numbered, and 0/1 for each class, or numbers and their ranks."""

    codes: Array
    classes: Array | None = None
    numbers: Array | None = None
    ranks: Array | None = None

    def told_by(self, levels: Levels) -> tuple[Power, str]:
        """How well a feature tells the label, and how it repeats it (empty: it does not)."""
        if self.classes is not None:
            power = power_for_classes(levels, self.classes)
            return power, copy_of_classes(levels, self.codes)
        assert self.numbers is not None  # noqa: S101 - one of the two is there
        assert self.ranks is not None  # noqa: S101
        power = power_for_numbers(levels, self.numbers, self.ranks)
        return power, copy_of_numbers(levels, self.numbers, self.ranks, self.codes)


def measure_leakage(
    frame: DataFrame, spec: ModelSpec, types: Mapping[str, str], features: Sequence[str], rows: int
) -> LeakageFacts:
    """Draw a sample of the ``rows`` training rows of a training set, and look at each feature.

    ``thresholds.leakage_rows`` rows at most, chosen by the hash of their keys and event time: one
    query, whose size does not grow with the table.
    """
    label = spec.label
    usable = {f: typed for f in features if (typed := _typed(f, types[f])) is not None}
    kind = types[label.name]
    columns = {f"feature {name}": column for name, column in usable.items()}
    named = {
        k: typed for k in label.keys if k in types and (typed := _typed(k, types[k])) is not None
    }
    columns |= {_KEY + name: column for name, column in named.items()}
    columns[_TIME] = _micros(label.event_time)
    if is_number(kind) or kind == "boolean":
        columns[_LABEL] = _number(label.name)
    train = frame.where(f"`{SPLIT_COLUMN}` = 'train'")
    most = spec.thresholds.leakage_rows
    keys = [k for k in spec.label_keys if k in types]
    sample = collect_sample(train, keys, columns, rows=rows, most=most)
    return leakage_facts(spec, sample, {f: types[f] for f in features}, rows)


def leakage_facts(
    spec: ModelSpec, sample: pd.DataFrame, types: Mapping[str, str], of_rows: int
) -> LeakageFacts:
    """Judge every feature of a sample in random order, by itself.

    ``sample`` holds ``feature <name>`` and ``key <name>`` (float64 or strings), ``event time`` (µs)
    and, when the label is a number, ``label``; rows without a finite label are left out.
    """
    import numpy as np

    rows = sample
    if spec.kind.learns_label and _LABEL in sample:
        rows = sample[np.isfinite(sample[_LABEL].to_numpy(dtype="float64"))]
    why = _unmeasured(spec, rows)
    labels = None if why or not spec.kind.learns_label else rows[_LABEL]
    truth = None if labels is None else _truth(spec, labels.to_numpy(dtype="float64"))
    keys = [(levels_of(rows[k]), rows[k].to_numpy()) for k in rows.columns if k.startswith(_KEY)]
    times = ranks_of(rows[_TIME].to_numpy(dtype="float64"))
    alone = []
    for name, kind in types.items():
        found = FeatureAlone(name, kind)
        if f"feature {name}" in rows and len(rows):
            levels, values = levels_of(rows[f"feature {name}"]), rows[f"feature {name}"].to_numpy()
            identity = identity_of(levels, times, of_rows)
            # A row id stops the graph, a key that comes again is warned of: the graver one counts.
            if identity != "row id" and any(repeats_key(levels, values, *key) for key in keys):
                identity = "key"
            found = replace(found, identity=identity)
            if truth is not None:
                power, copies = truth.told_by(levels)
                found = replace(found, power=power.value, by=power.by, copies=copies)
        alone.append(found)
    return LeakageFacts(len(rows), of_rows, spec.kind.leak_metric, tuple(alone), why)


def _unmeasured(spec: ModelSpec, rows: pd.DataFrame) -> str:
    """Say why nothing can be said of the label; empty when something can, or when none is learned."""
    if not spec.kind.learns_label:
        return ""
    if _LABEL not in rows:
        return f"the label {spec.label.name} is no number"
    counts = rows[_LABEL].value_counts()
    if len(rows) < LEAST_ROWS:
        return f"{len(rows)} training rows with a label; {LEAST_ROWS} are needed"
    if spec.label_classes is None:
        return "the label of the training rows is constant" if len(counts) == 1 else ""
    often = int((counts >= LEAST_OF_CLASS).sum())
    few = f"fewer than two classes with at least {LEAST_OF_CLASS} training rows"
    return few if often < 2 else ""  # noqa: PLR2004


def _truth(spec: ModelSpec, labels: Array) -> Truth:
    """The labels as the statistics take them."""
    import numpy as np

    found, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if spec.label_classes is None:
        return Truth(codes, numbers=labels, ranks=ranks_of(labels))
    often = np.flatnonzero(counts >= LEAST_OF_CLASS)
    if len(found) == 2:  # noqa: PLR2004 - of two classes the AUC of one says all
        often = often[1:]
    most = often[np.argsort(-counts[often], kind="stable")][:MOST_CLASSES]
    return Truth(codes, classes=(codes[:, None] == most).astype("float64"))


def _typed(name: str, kind: str) -> Column | None:
    """A feature as a number or as a string; None for types that no model takes."""
    from pyspark.sql import functions as F

    if kind in {"timestamp", "timestamp_ntz", "date"}:
        return _micros(name)
    if is_number(kind) or kind == "boolean":
        return _number(name)
    return F.col(f"`{name}`") if kind == "string" else None


def _number(name: str) -> Column:
    from pyspark.sql import functions as F

    return F.col(f"`{name}`").cast("double")


def _micros(name: str) -> Column:
    from pyspark.sql import functions as F

    return F.unix_micros(F.col(f"`{name}`").cast("timestamp")).cast("double")
