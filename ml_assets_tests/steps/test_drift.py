"""The population stability index beside scipy, the bins of each type, and what counts as drift."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import chi2, entropy

from ml_assets.rules.facts import ColumnDrift
from ml_assets.steps.measuring.drift import PIECES, Reference, References, scores_of, seconds_of
from ml_assets.steps.statistics.psi import FLOOR, Bins, psi, psi_by_chance
from ml_assets_tests import tiny

RNG = np.random.default_rng(3)
DAY = 86_400.0
COUNTS = st.lists(st.integers(1, 500), min_size=2, max_size=12)


@given(COUNTS, st.data())
def test_psi_is_both_divergences(expected: list[int], data: st.DataObject) -> None:
    same = st.lists(st.integers(1, 500), min_size=len(expected), max_size=len(expected))
    actual = data.draw(same)
    found = psi(np.array(expected), np.array(actual))
    wanted = entropy(expected, actual) + entropy(actual, expected)
    assert float(found) == pytest.approx(wanted, abs=1e-9)
    assert float(psi(np.array(actual), np.array(expected))) == pytest.approx(wanted, abs=1e-9)


def test_an_empty_bin_counts_as_a_ten_thousandth_or_half_a_row() -> None:
    for rows, least in ((40_000, FLOOR), (40, 0.5 / 40)):
        found = float(psi(np.array([500, 500]), np.array([0, rows])))
        wanted = (least - 0.5) * np.log(least / 0.5) + 0.5 * np.log(2)
        assert found == pytest.approx(wanted)
    assert float(psi(np.array([5, 0]), np.array([7, 0]))) == 0.0
    assert float(psi(np.array([0, 0]), np.array([7, 3]))) == 0.0
    assert psi_by_chance(np.array([5, 5]), np.array([0, 0])) == float("inf")


@pytest.mark.parametrize("bins", [2, 3, 11, 25])
def test_chance_is_the_quantile_of_chi_squared(bins: int) -> None:
    expected, actual = np.full(bins, 100), np.full(bins, 10)
    wanted = chi2.ppf(0.999, bins - 1) * (1 / (100 * bins) + 1 / (10 * bins))
    assert psi_by_chance(expected, actual) == pytest.approx(wanted, rel=0.05)


def test_samples_of_one_population_stay_below_chance() -> None:
    for rows in (10, 40, 300):
        over = 0
        for _ in range(500):
            expected, actual = RNG.multinomial(2000, [0.1] * 10), RNG.multinomial(rows, [0.1] * 10)
            over += float(psi(expected, actual)) > psi_by_chance(expected, actual)
        assert over <= 5, rows


@pytest.mark.parametrize(
    ("values", "edges"),
    [
        ([3.0] * 9, (np.nextafter(3.0, -np.inf), 3.0)),
        ([0.0] * 95 + [1.0] * 5, (0.0,)),
        ([False, True] * 10, (0.0, 1.0)),
        ([None, None], ()),
        ([np.inf, -np.inf, np.nan], ()),
        (list(range(10)), tuple(range(9))),
        ([7], (np.nextafter(7.0, -np.inf), 7.0)),
    ],
    ids=["constant", "mostly zero", "boolean", "null", "infinite", "integers", "one row"],
)
def test_bins_of_numbers(values: list[Any], edges: tuple[float, ...]) -> None:
    column = pd.Series(values).astype("float64")
    bins = Bins.of(column)
    assert bins.edges == edges
    assert bins.counts(column).sum() == len(values)


def test_ten_bins_hold_a_tenth_each() -> None:
    column = pd.Series(RNG.normal(size=10_000))
    counts = Bins.of(column).counts(column)
    assert counts.tolist() == [1000] * 10 + [0]


def test_values_are_put_where_they_belong() -> None:
    bins = Bins((0.0, 2.0))
    column = pd.Series([-np.inf, 0.0, 0.5, 2.0, 2.1, np.inf, np.nan])
    assert bins.place(column).tolist() == [0, 0, 1, 1, 2, 2, 3]
    assert Bins((0.0,)).place(pd.Series(["x", "1"], dtype=object)).tolist() == [2, 1]
    names = pd.Series(["Oslo"] * 60 + ["Rome"] * 40 + ["Bonn"], dtype=object)
    bins = Bins.of(names)
    assert bins.levels == ("Oslo", "Rome")
    assert bins.place(pd.Series(["Rome", "Oslo", "Paris", None])).tolist() == [1, 0, 2, 3]


def test_of_many_levels_the_twenty_frequent_ones_have_a_bin() -> None:
    names = pd.Series([f"c{i}" for i in range(50) for _ in range(100 - i)], dtype=object)
    assert Bins.of(names).levels == tuple(f"c{i}" for i in range(20))
    ids = pd.Series(np.arange(10**6)).astype(str).astype(object)
    assert Bins.of(ids).levels == ()
    assert Bins.of(ids).counts(ids).tolist() == [10**6, 0]


@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=80))
@example([-sys.float_info.max])
def test_every_value_has_exactly_one_bin(values: list[float]) -> None:
    column = pd.Series(values)
    bins = Bins.of(column)
    place = bins.place(column)
    assert ((place >= 0) & (place < bins.count)).all()
    assert (place == bins.count - 1).tolist() == column.isna().tolist()
    assert float(psi(bins.counts(column), bins.counts(column))) == 0.0
    assert [bins.name(i) for i in range(bins.count)][-1] == "null"


def drift(train: Any, batch: Any, *, days: float = 1.0, times: Any = None) -> ColumnDrift:
    """Compare a batch of some days with a hundred days of training rows."""
    train, batch = pd.Series(train, name="x"), pd.Series(batch, name="x")
    when = np.linspace(0, 100 * DAY, len(train)) if times is None else times
    known = References(len(train), 100 * DAY, (Reference.of(train, when),))
    found = known.compared({"x": batch}, days * DAY, len(batch))
    assert (found.unmeasured, found.rows, found.reference_rows) == ("", len(batch), len(train))
    return found.columns[0]


NORMAL = RNG.normal(size=20_000)


def test_a_shift_is_seen_and_a_batch_of_the_same_is_not() -> None:
    same = drift(NORMAL, RNG.normal(size=2000))
    moved = drift(NORMAL, RNG.normal(1, 1, size=2000))
    assert same.psi < 0.05
    assert moved.psi > 0.5 > max(moved.by_chance, moved.usual)
    assert moved.moved.startswith("above 1.2")
    unit = drift(NORMAL, 100 * RNG.normal(size=2000))
    assert unit.psi > 1


def test_new_nulls_new_levels_and_a_moved_constant_are_seen() -> None:
    nulls = np.where(np.arange(2000) % 2 == 0, np.nan, RNG.normal(size=2000))
    found = drift(NORMAL, nulls)
    assert (found.psi > 1, found.moved) == (True, "null: 0.0% before, 50.0% now")
    levels = drift(["a", "b"] * 500, ["a", "new"] * 200)
    assert (levels.psi > 1, levels.moved) == (True, "'b': 50.0% before, 0.0% now")
    for value in (2.9, 3.1):
        assert drift([3.0] * 1000, [value] * 100).psi > 1
    assert drift([3.0] * 1000, [3.0] * 100).psi == 0.0


def test_a_column_that_follows_the_calendar_is_usual() -> None:
    """A day looks like no hundred days, but like other days."""
    times = np.linspace(0, 100 * DAY, 20_000)
    wave = np.sin(times / DAY / 5)
    one_day = drift(wave, np.sin(np.linspace(40, 41, 500) / 5), times=times)
    assert one_day.psi > 1
    assert one_day.psi < one_day.usual
    broken = drift(wave + RNG.normal(0, 0.3, 20_000), np.full(500, 40.0), days=60.0, times=times)
    assert broken.usual == 0.0  # windows of more than half of the training set say nothing
    assert broken.psi > 1


def test_windows_are_as_long_as_the_batch_in_the_time_of_each_column() -> None:
    """Scores are of the holdout: ten days of a hundred are half of its twenty."""
    times = np.linspace(0, 20 * DAY, 20_000)
    wave = np.sin(times / DAY / 5)
    scores = Reference.of(pd.Series(wave, name="prediction"), times)
    known = References(20_000, 100 * DAY, (scores,))
    (ten_days,) = known.compared({"prediction": pd.Series(wave[:10_000])}, 10 * DAY, 10_000).columns
    windows = [wave[i : i + 10_000] for i in range(0, 10_001, 400)]
    every = [
        float(psi(scores.bins.counts(pd.Series(wave)), scores.bins.counts(pd.Series(w))))
        for w in windows
    ]
    assert ten_days.usual == pytest.approx(max(every), rel=0.05)
    assert References.from_json(known.to_json()) == known


def test_few_rows_are_no_drift() -> None:
    found = drift(NORMAL, RNG.normal(size=15))
    assert found.psi < found.by_chance


def test_a_reference_is_the_same_after_it_was_stored() -> None:
    spec = tiny.spec()
    when = pd.Series(pd.date_range("2024-01-01", periods=300, freq="h", tz="UTC"))
    train = pd.DataFrame(
        {
            "asked_at": when,
            "amount": RNG.normal(size=300),
            "visits": RNG.integers(0, 9, 300).astype("float64"),
            "city": RNG.choice(["Oslo", "Rome", None], 300),
            "age": 3.0,
        }
    )
    judged = train.assign(prediction=RNG.integers(0, 2, 300))
    first = References.of(spec, train, judged)
    again = References.from_json(first.to_json())
    assert again == first
    json.loads(first.to_json(), parse_constant=pytest.fail)
    assert [c.name for c in again.columns] == ["amount", "visits", "city", "age", "prediction"]
    assert all(len(c.pieces) == PIECES for c in again.columns)
    batch = {n: train[n] for n in spec.features if n != "city"}
    batch["prediction"] = scores_of(spec, judged["prediction"])
    found = again.compared(batch, DAY, 300)
    assert found.unmeasured == "the batch has no column city"
    assert {c.name: c.psi for c in found.columns} == {
        "amount": 0.0, "visits": 0.0, "age": 0.0, "prediction": 0.0,
    }  # fmt: skip


def test_scores_are_classes_or_numbers() -> None:
    classes = scores_of(tiny.spec(), pd.Series([0, 1, None]))
    assert classes.tolist() == ["0", "1", None] or classes.isna().tolist() == [False, False, True]
    numbers = scores_of(tiny.regression(), pd.Series([0.5, None], dtype=object))
    assert (numbers.dtype, numbers[0], numbers.isna().sum()) == ("float64", 0.5, 1)


@pytest.mark.parametrize("unit", ["s", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC"])
def test_seconds_whatever_the_unit(unit: Any, zone: Any) -> None:
    times = pd.Series(pd.to_datetime(["1970-01-02", "1970-01-03"])).dt.as_unit(unit)
    found = seconds_of(times.dt.tz_localize(zone) if zone else times)
    assert found.tolist() == [DAY, 2 * DAY]
