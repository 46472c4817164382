"""Copies of the label, row ids and times among the features, of every type; and what is sampled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_assets.platform.protocol import SPLIT_COLUMN
from ml_assets.steps.measuring.leakage import leakage_facts, measure_leakage
from ml_assets_tests import tiny

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from ml_assets.rules.facts import FeatureAlone, LeakageFacts

ROWS = 600
RNG = np.random.default_rng(11)
BINARY = RNG.integers(0, 2, ROWS)
SEVERAL = RNG.integers(0, 3, ROWS)
AMOUNT = RNG.gamma(2, 50, ROWS)
COUNT = RNG.integers(0, 6, ROWS) ** 2
TIME = np.sort(RNG.integers(0, 10**15, ROWS)).astype("float64")
MULTI = {
    "model_type": "multiclass_classification",
    "label": {
        **{k: v for k, v in tiny.mapping()["label"].items() if k != "threshold"},
        "classes": ["a", "b", "c"],
    },
    "gates": {"accuracy": {"min": 0.1}},
}


def spec_of(label: np.ndarray) -> Any:
    if label is BINARY:
        return tiny.spec()
    return tiny.spec(**MULTI) if label is SEVERAL else tiny.regression()


def facts(label: Any, of_rows: int = ROWS, spec: Any = None, **features: Any) -> LeakageFacts:
    columns = {f"feature {n}": pd.Series(v) for n, v in features.items()}
    sample = pd.DataFrame({**columns, "event time": TIME[: len(label)], "label": label})
    spec = spec or spec_of(label)
    return leakage_facts(spec, sample, dict.fromkeys(features, "any"), of_rows)


def alone(label: Any, feature: Any, **more: Any) -> FeatureAlone:
    return facts(label, x=feature, **more).features[0]


def some_null(values: Any, share: float = 0.3) -> Any:
    return np.where(RNG.random(len(values)) < share, None, values.astype(object))


def as_floats(values: Any) -> Any:
    return np.array([np.nan if v is None else v for v in values], dtype="float64")


NAMES = np.array(["no", "yes", "perhaps"], dtype=object)
COPIES = {
    "binary: the same": (BINARY, BINARY),
    "binary: turned round": (BINARY, 1 - BINARY),
    "binary: other numbers": (BINARY, np.where(BINARY, 0.1, -7.5)),
    "binary: in float32": (BINARY, (BINARY * 0.1).astype("float32").astype("float64") + 1e-12),
    "binary: boolean": (BINARY, BINARY.astype(bool)),
    "binary: strings": (BINARY, NAMES[BINARY]),
    "binary: text of the number": (BINARY, BINARY.astype(str).astype(object)),
    "binary: null stands for a class": (BINARY, np.where(BINARY, "late", None)),
    "binary: NaN stands for a class": (BINARY, np.where(BINARY, 5.0, np.nan)),
    "binary: infinite": (BINARY, np.where(BINARY, np.inf, -np.inf)),
    "binary: where it is known": (BINARY, as_floats(some_null(BINARY))),
    "binary: strings where known": (BINARY, some_null(NAMES[BINARY])),
    "several: strings": (SEVERAL, NAMES[SEVERAL]),
    "several: numbers in another order": (SEVERAL, np.array([5.0, -1.0, 2.0])[SEVERAL]),
    "several: one is null": (SEVERAL, np.array(["x", None, "y"], dtype=object)[SEVERAL]),
    "numbers: the same": (AMOUNT, AMOUNT),
    "numbers: in float32": (AMOUNT, AMOUNT.astype("float32").astype("float64")),
    "numbers: another unit, falling": (AMOUNT, 7 - AMOUNT * 0.01),
    "numbers: logarithm": (AMOUNT, np.log(AMOUNT)),
    "numbers: as text": (AMOUNT, AMOUNT.round(9).astype(str).astype(object)),
    "numbers: where it is known": (AMOUNT, as_floats(some_null(AMOUNT))),
    "numbers: a name for each": (COUNT, np.array([f"n{c}" for c in COUNT], dtype=object)),
    "numbers: a code for each": (COUNT, np.sin(COUNT)),
}
NO_COPIES = {
    "binary: a constant": (BINARY, np.ones(ROWS)),
    "binary: noise": (BINARY, RNG.normal(size=ROWS)),
    "binary: one row is otherwise": (BINARY, np.where(np.arange(ROWS) == 5, 1 - BINARY, BINARY)),
    "binary: ids": (BINARY, np.array([f"id{i}" for i in range(ROWS)], dtype=object)),
    "binary: other classes": (BINARY, RNG.integers(0, 2, ROWS)),
    "binary: all null": (BINARY, np.array([None] * ROWS, dtype=object)),
    "binary: only three values, by chance": (BINARY, np.where(np.arange(ROWS) < 3, BINARY, np.nan)),
    "several: tells one class": (SEVERAL, (SEVERAL == 1).astype("float64")),
    "numbers: noisy": (AMOUNT, AMOUNT + RNG.normal(0, 5, ROWS)),
    "numbers: ids": (AMOUNT, np.array([f"id{i}" for i in range(ROWS)], dtype=object)),
    "numbers: above or below": (AMOUNT, (AMOUNT > 100).astype("float64")),
    "numbers: constant": (AMOUNT, np.zeros(ROWS)),
}


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_is_found_whatever_it_looks_like(name: str) -> None:
    label, feature = COPIES[name]
    assert alone(label, feature).copies != ""


@pytest.mark.parametrize("name", NO_COPIES)
def test_what_is_no_copy_is_not_called_one(name: str) -> None:
    label, feature = NO_COPIES[name]
    assert alone(label, feature).copies == ""


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 3), min_size=40, max_size=80), st.permutations(range(4)))
def test_any_renaming_of_classes_is_a_copy(label: list[int], names: list[int]) -> None:
    spec = tiny.spec(**{**MULTI, "label": {**MULTI["label"], "classes": list("abcd")}})
    codes = np.array(label)
    if (np.bincount(codes) >= 5).sum() < 2:
        assert facts(codes, spec=spec, x=codes).unmeasured != ""
        return
    renamed = np.array(names)[codes]
    assert alone(codes, renamed.astype("float64"), spec=spec).copies != ""
    noisy = renamed.copy()
    noisy[0] = renamed[codes != codes[0]][0]
    assert alone(codes, noisy.astype("float64"), spec=spec).copies == ""


@pytest.mark.parametrize(
    ("feature", "identity"),
    [
        (np.arange(ROWS)[::-1].astype("float64"), "row id"),
        (RNG.permutation(ROWS * 3)[:ROWS].astype("float64"), "row id"),
        (np.array([f"u{i}" for i in RNG.permutation(ROWS)], dtype=object), "row id"),
        (TIME / 3.6e9, "event time"),
        (-TIME, "event time"),
        (RNG.normal(size=ROWS), ""),
        ((RNG.random(ROWS) * 1e9).round(), ""),
        (RNG.integers(0, 300, ROWS).astype("float64"), ""),
        (np.where(np.arange(ROWS) == 3, np.nan, np.arange(ROWS)), ""),
        (np.arange(ROWS) // 100 * 1.0, ""),
    ],
    ids=[
        "numbering", "shuffled numbering", "strings", "hours", "falling", "noise", "large numbers",
        "counts", "with a null", "few steps",
    ],
)  # fmt: skip
def test_row_ids_and_times(feature: Any, identity: str) -> None:
    assert alone(BINARY, feature).identity == identity


MANY = RNG.integers(0, 150, ROWS)
ONCE = RNG.permutation(ROWS)
NAMED = np.array([f"c{i}" for i in range(150)], dtype=object)[MANY]
ELSEWHERE = np.where(np.arange(ROWS) % 7 == 0, np.nan, MANY)  # a lookup that found no row


@pytest.mark.parametrize(
    ("key", "feature", "identity"),
    [
        (MANY, MANY.astype("float64"), "key"),
        (MANY, MANY.astype(str).astype(object), "key"),
        (NAMED, NAMED.copy(), "key"),
        (MANY, ELSEWHERE, "key"),
        (MANY % 40, (MANY % 40).astype("float64"), ""),
        (MANY, MANY * 2.0, ""),
        (MANY, np.where(np.arange(ROWS) == 5, MANY + 1.0, MANY), ""),
        (NAMED, MANY.astype("float64"), ""),
        (MANY, np.full(ROWS, np.nan), ""),
        (ONCE, ONCE.astype("float64"), "row id"),
    ],
    ids=[
        "numbers", "text of a number", "strings", "where known", "a category that comes again",
        "a measurement of each", "one row differs", "another name", "nothing known",
        "another one in every row",
    ],
)  # fmt: skip
def test_a_key_under_another_name_is_a_key(key: Any, feature: Any, identity: str) -> None:
    sample = pd.DataFrame(
        {"feature who": feature, "key id": key, "event time": TIME, "label": BINARY}
    )
    found = leakage_facts(tiny.spec(), sample, {"who": "any"}, ROWS)
    assert found.features[0].identity == identity


def test_the_keys_of_a_stored_training_set_are_compared_too(spark: SparkSession) -> None:
    customer = [f"c{n}" for n in MANY]
    rows = pd.DataFrame({"customer": customer, "who": customer, "spends": BINARY})
    frame = spark.createDataFrame(
        rows.assign(asked_at=pd.Timestamp("2024-01-01"), **{SPLIT_COLUMN: "train"})
    )
    found = measure_leakage(frame, tiny.spec(), dict(frame.dtypes), ["who"], len(rows))
    assert (found.features[0].identity, found.rows) == ("key", ROWS)


def test_a_key_with_many_rows_of_each_value_is_a_category() -> None:
    for rows_of_each, identity in ((49, "key"), (50, "")):
        airport = np.repeat(np.arange(110.0), rows_of_each)
        sample = pd.DataFrame(
            {
                "feature flies_to": airport,
                "key dest": airport,
                "event time": RNG.permutation(len(airport)).astype("float64"),
                "label": RNG.integers(0, 2, len(airport)),
            }
        )
        found = leakage_facts(tiny.spec(), sample, {"flies_to": "any"}, len(sample))
        assert found.features[0].identity == identity


def test_an_id_is_found_in_a_sample_of_a_large_table() -> None:
    ids = RNG.permutation(ROWS * 500)[:ROWS].astype("float64")
    assert alone(BINARY, ids, of_rows=ROWS * 500).identity == "row id"
    assert alone(BINARY, ids).identity == ""  # a wide range among few rows is a measurement


@pytest.mark.parametrize(
    ("label", "why"),
    [
        (np.zeros(ROWS), "fewer than two classes"),
        (np.eye(1, ROWS)[0], "fewer than two classes"),
        (BINARY[:10], "10 training rows"),
        (np.full(ROWS, np.nan), "0 training rows"),
        (np.zeros(0), "0 training rows"),
    ],
)
def test_labels_that_say_nothing(label: np.ndarray, why: str) -> None:
    found = facts(label, spec=tiny.spec(), x=RNG.normal(size=len(label)))
    assert why in found.unmeasured
    assert found.features[0].power is None
    constant = facts(np.full(ROWS, 3.0), spec=tiny.regression(), x=AMOUNT)
    assert "constant" in constant.unmeasured


def test_rows_without_a_finite_label_are_left_out() -> None:
    label = AMOUNT.copy()
    label[:3] = np.nan, np.inf, -np.inf
    found = facts(label, spec=tiny.regression(), x=AMOUNT)
    assert (found.rows, found.of_rows, found.metric) == (ROWS - 3, ROWS, "r2")
    assert found.features[0].copies == "the same order as the label"
    assert found.features[0].power == pytest.approx(1.0)


def test_a_feature_that_could_not_be_read_is_named_without_power() -> None:
    sample = pd.DataFrame({"event time": TIME, "label": BINARY})
    found = leakage_facts(tiny.spec(), sample, {"tags": "array<string>"}, ROWS)
    assert [(f.name, f.power) for f in found.features] == [("tags", None)]


def test_a_label_that_is_not_learned_leaks_nothing() -> None:
    spec = tiny.spec(
        model_type="anomaly_detection",
        estimator={"class": "sklearn.ensemble.IsolationForest", "params": {}},
        gates={"anomaly_share": {"max": 0.5}},
    )
    found = facts(np.where(BINARY, -1.0, np.nan), spec=spec, x=BINARY, y=np.arange(ROWS) * 1.0)
    assert (found.unmeasured, found.rows) == ("", ROWS)
    assert [(f.power, f.copies, f.identity) for f in found.features] == [
        (None, "", ""),
        (None, "", "row id"),
    ]


def test_with_many_classes_only_the_frequent_ones_are_tried() -> None:
    classes = [f"c{i}" for i in range(40)]
    spec = tiny.spec(**{**MULTI, "label": {**MULTI["label"], "classes": classes}})
    label = RNG.integers(0, 40, ROWS)
    found = facts(label, spec=spec, x=label.astype("float64"), y=RNG.normal(size=ROWS))
    assert found.features[0].copies == "one value for each class"
    assert found.features[0].power == pytest.approx(1.0, abs=0.05)
    assert found.features[1].power is not None
    assert found.features[1].power < 0.7
