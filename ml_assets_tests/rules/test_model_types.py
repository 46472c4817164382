"""ML-02 and the predictions of each model type: the type, the range, the classes, the pickle."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ml_assets.rules import ml02_output_schema as ml02
from ml_assets.rules import predictions
from ml_assets.rules.facts import Spread
from ml_assets.rules.ml02_output_schema import RULES
from ml_assets_tests import tiny
from ml_assets_tests.rules.facts_of import MODEL, PACKAGE, PREDICTIONS

NUMBERS = {"outputs": ("double",)}
CLASSES = {"classes": ("little", "some", "much")}
GOOD: dict[str, Any] = {
    "binary": (tiny.spec, {}, {"0": 20, "1": 10}, None),
    "multiclass": (tiny.multiclass, CLASSES, {"0": 20, "1": 9, "2": 1}, None),
    "anomaly": (tiny.anomaly, {}, {"1": 29, "-1": 1}, None),
    "probability": (tiny.probability, NUMBERS, {}, Spread(30, 0, 0, 0.0, 1.0, 0.4)),
    "regression": (tiny.regression, NUMBERS, {}, Spread(30, 0, 0, -4.0, 9.0, 0.4)),
}


def facts_of(name):
    make, package, values, spread = GOOD[name]
    spec = make()
    trained = replace(
        MODEL,
        package=replace(PACKAGE, **package),
        predicted_type=spec.output_type,
        predicted_values=values,
        predicted_spread=spread,
    )
    named = {code: (spec.class_names[int(code)],) for code in values if spec.class_names}
    kind = {"long": "bigint", "double": "double"}[spec.output_type]
    scored = replace(PREDICTIONS, type=kind, values=values, spread=spread, names=named)
    return spec, trained, scored


@pytest.mark.parametrize("name", GOOD)
def test_what_a_type_promises_is_green(name: str) -> None:
    spec, trained, scored = facts_of(name)
    assert [r.check for r in RULES if not r.judge(spec, "trained_model", trained).passed] == []
    assert predictions.schema(spec, "predictions", scored).passed


@pytest.mark.parametrize("name", GOOD)
def test_the_other_output_type_is_red_everywhere(name: str) -> None:
    spec, trained, scored = facts_of(name)
    other = {"long": "double", "double": "long"}[spec.output_type]
    package = replace(trained.package, outputs=(other,))
    assert not ml02.output_schema(spec, "", replace(trained, package=package)).passed
    assert not ml02.prediction_dtype(spec, "", replace(trained, predicted_type=other)).passed
    wrong = "bigint" if scored.type == "double" else "double"
    found = predictions.schema(spec, "", replace(scored, type=wrong))
    assert not found.passed
    assert f"predictions are {wrong}" in found.message


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("binary", "-1", "0, 1"),
        ("multiclass", "3", "0, 1, 2"),
        ("anomaly", "0", "-1, 1"),
    ],
)
def test_a_class_that_the_type_has_not_is_red(name: str, value: str, allowed: str) -> None:
    spec, trained, scored = facts_of(name)
    values = {**scored.values, value: 2}
    finding = predictions.schema(spec, "", replace(scored, values=values))
    assert (finding.passed, finding.numbers["unexpected_values"]) == (False, 2)
    assert f"with values {allowed}." in finding.message
    assert not ml02.prediction_dtype(spec, "", replace(trained, predicted_values=values)).passed


@pytest.mark.parametrize(
    ("name", "spread", "passed"),
    [
        ("probability", Spread(30, 0, 0, -0.001, 0.9, 0.4), False),
        ("probability", Spread(30, 0, 0, 0.1, 1.001, 0.4), False),
        ("probability", Spread(29, 1, 0, 0.1, 0.9, 0.4), False),
        ("probability", Spread(29, 0, 1, 0.1, 0.9, 0.4), False),
        ("regression", Spread(29, 0, 1, 0.1, 0.9, 0.4), False),
        ("regression", Spread(30, 0, 0, -1e9, 1e9, 0.4), True),
    ],
)
def test_numbers_are_finite_and_in_the_range_of_the_type(
    name: str, spread: Spread, passed: bool
) -> None:
    spec, trained, scored = facts_of(name)
    finding = predictions.schema(spec, "", replace(scored, spread=spread))
    assert finding.passed is passed
    found = ml02.prediction_dtype(spec, "", replace(trained, predicted_spread=spread))
    assert found.passed is passed


def test_numbers_that_nobody_measured_are_red() -> None:
    spec, _, scored = facts_of("probability")
    assert not predictions.schema(spec, "", replace(scored, spread=None)).passed


@pytest.mark.parametrize("classes", [(), ("some", "little", "much"), ("little", "some")])
def test_a_package_that_names_other_classes_is_red(classes: tuple[str, ...]) -> None:
    spec, trained, _ = facts_of("multiclass")
    package = replace(trained.package, classes=classes)
    finding = ml02.output_schema(spec, "", replace(trained, package=package))
    assert not finding.passed
    assert "declared: little, some, much" in finding.message


@pytest.mark.parametrize("names", [("much",), (), ("", "some"), ("much", "some")])
def test_a_code_beside_another_name_is_red(names: tuple[str, ...]) -> None:
    spec, _, scored = facts_of("multiclass")
    finding = predictions.schema(spec, "", replace(scored, names={**scored.names, "1": names}))
    assert not finding.passed
    assert "declared 'some'" in finding.message


def test_a_pickle_warns_and_does_not_block() -> None:
    spec, trained, _ = facts_of("anomaly")
    (rule,) = (r for r in RULES if r.check == "ml02_flavor_recorded")
    pickled = replace(trained, package=replace(trained.package, pickled="cloudpickle"))
    verdict = rule.judge(spec, "trained_model", pickled)
    assert (verdict.passed, verdict.severity, verdict.blocking) == (False, "warn", False)
    assert "estimator.allow_pickle" in verdict.message
    bare = replace(trained, package=replace(trained.package, flavor=None))
    verdict = rule.judge(spec, "trained_model", bare)
    assert (verdict.passed, verdict.severity, verdict.blocking) == (False, "error", True)
