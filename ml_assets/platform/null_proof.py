"""Models that take missing numbers in every form in which a platform hands them over.

Models are fitted on float64, where a missing number is NaN. Spark hands a column of integers to a
model as it is stored: without nulls as integers, with nulls as float64 or, from pyspark 4.1 on, as
pandas' ``Int64`` with ``NA``; booleans with nulls come as Python objects. A key that finds no feature
row makes such a null out of the cleanest table, and not every estimator takes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

_NULLABLE = {"tinyint": "Int8", "smallint": "Int16", "int": "Int32", "bigint": "Int64"}


def null_proof(model: Any, types: Mapping[str, str], example: pd.DataFrame) -> Any:
    """Return the model, or one around it that turns numbers into float64 before it.

    The model is asked to predict one row of nulls, in both forms; only one that refuses Spark's, or
    answers otherwise, is wrapped. A model that takes no NaN at all is returned as it is.

    Parameters
    ----------
    types
        Spark's simple type of each input.
    example
        At least one row of the model's inputs, as it was fitted on them.
    """
    plain = _plain_nulls(example, types)
    expected = _predicted(model, plain)
    if expected is None:
        return model
    kinds = {str(name): types[str(name)] for name in example.columns}
    odd = plain.astype({name: _odd_type(kind) for name, kind in kinds.items() if _is_odd(kind)})
    for name, kind in kinds.items():
        if kind == "boolean":
            odd[name] = odd[name].mask(odd[name].isna(), None)
    found = _predicted(model, odd)
    if found == expected:
        return model
    proof = _as_floats_before(model, types, example)
    # A pipeline does not take every class that is none of scikit-learn's.
    return proof if _predicted(proof, plain) == expected else model


def _as_floats_before(model: Any, types: Mapping[str, str], example: pd.DataFrame) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    # One part a column keeps the columns in order; without mean and scale, nothing is changed.
    parts = [
        (
            name,
            "passthrough"
            if types[name] == "string"
            else StandardScaler(with_mean=False, with_std=False),
            [name],
        )
        for name in example.columns
    ]
    columns = ColumnTransformer(parts, verbose_feature_names_out=False)
    columns.set_output(transform="pandas").fit(example)
    return Pipeline([("as_floats", columns), ("model", model)])


def _plain_nulls(example: pd.DataFrame, types: Mapping[str, str]) -> pd.DataFrame:
    """One row without any number, as models are fitted; a text that is known."""
    import pandas as pd

    row = example.head(1).reset_index(drop=True)
    numbers = [str(name) for name in row.columns if types[str(name)] != "string"]
    return row.assign(**{name: pd.Series([float("nan")]) for name in numbers})


def _predicted(model: Any, row: pd.DataFrame) -> list[Any] | None:
    """Predict; None when the model refuses the row, for whatever reason it gives."""
    try:
        found: list[Any] = list(model.predict(row))
    except Exception:  # noqa: BLE001 - each library refuses in its own way; the answer is what counts
        return None
    return found


def _is_odd(kind: str) -> bool:
    return kind in _NULLABLE or kind == "boolean"


def _odd_type(kind: str) -> str:
    return _NULLABLE.get(kind, "object")
