"""What somebody does by hand."""

from __future__ import annotations

from xgboost import XGBClassifier

from examples.broken.by_hand import Stored, edited_lookups, replace_model, training_rows


def break_it(stored: Stored) -> None:
    """It predicts well, by itself; the declaration says something else."""
    rows, names = training_rows(stored), [*reversed(stored.spec.features)]
    model = XGBClassifier(n_estimators=2, n_jobs=1).fit(rows[names].to_numpy(), rows["spends"])
    replace_model(stored, model)
    with edited_lookups(stored) as lookups:
        columns = {name: entry for entry in lookups["input_columns"] for name in entry}
        lookups["input_columns"] = [columns.pop(n) for n in [*columns] if n not in names]
        lookups["input_columns"] += [columns[name] for name in names]
