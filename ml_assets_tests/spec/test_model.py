from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from ml_assets.spec.base import Declared
from ml_assets.spec.errors import SpecError
from ml_assets.spec.model import ModelSpec
from ml_assets.spec.tables import Column
from ml_assets.spec.training import Estimator
from ml_assets_tests.spec.examples import at, changed, declaration, in_python


@pytest.fixture
def spec() -> ModelSpec:
    return ModelSpec(**declaration())


def test_a_model_declared_in_python_equals_the_one_in_yaml(spec: ModelSpec):
    assert in_python() == spec
    assert hash(in_python()) == hash(spec)
    assert in_python().hash == spec.hash


def test_a_declaration_survives_being_written_and_read(spec: ModelSpec):
    assert ModelSpec(**spec.model_dump()) == spec
    text = yaml.safe_dump(spec.model_dump(mode="json", by_alias=True), sort_keys=False)
    again = ModelSpec(**yaml.safe_load(text))
    assert again.hash == spec.hash
    assert again.feature_tables == spec.feature_tables
    # JSON knows no numbers as keys (class_weight: {0: 1}), so only the parameters may differ.
    again = ModelSpec.model_validate_json(spec.model_dump_json(by_alias=True))
    assert again.model_copy(update={"estimator": spec.estimator}) == spec


def test_a_declaration_is_written_as_its_author_would(spec: ModelSpec):
    written = spec.model_dump(mode="json", by_alias=True)
    assert written["feature_tables"][0]["lookback"] == "3 hours"
    assert written["estimator"]["class"] == "sklearn.ensemble.HistGradientBoostingClassifier"


def test_what_is_derived(spec: ModelSpec):
    assert spec.features == ("wind_speed", "precip", "condition", "seats")
    assert spec.label_keys == ("flight_id", "origin", "tailnum", "scheduled_at")
    assert spec.feature_tables[0].keys == ("origin", "observed_at")
    assert spec.feature_tables[1].keys == ("tailnum",)
    assert spec.name == "flight_ops/arrival_delay"
    assert spec.output_type == "long"
    assert spec.experiment("evaluation") == "/Shared/flight_ops_ml_arrival_delay_evaluation"
    assert spec.feature_table("planes") is spec.feature_tables[1]
    with pytest.raises(SpecError, match="did you mean 'planes'"):
        spec.feature_table("plane")


def parts(value: Any) -> Iterator[Any]:
    """Walk over everything that a declaration holds."""
    yield value
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from parts(getattr(value, name))
    elif isinstance(value, dict):
        for item in value.values():
            yield from parts(item)
    elif isinstance(value, tuple):
        for item in value:
            yield from parts(item)


def test_nothing_in_a_declaration_can_be_changed(spec: ModelSpec):
    for part in parts(spec):
        hash(part)
        assert not isinstance(part, list | set)
        if isinstance(part, dict):
            with pytest.raises(TypeError, match="cannot be changed"):
                part["new"] = 1
        if isinstance(part, BaseModel):
            with pytest.raises(ValidationError, match="frozen"):
                setattr(part, next(iter(type(part).model_fields)), None)


def test_defaults_cannot_be_changed_for_others():
    with pytest.raises(TypeError, match="cannot be changed"):
        Estimator().params["n_estimators"] = 1
    assert Estimator().params["n_estimators"] == 100


def test_the_hash_is_the_same_in_another_process(spec: ModelSpec):
    code = (
        "from ml_assets_tests.spec.examples import declaration\n"
        "from ml_assets.spec.model import ModelSpec\n"
        "print(ModelSpec(**declaration()).hash)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONHASHSEED": "7", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == spec.hash


def test_the_hash_leaves_out_where_the_model_lives_and_the_order_of_mappings(spec: ModelSpec):
    assert ModelSpec(**declaration(), package="elsewhere").hash == spec.hash
    turned = dict(reversed(declaration()["sources"].items()))
    assert ModelSpec(**changed(turned, "sources")).hash == spec.hash


def test_the_order_of_feature_columns_is_part_of_the_declaration(spec: ModelSpec):
    columns = declaration()["feature_tables"][0]["columns"]
    turned = ModelSpec(**changed(dict(reversed(columns.items())), "feature_tables", 0, "columns"))
    assert turned.features != spec.features
    assert turned.hash != spec.hash
    assert turned != spec


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (16, ("label", "threshold")),
        ("4 hours", ("feature_tables", 0, "lookback")),
        (1, ("feature_tables", 0, "columns", "wind_speed", "default")),
        ("Knots", ("feature_tables", 0, "columns", "wind_speed", "comment")),
        (51, ("estimator", "params", "max_iter")),
    ],
)
def test_the_hash_changes_with_the_declaration(spec: ModelSpec, value: Any, path: tuple):
    assert ModelSpec(**changed(value, *path)).hash != spec.hash


