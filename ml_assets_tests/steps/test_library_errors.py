"""The rule book's error table: each error is raised by the library itself, nothing is made up."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import mlflow
import mlflow.sklearn
import numpy as np
import pandas as pd
import pytest
import xgboost
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema
from pyspark.sql import functions as F
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from ml_assets.rules.registry import checks_for
from ml_assets.rules.unmeasured import broken_rule
from ml_assets.spec.errors import DataError, LibraryError, MlAssetsError
from ml_assets.steps.execution import Inputs
from ml_assets.steps.handles import RunHandle
from ml_assets.steps.library_errors import TABLE, explained, fitting_failed, scoring_raw_keys
from ml_assets.steps.recipe import default_recipe
from ml_assets.steps.worker import check
from ml_assets_tests import tiny
from ml_assets_tests.steps.helpers import TRACE, run_steps

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pyspark.sql import Column

    from ml_assets.platform.embedded import EmbeddedPlatform
    from ml_assets.spec.model import ModelSpec
    from ml_assets.steps.execution import Outcome
    from ml_assets_tests.steps.conftest import Shop

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


@pytest.mark.parametrize(("said", "estimator", "spoiled", "rule", "found"), FITS)
def test_a_failed_fit_is_explained_by_the_rows_that_it_was_given(
    said: str, estimator: str, spoiled: dict[str, Any], rule: str, found: str
) -> None:
    train = rows(**spoiled)
    with pytest.raises(ValueError, match=said.replace("(", r"\(").replace(")", r"\)")) as raised:
        CLASSIFIERS[estimator].fit(train[FEATURES], train["spends"])
    known = fitting_failed(tiny.spec(), train, raised.value)
    assert known is not None
    assert known.rule == rule
    assert found in known.found
    assert said in known.found
    assert "Stack trace" not in str(known)
    assert known.fix


def test_a_message_alone_proves_nothing() -> None:
    """The NaN was made inside somebody's own model: the stored rows are clean."""
    with pytest.raises(ValueError, match="Input X contains NaN") as raised:
        LogisticRegression().fit(rows(amount=np.nan)[FEATURES], rows()["spends"])
    assert fitting_failed(tiny.spec(), rows(), raised.value) is None


def test_bad_rows_do_not_explain_every_error() -> None:
    with pytest.raises(xgboost.core.XGBoostError) as raised:
        xgboost.XGBClassifier(max_depth=-2).fit(rows()[FEATURES], rows()["spends"])
    assert fitting_failed(tiny.spec(), rows(amount=np.nan), raised.value) is None


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


@pytest.mark.parametrize(("said", "provoke", "asset", "rule", "found"), STEPS)
def test_what_a_library_raises_in_a_step_names_the_rule_and_keeps_the_error(
    said: str,
    provoke: Callable[[Path], None],
    asset: str,
    rule: str,
    found: str,
    finished: Shop,
    tmp_path: Path,
) -> None:
    spec = tiny.spec()
    with (
        pytest.raises(LibraryError) as raised,
        warnings.catch_warnings(action="ignore"),
        explained(spec, finished.platform, Inputs(asset, {}, TRACE)),
    ):
        provoke(tmp_path / "model")
    error, cause = raised.value, raised.value.__cause__
    assert said in str(cause)
    assert not isinstance(cause, MlAssetsError)
    assert (error.rule, found in error.found) == (rule, True)
    assert f"The library said: {type(cause).__name__}: " in error.found
    own = {r.check for r in checks_for(spec, asset)}
    verdict = broken_rule(checks_for(spec, asset), error)
    assert (verdict.check if verdict else None) == (rule if rule in own else None)


def rewritten(platform: EmbeddedPlatform, table: str, column: str, value: Column) -> int:
    """Somebody else overwrites a stored table; return its new version."""
    frame = platform.tables.read(table).withColumn(column, value)
    path = str(platform.tables.path(table))
    frame.write.format("delta").mode("overwrite").option("overwriteSchema", "true").save(path)
    return platform.tables.info(table).version


def test_what_is_stored_decides_what_an_infinite_value_means(shop: Shop, tmp_path: Path) -> None:
    spec, inputs = tiny.spec(), Inputs("predictions", {}, TRACE)
    with (
        pytest.raises(ValueError, match="Input X contains infinity") as raised,
        explained(spec, shop.platform, inputs),
    ):
        infinite_value(tmp_path)
    assert type(raised.value) is ValueError
    stored = F.when(F.col("visits") == 3, float("-inf")).otherwise(F.col("amount"))
    rewritten(shop.platform, "shop.features.activity", "amount", stored)
    with pytest.raises(LibraryError) as known, explained(spec, shop.platform, inputs):
        infinite_value(tmp_path)
    assert (known.value.rule, known.value.where) == ("ml03_no_inf", "features/activity")
    assert "infinite values in amount" in known.value.found


