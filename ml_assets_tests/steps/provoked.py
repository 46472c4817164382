"""The rule book's error table: each error is raised by the library itself, nothing is made up."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import mlflow
import mlflow.sklearn
import numpy as np
import pandas as pd
import xgboost
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FEATURES = ["amount", "visits", "city", "age"]


class Counting:
    """Counts the labels by class, as the train step does."""

    def fit(self, _: pd.DataFrame, labels: pd.Series[float]) -> None:
        np.bincount([int(label) for label in labels])


CLASSIFIERS: dict[str, Any] = {
    "counting": Counting(),
    "xgboost": xgboost.XGBClassifier(n_estimators=2),
    "logistic": LogisticRegression(),
    "forest": RandomForestClassifier(n_estimators=2),
    "boosting": GradientBoostingClassifier(n_estimators=2),
    "probability": xgboost.XGBRegressor(n_estimators=2, objective="binary:logistic"),
}


def rows(**changes: Any) -> pd.DataFrame:
    """Training rows as they are stored, with whole columns changed."""
    n = 40
    frame = pd.DataFrame(
        {
            "amount": np.arange(n, dtype="float64"),
            "visits": np.arange(n, dtype="float64") % 7,
            "city": 0.0,
            "age": 30.0,
            "spends": np.arange(n) % 2,
            "__as_of_activity": pd.Timestamp("2024-01-01"),
            "__matched_profile": True,
        }
    )
    return frame.assign(**changes)


def at(value: float, *places: int, column: str = "amount") -> pd.Series[float]:
    values = rows()[column].astype("float64")
    values.loc[list(places)] = value
    return values


UNMATCHED = {
    "age": at(np.nan, 3, 5, column="age"),
    "__matched_profile": [i not in {3, 5} for i in range(40)],
}
CONTINUOUS = {"spends": np.linspace(0, 3, 40)}
#: What the library says, which estimator, what is spoiled, the rule, what is said instead.
FITS: list[tuple[str, str, dict[str, Any], str, str]] = [
    ("Input X contains NaN", "logistic", {"amount": at(np.nan, 3)}, "ml03_no_nan", "amount 1 of 40"),
    ("Input X contains NaN", "boosting", UNMATCHED, "ml03_lookup_coverage", "2 of 40 training rows"),
    ("Input X contains infinity", "logistic", {"amount": at(np.inf, 3)}, "ml03_no_inf", "amount 1 of 40"),
    ("Input X contains infinity", "forest", {"amount": at(-np.inf, 3, 4)}, "ml03_no_inf", "amount 2 of 40"),
    ("Input data contains `inf` or a value too large", "xgboost", {"amount": at(np.inf, 3)}, "ml03_no_inf", "amount 1 of 40"),
    ("Invalid classes inferred", "xgboost", CONTINUOUS, "ml05_binary_labels", "0.07692307692307693 (1 rows)"),
    ("Invalid classes inferred", "xgboost", {"spends": 1}, "ml05_not_single_class", "all 40 training rows are 1"),
    ("Invalid classes inferred", "xgboost", {"spends": np.arange(40) % 2 * 2 - 1}, "ml05_binary_labels", "-1 (20 rows)"),
    ("base_score must be in (0,1)", "probability", CONTINUOUS, "ml05_binary_labels", "label that is none"),
    ("Unknown label type", "logistic", CONTINUOUS, "ml05_binary_labels", "label that is none"),
    ("needs samples of at least 2 classes", "logistic", {"spends": 0}, "ml05_not_single_class", "all 40 training rows are 0"),
    ("y contains 1 class", "boosting", {"spends": 0}, "ml05_not_single_class", "all 40 training rows are 0"),
    ("Input y contains NaN", "logistic", {"spends": at(np.nan, 1, column="spends")}, "ml05_binary_labels", "nan (1 rows)"),
    ("cannot convert float NaN to integer", "counting", {"spends": at(np.nan, 1, column="spends")}, "ml05_binary_labels", "nan (1 rows)"),
    ("Label contains NaN", "probability", {"spends": at(np.nan, 1, column="spends")}, "ml05_binary_labels", "nan (1 rows)"),
]  # fmt: skip


def fitted() -> Any:
    return LogisticRegression().fit(rows()[FEATURES], rows()["spends"])


def missing_value(_: Path) -> None:
    fitted().predict(rows(amount=np.nan)[FEATURES])


def infinite_value(_: Path) -> None:
    fitted().predict(rows(amount=np.inf)[FEATURES])


def other_columns(columns: list[str]) -> Callable[[Path], None]:
    def scores(_: Path) -> None:
        model = LogisticRegression().fit(rows(spent=1.0)[columns], rows()["spends"])
        model.predict(rows()[FEATURES])

    return scores


def other_columns_of_xgboost(_: Path) -> None:
    model = xgboost.XGBClassifier(n_estimators=2).fit(rows()[FEATURES[:2]], rows()["spends"])
    model.predict(rows()[FEATURES])


def other_number_of_columns(_: Path) -> None:
    model = xgboost.XGBClassifier(n_estimators=2).fit(rows()[FEATURES[:2]], rows()["spends"])
    model.predict(rows()[FEATURES].to_numpy())


def lost_column_of_a_pipeline(_: Path) -> None:
    columns = ColumnTransformer([("s", StandardScaler(), ["age"])]).fit(rows()[FEATURES])
    columns.transform(rows()[FEATURES[:2]])


def fewer_columns(_: Path) -> None:
    model = LogisticRegression().fit(rows()[FEATURES[:2]], rows()["spends"])
    with warnings.catch_warnings(action="ignore"):
        model.predict(rows()[FEATURES].to_numpy())


def lost_column_of_pandas(_: Path) -> None:
    rows()[["spent"]]


def lost_columns_of_pandas(_: Path) -> None:
    rows()[["amount", "spent"]]


def saved(folder: Path, signature: ModelSignature | None) -> str:
    mlflow.sklearn.save_model(
        fitted(),
        str(folder),
        signature=signature,
        pip_requirements=[],
        serialization_format="skops",
    )
    return str(folder)


def enforced_schema(folder: Path) -> None:
    inputs = Schema([ColSpec("double", name) for name in FEATURES])
    saved(folder, ModelSignature(inputs, Schema([ColSpec("long")])))
    mlflow.pyfunc.load_model(str(folder)).predict(rows()[FEATURES[:2]])


def registered_in_unity_catalog(signature: ModelSignature | None) -> Callable[[Path], None]:
    def checks(folder: Path) -> None:
        from mlflow.store._unity_catalog.registry.rest_store import UcModelRegistryStore

        UcModelRegistryStore._validate_model_signature(None, saved(folder, signature))

    return checks


def no_flavor(folder: Path) -> None:
    mlflow.xgboost.load_model(saved(folder, None))


def no_experiment(folder: Path) -> None:
    mlflow.MlflowClient(f"sqlite:///{folder}.db").create_run("999")


def deleted_experiment(folder: Path) -> None:
    client = mlflow.MlflowClient(f"sqlite:///{folder}.db")
    made = client.create_experiment("/Shared/shop_ml_spender_development")
    client.delete_experiment(made)
    client.create_run(made)


ONLY_INPUTS = ModelSignature(inputs=Schema([ColSpec("double", "amount")]))
#: What the library says, how it is made to say it, where, and what is said instead.
STEPS: list[tuple[str, Callable[[Path], None], str, str, str]] = [
    ("feature names should match", other_columns(["amount"]), "predictions", "ml02_inputs_match_features", "fitted on other columns"),
    ("feature names should match", other_columns(["amount", "spent"]), "model_version", "ml06_label_not_in_features", "asks for spent"),
    ("feature_names mismatch", other_columns_of_xgboost, "trained_model", "ml02_inputs_match_features", "fitted on other columns"),
    ("Feature shape mismatch", other_number_of_columns, "predictions", "ml02_inputs_match_features", "fitted on other columns"),
    ("is expecting 2 features as input", fewer_columns, "predictions", "ml02_inputs_match_features", "fitted on other columns"),
    ("are in the [columns]", lost_column_of_pandas, "predictions", "ml06_label_not_in_features", "asks for spent"),
    ("columns are missing", lost_column_of_a_pipeline, "predictions", "ml02_inputs_match_features", "fitted on other columns"),
    ("not in index", lost_columns_of_pandas, "predictions", "ml06_label_not_in_features", "asks for spent"),
    ("Model is missing inputs", enforced_schema, "predictions", "ml02_inputs_match_features", "fitted on other columns"),
    ("signature that includes only inputs", registered_in_unity_catalog(ONLY_INPUTS), "model_version", "ml02_output_schema", "outputs []"),
    ("did not contain any signature metadata", registered_in_unity_catalog(None), "model_version", "ml02_output_schema", "outputs []"),
    ('Model does not have the "xgboost" flavor', no_flavor, "trained_model", "ml02_flavor_recorded", "flavor of the raw model: none"),
    ("No Experiment with id=999 exists", no_experiment, "trained_model", "ml04_experiment_names", "deleted"),
    ("must be in the 'active' state", deleted_experiment, "predictions", "ml04_experiment_names", "deleted"),
    ("Input X contains NaN", missing_value, "predictions", "ml03_lookup_coverage", "label keys find no feature row"),
]  # fmt: skip