@pytest.mark.parametrize("value", [1, 0, 1.0, 0.0, True, False, "1", "true", "", -3, 10**30])
def test_a_default_keeps_its_kind(value: Any):
    kept = Column(default=value).default
    assert (type(kept), kept) == (type(value), value)
    kept = Column.model_validate_json(Column(default=value).model_dump_json()).default
    assert (type(kept), kept) == (type(value), value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_default_is_finite(value: float):
    with pytest.raises(ValidationError, match="finite number"):
        Column(default=value)


def test_the_estimator_s_class_has_one_name_in_yaml_and_one_in_python():
    path = "sklearn.linear_model.LogisticRegression"
    assert Estimator(**{"class": path}) == Estimator(cls=path)
    with pytest.raises(ValidationError, match="cls"):
        Estimator(**{"class": path, "cls": path})


def test_parameters_may_be_nested_plain_values():
    estimator = Estimator(params={"class_weight": {0: 1, 1: 4}, "layers": [64, 32], "seed": None})
    assert dict(estimator.params) == {
        "class_weight": {0: 1, 1: 4},
        "layers": (64, 32),
        "seed": None,
    }
    arguments = estimator.arguments
    assert arguments == {"class_weight": {0: 1, 1: 4}, "layers": [64, 32], "seed": None}
    assert {type(arguments), type(arguments["class_weight"])} == {dict}
    with pytest.raises(ValidationError, match="Python object of type object"):
        Estimator(params={"callback": object()})


REFUSED = [
    ("lookback alone", None, ("feature_tables", 0, "event_time"), "lookback needs an event"),
    ("key repeats", ["origin", "ORIGIN"], ("feature_tables", 0, "primary_keys"), "more than once"),
    ("event time is key", "origin", ("feature_tables", 0, "event_time"), "more than once"),
    ("key is column", {"Origin": {}}, ("feature_tables", 0, "columns"), "more than once"),
    ("label is key", "origin", ("label", "name"), "more than once"),
    ("label time is key", "flight_id", ("label", "event_time"), "more than once"),
    ("prediction's column", "model_version", ("label", "event_time"), "predictions carry"),
    ("gate without condition", {}, ("gates", "roc_auc"), "needs min, max or beat_baseline"),
    ("gate upside down", {"min": 2, "max": 1}, ("gates", "log_loss"), "exchange min and max"),
    ("gate in percent", {"min": 70}, ("gates", "roc_auc"), "write it as a share.*0.7"),
    ("gate below zero", {"max": -1}, ("gates", "log_loss"), "never negative"),
    ("source not declared", ["flight"], ("label", "sources"), "did you mean 'flights'"),
    ("scoring source", ["x"], ("scoring", "sources"), "declared: flights, weather"),
    ("name twice", "weather_hourly", ("feature_tables", 1, "name"), "more than once"),
    ("table twice", "MAIN.raw.flights", ("label", "table"), "before by sources.flights.table"),
    ("training set is label", "main.raw.weather", ("training_set",), "more than once"),
    ("column twice", {"Precip": {}}, ("feature_tables", 1, "columns"), "only one feature has"),
    ("key not in label", ["tail_num"], ("feature_tables", 1, "primary_keys"), "'tailnum'"),
    ("threshold nan", float("nan"), ("label", "threshold"), "finite"),
    ("holdout 0", 0, ("split", "holdout"), "a number above 0"),
    ("holdout 1", 1, ("split", "holdout"), "a number below 1"),
    ("no features", {}, ("feature_tables", 0, "columns"), "at least one entry"),
    ("no sources", {}, ("sources",), "at least one entry"),
]


@pytest.mark.parametrize(
    ("value", "path", "said"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED]
)
def test_what_does_not_fit_together_is_refused(value: Any, path: tuple, said: str):
    with pytest.raises(ValidationError) as caught:
        ModelSpec(**changed(value, *path))
    texts = [" ".join(map(str, e["ctx"].values())) for e in caught.value.errors()]
    assert any(re.search(said, text) for text in texts), texts


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"is_late": {"comment": "the label itself"}}, ("feature_tables", 1, "columns")),
        ({"dep_delay": {}}, ("feature_tables", 1, "columns")),
        ({"flight_id": {}}, ("feature_tables", 1, "columns")),
        ("", ("feature_tables", 0, "business")),
        ({}, ("feature_tables", 0, "tags")),
        ("known_at", ("feature_tables", 0, "event_time")),
    ],
)
def test_what_a_check_judges_in_the_graph_is_no_error_of_the_declaration(value: Any, path: tuple):
    assert at(ModelSpec(**changed(value, *path)).model_dump(), *path) is not None


def models(kind: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for sub in kind.__subclasses__():
        yield sub
        yield from models(sub)


@pytest.mark.parametrize("model", list(models(Declared)), ids=lambda m: m.__name__)
def test_the_json_schema_explains_every_field(model: type[BaseModel]):
    schema = model.model_json_schema()
    assert schema["description"]
    for name, field in schema["properties"].items():
        assert field.get("description"), f"{model.__name__}.{name}"


def test_a_declaration_that_is_right_fits_its_own_json_schema_s_names():
    schema = ModelSpec.model_json_schema()
    assert set(declaration()) <= set(schema["properties"])
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["FeatureTable"]["properties"]["lookback"]["anyOf"][0]["pattern"]