def test_an_error_that_cannot_be_looked_into_is_raised_as_it_is(
    platform: EmbeddedPlatform, tmp_path: Path
) -> None:
    """There are no tables at all."""
    with (
        pytest.raises(ValueError, match="Input X contains NaN") as raised,
        explained(tiny.spec(), platform, Inputs("predictions", {}, TRACE)),
    ):
        missing_value(tmp_path)
    assert type(raised.value) is ValueError
    assert any("What is stored could not be looked at" in n for n in raised.value.__notes__)


def test_a_model_that_fails_on_raw_keys_fails_the_replay(tmp_path: Path) -> None:
    with pytest.raises(LibraryError) as raised, scoring_raw_keys(tiny.spec()):
        missing_value(tmp_path)
    assert raised.value.rule == "ml03_score_replay"
    assert isinstance(raised.value.__cause__, ValueError)
    verdict = broken_rule(checks_for(tiny.spec(), "model_version"), raised.value)
    assert verdict is not None
    assert "Input X contains NaN" in verdict.message


@pytest.mark.parametrize(
    "error", [OSError("disk"), DataError("t", found="a", expected="b", fix="c", rule="ml01_x")]
)
def test_what_no_model_raises_is_left_alone(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, scoring_raw_keys(tiny.spec()):
        raise error
    assert raised.value is error


class Greedy(LogisticRegression):
    """Claims to take NaN, and does not."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def retrained(shop: Shop, spec: ModelSpec, version: int | None = None) -> Outcome:
    handles = {a: h for a, h in shop.handles.items() if a in {"labels", "training_set"} or "/" in a}
    if version is not None:
        handles["training_set"] = replace(handles["training_set"], delta_version=version)
    return run_steps(spec, shop.platform, handles=handles, until="trained_model")["trained_model"]


def test_a_step_that_trains_on_unmatched_rows_says_which_lookup_to_mend(shop: Shop) -> None:
    spec = tiny.spec(
        estimator={"class": ".steps.test_library_errors.Greedy", "params": {}},
    )
    with pytest.raises(LibraryError) as raised:
        retrained(shop, spec)
    assert raised.value.rule == "ml03_lookup_coverage"
    assert raised.value.where == "features/profile"
    assert isinstance(raised.value.__cause__, ValueError)
    assert "Input X contains NaN" in raised.value.found


def test_a_step_that_trains_on_continuous_labels_shows_them(shop: Shop) -> None:
    label = F.col("spends") + F.col("visits") / 4
    version = rewritten(shop.platform, "shop.training.spender", "spends", label)
    with pytest.raises(LibraryError, match=r"Invalid classes inferred") as raised:
        retrained(shop, tiny.spec(), version)
    assert raised.value.rule == "ml05_binary_labels"
    assert "label.threshold" in raised.value.fix


def test_a_check_that_meets_such_an_error_is_red_with_the_rule(shop: Shop) -> None:
    """Somebody's own package: its lookups are the declared ones, its model was fitted on others."""
    spec, made = tiny.spec(), shop.handles["trained_model"]
    assert isinstance(made, RunHandle)
    inner = LogisticRegression().fit(rows()[["visits", "age"]], rows()["spends"])
    example = shop.platform.tables.read(spec.training_set).toPandas()[FEATURES].head(3)
    uri = shop.platform.features.log_model(
        spec, inner, run_id=made.run_id, input_example=example.assign(visits=1.0, age=1.0)
    )
    handle = replace(made, model_uri=uri)
    step = default_recipe().step(spec, "trained_model")
    with pytest.raises(LibraryError) as raised:
        check(
            step,
            spec,
            shop.platform,
            default_recipe(),
            Inputs(step.asset, {step.asset: handle}, TRACE),
        )
    assert raised.value.rule == "ml02_inputs_match_features"
    verdict = broken_rule(checks_for(spec, step.asset), raised.value)
    assert verdict is not None
    assert "feature names should match" in verdict.message


def test_every_pattern_of_the_table_is_provoked() -> None:
    said = [*(f[0] for f in FITS), *(s[0] for s in STEPS)]
    patterns = [pattern for row in TABLE for pattern in row.patterns]
    found = [p for p in patterns if any(re.search(p, text, re.IGNORECASE) for text in said)]
    assert found == patterns


def test_every_row_names_the_checks_that_it_may_mean() -> None:
    for row in TABLE:
        said = [(c[0], c[-2]) for c in (*FITS, *STEPS)]
        meant = {rule for text, rule in said if any(re.search(p, text) for p in row.patterns)}
        assert meant | {"ml03_no_null"} >= {*row.checks}
        assert meant <= {*row.checks}
