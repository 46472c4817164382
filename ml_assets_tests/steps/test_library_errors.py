"""What a library raises is explained by what is stored, and named after the rule that it broke."""

from __future__ import annotations

import re
import shutil
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xgboost
from pyspark.sql import functions as F
from sklearn.linear_model import LogisticRegression

from ml_assets.rules.registry import checks_for
from ml_assets.rules.unmeasured import broken_rule
from ml_assets.spec.catalog import TableLayout
from ml_assets.spec.errors import DataError, LibraryError, MlAssetsError
from ml_assets.steps.execution import Inputs
from ml_assets.steps.library_errors import TABLE, explained, fitting_failed, scoring_raw_keys
from ml_assets_tests import tiny
from ml_assets_tests.steps.changed import rewritten
from ml_assets_tests.steps.helpers import TRACE
from ml_assets_tests.steps.provoked import (
    CLASSIFIERS,
    FEATURES,
    FITS,
    STEPS,
    infinite_value,
    missing_value,
    rows,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ml_assets.platform.embedded import EmbeddedPlatform
    from ml_assets.spec.model import ModelSpec
    from ml_assets_tests.steps.conftest import Shop


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


@pytest.mark.parametrize(("said", "provoke", "asset", "rule", "found"), STEPS)
def test_what_a_library_raises_in_a_step_names_the_rule_and_keeps_the_error(
    said: str,
    provoke: Callable[[Path], None],
    asset: str,
    rule: str,
    found: str,
    finished: Shop,
    mlflow_database: Path,
    tmp_path: Path,
) -> None:
    spec = tiny.spec()
    shutil.copy(mlflow_database, tmp_path / "model.db")
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


def outcomes_of_an_anomaly_detector(platform: EmbeddedPlatform, *outcomes: int | None) -> ModelSpec:
    spec = tiny.anomaly()
    rows = [(f"c{i}", i, outcome) for i, outcome in enumerate(outcomes)]
    frame = platform.spark.createDataFrame(rows, "customer string, day int, odd int")
    asked = F.expr("timestamp '2024-01-01' + make_interval(0, 0, 0, day)")
    stored = frame.select("customer", asked.alias("asked_at"), "odd")
    layout = TableLayout(spec.label.table, ("customer",), "asked_at", "known oddities")
    platform.tables.stage(stored, layout).publish()
    return spec


def test_an_unknown_outcome_of_an_anomaly_detector_explains_nothing(
    platform: EmbeddedPlatform,
) -> None:
    """Null means there that nobody looked: something else made the library raise."""
    spec = outcomes_of_an_anomaly_detector(platform, 1, None, -1, None, 1, -1)
    error = ValueError("Input y contains NaN")
    with pytest.raises(ValueError, match="Input y contains NaN") as raised:
        raise_in(spec, platform, error)
    assert type(raised.value) is ValueError
    assert not hasattr(raised.value, "__notes__")


def test_an_outcome_that_no_anomaly_detector_knows_is_named_without_its_nulls(
    platform: EmbeddedPlatform,
) -> None:
    spec = outcomes_of_an_anomaly_detector(platform, 1, None, 7, None, 1, -1)
    with pytest.raises(LibraryError) as raised:
        raise_in(spec, platform, ValueError("Unknown label type: continuous"))
    assert raised.value.rule == "ml05_binary_labels"
    assert "labels that are none: 7 (1 rows). The library" in raised.value.found
    assert raised.value.expected == "only -1, 1"


def raise_in(spec: ModelSpec, platform: EmbeddedPlatform, error: Exception) -> None:
    with explained(spec, platform, Inputs("model_version", {}, TRACE)):
        raise error


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
