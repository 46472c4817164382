"""A model type decides what a declaration may say; each has everything that the others have."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from pydantic import ValidationError

from ml_assets.spec.model_types import KINDS, METRICS, Metric, ModelType
from ml_assets.steps.training.metrics import JUDGED
from ml_assets_tests import tiny


def problems(**changes: Any) -> list[tuple[str, str, dict[str, Any]]]:
    """The places, rules and texts of what is wrong with a regression model."""
    with pytest.raises(ValidationError) as caught:
        tiny.regression(**changes)
    errors = caught.value.errors()
    return [(".".join(map(str, e["loc"])), e["ctx"]["rule"], e["ctx"]) for e in errors]


def test_every_model_type_is_described_and_judged_and_every_metric_belongs_to_one() -> None:
    assert set(get_args(ModelType)) == set(KINDS) == set(JUDGED)
    owned = {metric for kind in KINDS.values() for metric in kind.metrics}
    assert owned == set(METRICS) == set(get_args(Metric))
    assert all(kind.headline in kind.metrics for kind in KINDS.values())


@pytest.mark.parametrize(
    ("spec", "output", "estimator"),
    [
        (tiny.spec(estimator={}), "long", "xgboost.XGBClassifier"),
        (tiny.regression(estimator={}), "double", "xgboost.XGBRegressor"),
        (tiny.regression(estimator={"class": "sklearn.linear_model.Ridge"}), "double", "sklearn.linear_model.Ridge"),
    ],
)  # fmt: skip
def test_the_type_gives_the_output_and_the_estimator(
    spec: Any, output: str, estimator: str
) -> None:
    assert (spec.output_type, spec.estimator_class) == (output, estimator)


def test_a_gate_of_another_model_type_names_the_type_that_was_probably_meant() -> None:
    ((place, rule, texts),) = problems(gates={"roc_auc": {"min": 0.6}})
    assert (place, rule) == ("gates.roc_auc", "promotion_absolute")
    assert texts["found"] == "'roc_auc', a metric of binary_classification"
    assert texts["expected"] == "a metric of regression: rmse, mae, median_ae, r2"
    assert "model_type: binary_classification (did you mean that?)" in texts["fix"]
    with pytest.raises(ValidationError, match=r"model_type: regression \(did you") as error:
        tiny.spec(gates={"rmse": {"max": 1}})
    assert error.value.errors()[0]["loc"] == ("gates", "rmse")


def test_a_misspelled_metric_is_corrected() -> None:
    ((place, rule, texts),) = problems(gates={"rmsee": {"max": 1}})
    assert (place, rule) == ("gates.rmsee.[key]", "promotion_absolute")
    assert texts["fix"] == "write 'rmse' (did you mean that?)"


def test_a_number_has_no_threshold() -> None:
    label = tiny.mapping()["label"]
    ((place, rule, texts),) = problems(label=label)
    assert (place, rule) == ("label.threshold", "ml05_binary_labels")
    assert texts["found"] == "10 with model_type: regression"
    assert "declare model_type: binary_classification" in texts["fix"]


@pytest.mark.parametrize(
    ("gates", "place", "words"),
    [
        ({"r2": {"min": 30}}, "gates.r2.min", "r2 is never above 1"),
        ({"rmse": {"max": -1}}, "gates.rmse.max", "rmse is never negative"),
        ({"mae": {"min": 2, "max": 1}}, "gates.mae", "exchange min and max"),
    ],
)
def test_gates_that_no_model_can_meet_are_refused(
    gates: dict[str, Any], place: str, words: str
) -> None:
    ((found, _, texts),) = problems(gates=gates)
    assert found == place
    assert words in texts["message"]


@pytest.mark.parametrize(
    ("make", "metric"),
    [
        (tiny.anomaly, "precision"),
        (tiny.anomaly, "anomaly_share"),
        (tiny.probability, "calibration_error"),
    ],
)
def test_a_constant_is_no_yardstick_for_every_metric(make: Any, metric: str) -> None:
    with pytest.raises(ValidationError) as caught:
        make(gates={metric: {"beat_baseline": True}})
    (problem,) = caught.value.errors()
    assert problem["loc"] == ("gates", metric, "beat_baseline")
    assert "write min or max" in problem["ctx"]["fix"]


def test_a_type_without_an_estimator_on_spark_is_not_distributed() -> None:
    with pytest.raises(ValidationError) as caught:
        tiny.anomaly(estimator={"distributed": {"num_workers": 2}})
    (problem,) = caught.value.errors()
    assert problem["loc"] == ("estimator", "distributed")
    assert "model_type: anomaly_detection" in problem["ctx"]["found"]


def test_r2_may_be_negative_and_errors_have_no_upper_end() -> None:
    spec = tiny.regression(gates={"r2": {"max": -0.1}, "rmse": {"min": 70, "max": 90}})
    assert set(spec.gates) == {"r2", "rmse"}


def test_an_unknown_model_type_is_corrected() -> None:
    ((place, rule, texts),) = problems(model_type="regresion")
    assert (place, rule) == ("model_type", "ml02_output_schema")
    assert texts["fix"] == "write 'regression' (did you mean that?)"


def test_the_type_is_part_of_the_hash() -> None:
    label = {**tiny.mapping()["label"], "threshold": None}
    gates = {"gates": {"rmse": {"max": 1}}}
    number = tiny.spec(label=label, model_type="regression", **gates)
    assert number.hash != tiny.spec(label=label).hash
