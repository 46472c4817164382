"""Columns of the label's own row that may reveal it: by what they tell, by name, by when."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from ml_assets.spec.thresholds import Thresholds
from ml_assets.steps.statistics.levels import levels_of
from ml_assets.steps.statistics.power import Power, power_for_classes, power_for_numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd

    from ml_assets.drafting.labels import LabelGuess
    from ml_assets.drafting.sample import Column, Sample, TimeColumn

_AFTERWARDS = re.compile(
    r"(_after|_outcome|_result|_final|_actual|_resolution|_reason|_refund\w*)$|"
    r"csat|satisfaction|feedback|first_response|response_time|time_to_|"
    r"^(final|actual|outcome|result|refund|resolution|closed|post)_",
    re.IGNORECASE,
)
_VERB = r"^(is|has|was|will|did|had)_"
#: Rows that the power of a column is measured on.
_ROWS = 20_000
#: Share of rows in which another time may be later than the event time by accident.
_LATER = 0.01
#: What a sum of columns may leave unexplained: rounding.
_EXACT = 1e-9
#: The same for a product: the logarithm's rest. Pairs of more columns than this are too many to try.
_ROUNDED, _MOST_PAIRED = 1e-3, 40
#: Share of the rows in which the product must hold; others have no logarithm.
_MOST = 0.9


@dataclass(frozen=True)
class Leak:
    """A column that may reveal the label; ``certain`` ones do not become features."""

    column: str
    reason: str
    certain: bool


def find_leaks(
    sample: Sample, label: LabelGuess, time: TimeColumn, columns: Sequence[Column]
) -> dict[str, Leak]:
    """Find what may reveal the label among columns of its row, by column name.

    The power of a column is measured as the check ``ml06_single_feature_power`` does, with its
    default limits.
    """
    found: dict[str, Leak] = {}
    for leak in (
        *_sums(sample, label, columns),
        *_products(sample, label, columns),
        *_powers(sample, label, columns),
        *_same_nulls(sample, label, columns),
        *_names(label, columns),
        *_later_times(sample, time),
    ):
        found.setdefault(leak.column, leak)
    found.pop(label.column.name, None)
    return found


def _powers(sample: Sample, label: LabelGuess, columns: Sequence[Column]) -> list[Leak]:
    limits = Thresholds()
    outcome = sample.rows[label.column.name]
    there = outcome.notna()
    if label.model_type == "regression":
        there &= outcome.astype("float64").abs() != float("inf")
    rows = sample.rows[there]
    rows = rows.sample(min(len(rows), _ROWS), random_state=0)
    found = []
    for column in columns:
        power = _power(rows[column.name], rows[label.column.name], label)
        if power >= limits.feature_power_warn:
            measure = "R²" if label.model_type == "regression" else "ROC AUC"
            found.append(
                Leak(
                    column.name,
                    f"tells {label.column.name} alone, {measure} {power:.2f}",
                    certain=power >= limits.feature_power,
                )
            )
    return found


def _power(values: pd.Series, outcome: pd.Series, label: LabelGuess) -> float:
    import pandas as pd

    if not pd.api.types.is_numeric_dtype(values):
        values = values.astype(object)
    levels = levels_of(values.astype("float64") if values.dtype == bool else values)
    power: Power
    if label.model_type == "regression":
        power = power_for_numbers(levels, outcome.to_numpy(dtype="float64"))
    else:
        power = power_for_classes(levels, _indicators(outcome))
    return power.value


def _indicators(outcome: pd.Series) -> np.ndarray[Any, Any]:
    """One column of 0 and 1 for each class; for two classes one says all."""
    import pandas as pd

    matrix = pd.get_dummies(outcome).to_numpy(dtype="float64")
    return matrix[:, 1:] if matrix.shape[1] == 2 else matrix  # noqa: PLR2004


def _sums(sample: Sample, label: LabelGuess, columns: Sequence[Column]) -> list[Leak]:
    """Find the columns that a number is put together from, such as ``total = a + b``.

    Least squares of the label on all other numbers; what is left over is rounding.
    """
    import numpy as np
    import pandas as pd

    numbers = [c.name for c in columns if c.kind in {"whole", "number"}]
    if label.model_type != "regression" or not numbers:
        return []
    rows = sample.rows[[label.column.name, *numbers]].astype("float64")
    finite = pd.Series(np.isfinite(rows.to_numpy()).all(axis=1), index=rows.index)
    rows = rows.loc[finite].head(_ROWS)
    varied = [n for n in numbers if float(rows[n].std()) > 0]
    rows = rows.loc[:, [label.column.name, *varied]]
    if len(rows) < 3 * len(rows.columns):
        return []
    scaled = (rows - rows.mean()) / rows.std().replace(0, 1)
    outcome, matrix = scaled.iloc[:, 0].to_numpy(), scaled.iloc[:, 1:].to_numpy()
    weights, *_ = np.linalg.lstsq(matrix, outcome, rcond=None)
    if ((matrix @ weights - outcome) ** 2).sum() > _EXACT * max((outcome**2).sum(), _EXACT):
        return []
    names = rows.columns[1:]
    parts = [str(n) for n, w in zip(names, weights, strict=True) if abs(w) > 1e-6]  # noqa: PLR2004
    reason = f"{label.column.name} is computed from {' and '.join(parts)}, without a rest"
    return [Leak(part, reason, certain=True) for part in parts]


def _products(sample: Sample, label: LabelGuess, columns: Sequence[Column]) -> list[Leak]:
    """Find two columns whose product or quotient the label is: ``price = area * price per m2``."""
    import numpy as np

    numbers = [c.name for c in columns if c.kind in {"whole", "number"}]
    if label.model_type != "regression" or len(numbers) > _MOST_PAIRED:
        return []
    rows = sample.rows[[label.column.name, *numbers]].astype("float64").head(_ROWS)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = rows.apply(np.log).replace([np.inf, -np.inf], np.nan)
    outcome = logs[label.column.name]
    if not outcome.std() > 0:
        return []
    for one, other in combinations(numbers, 2):
        if not (logs[one].std() > 0 and logs[other].std() > 0):
            continue  # one value, or none above 0: no part of it
        for rest in (
            outcome - logs[one] - logs[other],
            outcome - logs[one] + logs[other],
            outcome + logs[one] - logs[other],
        ):
            if rest.notna().mean() > _MOST and rest.abs().max() < _ROUNDED:
                reason = f"{label.column.name} is the product or quotient of {one} and {other}"
                core = _core(label)
                # Of price, area and price per area the last one was made from the outcome.
                made = [n for n in (one, other) if core in n.lower()] or [one, other]
                return [Leak(name, reason, certain=True) for name in made]
    return []


def _core(label: LabelGuess) -> str:
    """What a label's name speaks of, without its verb."""
    return re.sub(_VERB, "", label.column.name, flags=re.IGNORECASE).lower()


