"""What is guessed of a table, what is suspected, and what is refused."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from ml_assets.drafting.draft import Draft, Wanted, draft_model
from ml_assets.drafting.read import columns_of
from ml_assets.drafting.sample import Sample
from ml_assets.spec.errors import SpecError
from ml_assets_tests.drafting.tables import orders, stations, subscribers, tickets

if TYPE_CHECKING:
    from typing import Any


def draft(frame: pd.DataFrame, **wanted: Any) -> Draft:
    sample = Sample("shop.raw.rows", columns_of("shop.raw.rows", frame), frame, len(frame))
    return draft_model("shop/model", sample, Wanted(**wanted))


def times(rows: int, every: str = "7h") -> pd.DatetimeIndex:
    return pd.date_range("2024-01-01", periods=rows, freq=every, tz="UTC")


def test_events_have_an_id_and_features_of_their_own_row() -> None:
    found = draft(orders())
    assert (found.key.names, found.key.step) == (("order_id",), None)
    assert found.time.column.name == "ordered_at"
    assert (found.label.column.name, found.label.model_type) == (
        "is_returned",
        "binary_classification",
    )
    assert list(found.features) == ["price", "channel", "gift", "visits_after"]
    assert set(found.left_out) == {"currency", "customer_id"}


def test_leaks_are_found_by_what_they_tell_by_name_and_by_when() -> None:
    leaks = draft(orders()).leaks
    assert {name: leak.certain for name, leak in leaks.items()} == {
        "refund": True,
        "closed_at": True,
        "visits_after": False,
    }
    assert "ROC AUC 1.00" in leaks["refund"].reason
    assert "later than ordered_at in 100%" in leaks["closed_at"].reason
    assert draft(orders()).label_sources == ("is_returned", "refund", "closed_at")


def test_a_column_that_is_missing_where_the_label_is_is_known_no_sooner() -> None:
    frame = orders().astype({"is_returned": object, "visits_after": "float64"})
    frame.loc[::9, ["is_returned", "visits_after"]] = None
    leak = draft(frame).leaks["visits_after"]
    assert leak.certain
    assert "missing in exactly the rows" in leak.reason


def test_a_sum_of_other_columns_is_seen_through() -> None:
    frame = stations().assign(id=range(120), noise=np.random.default_rng(1).normal(size=120))
    frame["day"] = times(120)[np.random.default_rng(2).permutation(120)]
    frame["day"] += pd.to_timedelta(np.arange(120) ** 2 % 377, unit="min")
    leaks = draft(frame, keys=("id",), label="trips").leaks
    summed = {n for n, leak in leaks.items() if "computed from members and guests" in leak.reason}
    assert summed == {"members", "guests"}
    assert all(leaks[name].certain for name in summed)
    assert "noise" not in leaks


def test_a_panel_predicts_the_next_row_of_each_key() -> None:
    frame = stations()
    frame["day"] = pd.to_datetime(frame["day"], dayfirst=True, utc=True)
    found = draft(frame)
    assert (found.key.names, str(found.key.step)) == (("station",), "1 day")
    assert (found.label.column.name, found.label.model_type) == ("trips", "regression")
    assert found.leaks == {}
    assert list(found.features.values()) == ["trips_before", "rain_mm", "members", "guests"]


def test_a_single_series_needs_no_key() -> None:
    frame = stations()[["rain_mm", "trips"]].assign(hour=times(120, "1h"))
    found = draft(frame)
    assert (found.key.names, str(found.key.step)) == ((), "1 hour")
    assert dict(found.keys) == {None: "series"}
    assert found.embargo == timedelta(hours=1)


LABELS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "bool": ([True, False], ("binary_classification", None, None, ())),
    "zero_one": ([0, 1], ("binary_classification", None, None, ())),
    "float_zero_one": ([0.0, 1.0], ("binary_classification", 0.0, None, ())),
    "one_two": ([1, 2], ("binary_classification", 1.0, None, ())),
    "yes_no": (["no", "yes"], ("binary_classification", None, "yes", ())),
    "texts": (["b", "a", "c"], ("multiclass_classification", None, None, ("a", "b", "c"))),
    "grades": ([3, 1, 2, 5], ("multiclass_classification", None, None, (1, 2, 3, 5))),
    "numbers": (np.linspace(0, 1, 60), ("regression", None, None, ())),
}


@pytest.mark.parametrize("case", LABELS)
def test_the_model_type_follows_from_the_values(case: str) -> None:
    values, expected = LABELS[case]
    frame = pd.DataFrame({"id": range(120), "at": times(120)})
    frame["x"] = np.random.default_rng(0).normal(size=120)
    frame["target"] = np.resize(values, 120)
    label = draft(frame).label
    assert label.column.name == "target"
    assert (label.model_type, label.threshold, label.positive, label.classes) == expected


def test_minus_one_and_one_of_an_anomaly_is_anomaly_detection() -> None:
    frame = pd.DataFrame({"at": times(60), "x": range(60), "is_anomaly": [1] * 58 + [-1] * 2})
    frame["x"] = frame["x"] % 7 / 2
    assert draft(frame).label.model_type == "anomaly_detection"


def test_a_person_knows_better() -> None:
    found = draft(orders(), label="price", keys=("order_id",), event_time="closed_at")
    assert (found.label.column.name, found.time.column.name) == ("price", "closed_at")
    assert found.label.model_type == "regression"


@pytest.mark.parametrize(
    ("change", "wanted", "said"),
    [
        ({}, {"label": "pricee"}, "did you mean 'price'?"),
        ({}, {"label": "order_id"}, "a column with two values or more to predict"),
        ({}, {"keys": ("channel",)}, "unique with ordered_at"),
        ({}, {"event_time": "price"}, "choose among ordered_at, closed_at"),
        ({"ordered_at": None, "closed_at": None}, {}, "no time among"),
        ({"order_id": "x", "ordered_at": times(1)[0], "customer_id": 1}, {}, "--keys A,B"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(
    change: dict[str, Any], wanted: dict[str, Any], said: str
) -> None:
    frame = orders(40).assign(**change)
    frame = frame.drop(columns=[name for name, value in change.items() if value is None])
    with pytest.raises(SpecError) as caught:
        draft(frame, **wanted)
    assert said in str(caught.value)


def test_no_rows_and_nothing_to_learn_from_are_refused() -> None:
    with pytest.raises(SpecError, match="no rows"):
        draft(orders(0))
    frame = orders()[["order_id", "ordered_at", "refund", "is_returned"]]
    with pytest.raises(SpecError, match="refund: tells is_returned alone"):
        draft(frame)


@pytest.mark.parametrize("name", ["shop", "shop/", "a/b/c", "shop/type", "../x/y", "shop/a b", ""])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    sample = Sample("a.b.c", columns_of("a.b.c", tickets()), tickets(), file=Path("x.csv"))
    with pytest.raises(SpecError, match="fix:"):
        draft_model(name, sample)


@pytest.mark.parametrize(
    ("every", "said", "at_end"),
    [
        ("MS", "1 month", False),
        ("ME", "1 month", True),
        ("QS", "3 months", False),
        ("YS", "1 year", False),
        ("W", "1 week", False),
    ],
)
def test_calendar_months_are_a_rhythm(every: str, said: str, at_end: bool) -> None:
    found = draft(subscribers(every))
    assert found.key.names == ("customer_id",)
    assert found.key.step is not None
    assert (str(found.key.step), found.key.step.at_end) == (said, at_end)
    assert "churned_before" in found.features.values()


def test_days_of_the_month_that_differ_are_no_rhythm() -> None:
    frame = subscribers("MS")
    shift = np.random.default_rng(2).integers(0, 27, len(frame))
    assert draft(frame.assign(day=frame["day"] + pd.to_timedelta(shift, unit="D"))).key.step is None


def test_the_reason_of_an_outcome_is_not_what_is_predicted() -> None:
    """Two values, told of few rows, and named like the flag: the flag is the label."""
    found = draft(subscribers("MS"))
    assert (found.label.column.name, found.label.positive) == ("churned", "Yes")
    assert "churn_reason" not in found.label.others


def test_of_a_product_what_was_made_from_the_outcome_is_no_feature() -> None:
    rng = np.random.default_rng(1)
    area, rate = rng.gamma(8, 15, 400).round(), rng.normal(4000, 300, 400).round(1)
    sold = times(400) + pd.to_timedelta(rng.integers(0, 300, 400), unit="min")
    frame = pd.DataFrame(
        {"listing_id": range(400), "sold_at": sold, "area": area, "price": area * rate}
    )
    frame = frame.assign(price_per_m2=rate, floor=rng.integers(0, 9, 400))
    found = draft(frame)
    assert found.label.column.name == "price"
    assert "product or quotient" in found.leaks["price_per_m2"].reason
    assert found.leaks["price_per_m2"].certain
    assert list(found.features) == ["area", "floor"]


def test_the_number_of_somebody_is_no_feature() -> None:
    frame = orders().assign(card=lambda f: f["customer_id"] * 7919 % 10_007)
    found = draft(frame)
    assert "identifier" in found.left_out["card"]
    assert "card" not in found.features
