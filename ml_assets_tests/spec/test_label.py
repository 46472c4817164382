"""What is wrong between a label and the model type is said at its place, with what to write."""

from __future__ import annotations

from typing import Any

import pytest

from ml_assets.spec.errors import DeclarationError
from ml_assets_tests import tiny


def multiclass(**label: Any) -> dict[str, Any]:
    """The shop's declaration as a multi-class model; ``label`` replaces or adds."""
    declared = {**tiny.mapping()["label"], "column": "tier", **label}
    if "threshold" not in label:
        del declared["threshold"]
    return {
        **tiny.mapping(),
        "model_type": "multiclass_classification",
        "label": declared,
        "gates": {"accuracy": {"min": 0.3}},
    }


def refusal(mapping: dict[str, Any]) -> str:
    with pytest.raises((DeclarationError, ValueError)) as refused:
        tiny.spec(**mapping)
    return str(refused.value)


def test_the_stored_classes_are_the_places_of_the_declared_ones() -> None:
    spec = tiny.spec(**multiclass(classes=["bronze", "silver", "gold"]))
    assert spec.label_classes == spec.predicted_classes == (0, 1, 2)


@pytest.mark.parametrize(
    ("label", "place", "words"),
    [
        ({}, "label.classes", ["none", "at least 2", "[bronze, silver, gold]"]),
        ({"classes": ["a"]}, "label.classes", ["only 'a'", "at least 2"]),
        ({"classes": ["a", "b", "a"]}, "label.classes.2", ["already the class 0", "remove one"]),
        ({"classes": [1, 2, 1.0]}, "label.classes.2", ["already the class 0"]),
        ({"classes": ["a", True]}, "label.classes.1", ["True, which is true or false", "quotes"]),
        ({"classes": [1, True]}, "label.classes.1", ["a number like 1"]),
        ({"classes": ["a", 1]}, "label.classes.1", ["1, which is a number", "text like 'a'"]),
        ({"classes": ["a", "b"], "threshold": 3}, "label.threshold", ["it makes two classes"]),
        ({"classes": list(range(1001))}, "label.classes", ["1000"]),
    ],
)
def test_classes_that_cannot_be_are_refused(
    label: dict[str, Any], place: str, words: list[str]
) -> None:
    said = refusal(multiclass(**label))
    assert [w for w in [place, *words] if w not in said] == []


@pytest.mark.parametrize(
    ("model_type", "gate", "words"),
    [
        ("binary_classification", "roc_auc", "0 or 1"),
        ("probability", "roc_auc", "0 or 1"),
        ("anomaly_detection", "roc_auc", "-1 or 1"),
        ("regression", "rmse", "a number"),
    ],
)
def test_classes_belong_to_multi_class_models(model_type: str, gate: str, words: str) -> None:
    declared = multiclass(classes=["a", "b"])
    said = refusal({**declared, "model_type": model_type, "gates": {gate: {"max": 1}}})
    assert f"the label of this type is {words}" in said
    assert "multiclass_classification (did you mean that?)" in said


def test_a_million_classes_are_refused() -> None:
    said = refusal(multiclass(classes=[f"c{i}" for i in range(1_000_000)]))
    assert "1000" in said
    assert len(said) < 2_000


def test_an_age_needs_an_event_time() -> None:
    tables = tiny.mapping()["feature_tables"]
    tables[1]["max_age"] = "2 days"
    said = refusal({**tiny.mapping(), "feature_tables": tables})
    assert "a max_age without an event_time" in said
    assert "declare event_time, or remove max_age" in said
