"""Packaged models predict keys that found nothing, in the form in which Spark says so."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder
from xgboost import XGBClassifier

from ml_assets.platform.model_storage import how_to_store
from ml_assets.platform.null_proof import null_proof
from ml_assets_tests import tiny

TYPES = {"n": "bigint", "b": "boolean", "x": "double", "s": "string"}
SPARK = pd.DataFrame(
    {
        "n": pd.array([1, None], "Int64"),
        "b": pd.Series([True, None], dtype=object),
        "x": [0.5, np.nan],
        "s": ["u", None],
    }
)
PLAIN = SPARK.assign(n=[1.0, np.nan], b=[1.0, np.nan])


@pytest.fixture(scope="module")
def rows():
    dice = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "n": dice.integers(0, 5, 200).astype("float64"),
            "b": dice.integers(0, 2, 200).astype("float64"),
            "x": dice.normal(size=200),
            "s": dice.choice(["u", "v"], 200),
        }
    )
    return frame, (frame["n"] + frame["x"] > 2).astype(int)


def fitted(rows, model, *columns):
    frame, label = rows
    return model.fit(frame[list(columns)], label), frame[list(columns)]


def encoded(estimator):
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = ColumnTransformer([("text", encoder, ["s"])], remainder="passthrough")
    return Pipeline([("columns", columns), ("model", estimator)])


@pytest.mark.parametrize(
    ("model", "columns"),
    [
        (XGBClassifier(n_estimators=5), ("n", "b", "x")),
        (encoded(XGBClassifier(n_estimators=5)), ("n", "b", "x", "s")),
        (encoded(HistGradientBoostingClassifier(max_iter=5)), ("x", "s", "n")),
    ],
)
def test_nulls_of_spark_are_predicted_as_nan_is(rows, model, columns):
    model, example = fitted(rows, model, *columns)
    proof = null_proof(model, TYPES, example.head(3))
    assert proof is not model
    expected = model.predict(PLAIN[list(columns)])
    assert proof.predict(SPARK[list(columns)]).tolist() == expected.tolist()
    assert proof.predict(example).tolist() == model.predict(example).tolist()
    how_to_store(proof, tiny.spec())  # can still be stored without pickle


@pytest.mark.parametrize(
    ("model", "columns"),
    [
        (XGBClassifier(n_estimators=5), ("n", "x")),
        (HistGradientBoostingClassifier(max_iter=5), ("n", "b", "x")),
        (encoded(XGBClassifier(n_estimators=5)), ("x", "s")),
        (GradientBoostingClassifier(n_estimators=2), ("n", "x")),  # takes no NaN in any form
    ],
)
def test_a_model_that_needs_nothing_stays_as_it_is(rows, model, columns):
    model, example = fitted(rows, model, *columns)
    assert null_proof(model, TYPES, example.head(1)) is model


class Stranger:
    """A class that is none of scikit-learn's, and takes no NA of pandas."""

    def predict(self, rows):
        return np.isnan(rows.to_numpy()).sum(axis=1)


def test_what_no_pipeline_takes_stays_as_it_is(rows):
    model = Stranger()
    assert null_proof(model, TYPES, rows[0][["n", "x"]].head(3)) is model
