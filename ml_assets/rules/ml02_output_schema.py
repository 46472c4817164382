"""ML-02: the packaged model says what goes in and what comes out, and tells the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_assets.rules.predicted import predicted_values
from ml_assets.rules.rule import Finding, Rule, listed

if TYPE_CHECKING:
    from ml_assets.rules.facts import ModelFacts
    from ml_assets.spec.model import ModelSpec


def output_schema(spec: ModelSpec, _: str, facts: ModelFacts) -> Finding:
    """Read the stored signature's inputs and output type, and the classes that the package names."""
    package = facts.package
    declared = spec.class_names
    classes = (
        f" The package names the classes {listed(package.classes)}; declared: {listed(declared)}."
        if declared or package.classes
        else ""
    )
    return Finding(
        passed=package.outputs == (spec.output_type,)
        and bool(package.signature_inputs)
        and package.classes == declared,
        message=f"stored signature has {len(package.signature_inputs)} inputs and outputs {list(package.outputs)}; expected inputs and one output of type {spec.output_type} for {spec.model_type}.{classes}",
        fix="log the model with a signature that has inputs and the output type of ML-02 (and the names of its classes), and train again",
        numbers={
            "inputs": len(package.signature_inputs),
            "output": listed(package.outputs),
            **({"classes": listed(package.classes)} if classes else {}),
        },
    )


def inputs_match_features(spec: ModelSpec, _: str, facts: ModelFacts) -> Finding:
    """Compare the package's inputs with the declared features, names and order."""
    stored = [name for name, _type in facts.package.inputs]
    expected = list(spec.features)
    missing = [f for f in expected if f not in stored]
    extra = [f for f in stored if f not in expected]
    return Finding(
        passed=stored == expected,
        message=f"the package takes {len(stored)} inputs, {len(expected)} features are declared; missing: {listed(missing)}; unexpected: {listed(extra)}; same order: {stored == expected}.",
        fix="train again: the declaration and the packaged model differ",
        numbers={"inputs": len(stored), "features": len(expected)},
    )


def prediction_dtype(spec: ModelSpec, _: str, facts: ModelFacts) -> Finding:
    """Compare what the loaded model returned with the output type and the values it may have."""
    values = predicted_values(spec, facts.predicted_values, facts.predicted_spread)
    return Finding(
        passed=facts.predicted_type == spec.output_type
        and facts.predicted_rows > 0
        and not values.bad,
        message=f"the loaded model returned {facts.predicted_type} for {facts.predicted_rows} rows{values.found}; expected {spec.output_type}{values.expected}.",
        fix=f"use an estimator whose predict returns the type and the values of ML-02 for {spec.model_type} (classifiers: labels must be integers when it is fitted)",
        numbers={
            "rows": facts.predicted_rows,
            "type": facts.predicted_type,
            "unexpected": values.bad,
        },
    )


def flavor_recorded(_: ModelSpec, __: str, facts: ModelFacts) -> Finding:
    """Look for the raw model's flavor, and warn of a pickle."""
    flavor, pickled = facts.package.flavor, facts.package.pickled
    if flavor and pickled:
        return Finding(
            passed=False,
            message=f"flavor: {flavor}, stored as a pickle ({pickled}), which the declaration allows (estimator.allow_pickle); expected a format that runs no code when it is loaded.",
            fix="use an estimator of XGBoost, LightGBM or scikit-learn without functions or classes of your own, and remove estimator.allow_pickle",
            numbers={"flavor": flavor, "pickle": pickled},
            severity="warn",
            blocking=False,
        )
    return Finding(
        passed=bool(flavor),
        message=f"flavor: {flavor or 'none'}; expected the flavor that loads the raw model.",
        fix="package the model with an MLflow flavor (xgboost, sklearn, …), not as a bare file",
        numbers={"flavor": flavor},
    )


def input_example(_: ModelSpec, __: str, facts: ModelFacts) -> Finding:
    """Look for a stored input example."""
    return Finding(
        passed=facts.package.has_input_example,
        message=f"input example stored: {facts.package.has_input_example}; expected one.",
        fix="train again: the train step stores the first training rows as the example",
    )


RULES = (
    Rule(
        "ml02_output_schema",
        "ML-02",
        "trained_model",
        "error",
        "The stored signature has inputs and the output type of the model type",
        output_schema,
    ),
    Rule(
        "ml02_inputs_match_features",
        "ML-02",
        "trained_model",
        "error",
        "The packaged model's inputs are the declared features, in order",
        inputs_match_features,
    ),
    Rule(
        "ml02_prediction_dtype",
        "ML-02",
        "trained_model",
        "error",
        "What the loaded model returns has the output type",
        prediction_dtype,
    ),
    Rule(
        "ml02_flavor_recorded",
        "ML-02",
        "trained_model",
        "error",
        "The package names the flavor of its raw model",
        flavor_recorded,
    ),
    Rule(
        "ml02_input_example",
        "ML-02",
        "trained_model",
        "warn",
        "The package carries an input example",
        input_example,
    ),
)