def _same_nulls(sample: Sample, label: LabelGuess, columns: Sequence[Column]) -> list[Leak]:
    missing = sample.rows[label.column.name].isna()
    if not missing.any() or missing.all():
        return []
    reason = f"is missing in exactly the rows where {label.column.name} is: known no sooner"
    same = [c.name for c in columns if (sample.rows[c.name].isna() == missing).all()]
    return [Leak(name, reason, certain=True) for name in same]


def _names(label: LabelGuess, columns: Sequence[Column]) -> list[Leak]:
    core = _core(label)
    found = []
    for column in columns:
        name = column.name.lower()
        if _AFTERWARDS.search(name):
            reason = "its name says that it is known afterwards"
            found.append(Leak(column.name, reason, certain=False))
        elif len(core) > 3 and core in name:  # noqa: PLR2004 - shorter ones are everywhere
            reason = f"its name speaks of {core}, as the label's does"
            found.append(Leak(column.name, reason, certain=False))
    return found


def _later_times(sample: Sample, time: TimeColumn) -> list[Leak]:
    import pandas as pd

    found = []
    for column in sample.columns:
        known = sample.times.get(column.name)
        if column.name == time.column.name or not (known or column.kind in {"time", "date"}):
            continue
        values = sample.rows[column.name]
        others = known.times if known else pd.to_datetime(values, utc=True, errors="coerce")
        share = float((others > time.times).mean())
        if share > _LATER:
            reason = f"is later than {time.column.name} in {share:.0%} of the rows"
            found.append(Leak(column.name, reason, certain=True))
    return found
