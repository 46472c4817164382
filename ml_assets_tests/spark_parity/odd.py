"""A table with every type of column and every odd value, and models that are made of it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pyspark.sql import functions as F

from ml_assets.spec.model import ModelSpec

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

ROWS = 240
#: Values that come round in each column, so that every one meets every other.
FLOATS = [
    0.0,
    -0.0,
    1.5,
    float("nan"),
    float("inf"),
    float("-inf"),
    None,
    1e300,
    -2.25,
    5e-324,
    7.0,
]
TYPES: dict[str, tuple[list[Any], Any]] = {
    "tinyint": ([0, 1, -128, 127, None], 7),
    "smallint": ([0, -32768, 32767, None], -7),
    "int": ([0, 2**31 - 1, -(2**31), None, 12], 0),
    "bigint": ([0, 2**63 - 1, -(2**63), None, 2**53 + 1], 5),
    "decimal(9,2)": ([Decimal("0.00"), Decimal("-1234567.89"), None, Decimal("0.10")], 0.5),
    "boolean": ([True, None, False], False),
    "string": (["", "Oslo", None, "Ærø", " a ", "nan", "it's", "\\\\"], "unknown"),
    "float": (FLOATS, 0.25),
    "double": (FLOATS, -1.0),
}


def name_of(kind: str) -> str:
    """A column's name for a type."""
    return "c_" + kind.partition("(")[0]


def odd_data() -> pd.DataFrame:
    """Keys, times to the microsecond around a change of the clock, and a column for each type."""
    start = pd.Timestamp("2024-03-30 23:59:59.999999", tz="UTC")
    times = start + pd.to_timedelta(np.arange(ROWS) * 1_234_567_891, unit="us")
    columns: dict[str, Any] = {"k": [f"k{i % 30:02d}" for i in range(ROWS)], "known_at": times}
    for kind, (values, _) in TYPES.items():
        turned = [values[(i * 7 + i // 5) % len(values)] for i in range(ROWS)]
        floats = kind in {"float", "double"}
        columns[name_of(kind)] = pd.Series(turned, dtype="float64" if floats else object)
    # pandas makes NaN of None; the transform puts the nulls back.
    columns["missing"] = [i % 11 == 6 for i in range(ROWS)]
    return pd.DataFrame(columns)


def typed(odd: DataFrame) -> DataFrame:
    """Each column in its type, twice: ``c_…`` with a default, ``n_…`` without one."""
    columns = []
    for kind in TYPES:
        value = F.col(name_of(kind)).cast(kind)
        if kind in {"float", "double"}:
            value = F.when(~F.col("missing"), value)
        columns += [value.alias(name_of(kind)), value.alias(name_of(kind).replace("c_", "n_", 1))]
    return odd.select("k", "known_at", *columns)


def outcome(odd: DataFrame) -> DataFrame:
    """Labels with everything that a label should not hold."""
    asked = F.timestamp_micros(F.unix_micros("known_at") + 3_600_000_001)
    value = F.when(~F.col("missing"), F.col("c_double"))
    return odd.select("k", asked.alias("asked_at"), value.alias("value"))


def latest(odd: DataFrame) -> DataFrame:
    """Each key at its last time."""
    return odd.groupBy("k").agg(F.max("known_at").alias("asked_at"))


def spec(model_type: str, **label: Any) -> ModelSpec:
    """The odd model of a type; ``label`` adds to the label's declaration."""
    here = ".spark_parity.odd"
    columns: dict[str, Any] = {}
    for kind, (_, default) in TYPES.items():
        columns[name_of(kind)] = {"default": default}
        columns[name_of(kind).replace("c_", "n_", 1)] = {}
    gates = {"roc_auc": {"min": 0}} if model_type == "binary_classification" else {"r2": {"max": 1}}
    return ModelSpec(
        project="odd",
        model=f"odd_{model_type}",
        model_type=model_type,
        package="ml_assets_tests",
        registered_model="odd.models.odd",
        sources={"odd": {"table": "odd.raw.odd", "seed": f"{here}.odd_data"}},
        feature_tables=[
            {
                "name": "typed", "table": "odd.features.typed", "transform": f"{here}.typed",
                "sources": ["odd"], "primary_keys": ["k"], "event_time": "known_at",
                "columns": columns,
            }
        ],
        label={
            "table": f"odd.labels.{model_type}", "transform": f"{here}.outcome",
            "sources": ["odd"], "keys": ["k"], "event_time": "asked_at", "name": "label",
            "column": "value", **label,
        },
        training_set="odd.training.odd",
        gates=gates,
        scoring={"table": "odd.predictions.odd", "keys": f"{here}.latest", "sources": ["odd"]},
    )  # fmt: skip
