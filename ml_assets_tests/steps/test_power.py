"""Power of single features beside scikit-learn and scipy, on random data and at the edges."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, rankdata, spearmanr
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.preprocessing import TargetEncoder

from ml_assets.steps.statistics.levels import Levels, binned, levels_of, midranks
from ml_assets.steps.statistics.power import (
    FOLDS,
    SMOOTHING,
    Power,
    mean_r2,
    monotone_r2,
    power_for_classes,
    power_for_numbers,
    rank_aucs,
    ranks_of,
    rate_aucs,
    spearman,
)

RNG = np.random.default_rng(5)
NUMBERS = st.one_of(
    st.integers(-3, 3).map(float), st.floats(allow_nan=True, allow_infinity=True, width=32)
)
COLUMN = st.lists(st.tuples(NUMBERS, st.booleans()), min_size=4, max_size=60)


def column(values: Any) -> pd.Series[Any]:
    return pd.Series(values)


def told(levels: Levels, numbers: np.ndarray) -> Power:
    return power_for_numbers(levels, numbers, ranks_of(numbers))


def one(label: Any) -> np.ndarray:
    return np.asarray(label, dtype="float64")[:, None]


@settings(deadline=None)
@given(COLUMN)
def test_auc_by_rank_is_scikit_learns_and_scipys(rows: list[tuple[float, bool]]) -> None:
    values, label = (np.array(x) for x in zip(*rows, strict=True))
    assume(label.any() and not label.all())
    above, below = rank_aucs(levels_of(column(values)), one(label))
    numbers = rankdata(values, nan_policy="omit")
    empty = np.isnan(values)
    for found, null in ((above, len(rows) + 1.0), (below, 0.0)):
        scores = np.where(empty, null, numbers)
        assert found[0] == pytest.approx(roc_auc_score(label, scores), abs=1e-12)
        u = mannwhitneyu(scores[label], scores[~label]).statistic
        assert found[0] == pytest.approx(u / (label.sum() * (~label).sum()), abs=1e-12)


@settings(deadline=None)
@given(COLUMN, st.randoms(use_true_random=False))
def test_rank_correlation_is_scipys(rows: list[tuple[float, bool]], random: Any) -> None:
    values = np.array([v for v, _ in rows])
    other = np.array([random.randint(0, 5) for _ in rows])
    levels = levels_of(column(values))
    ranks = np.where(np.isnan(values), len(rows) + 1.0, rankdata(values, nan_policy="omit"))
    assume(len(set(ranks)) > 1 and len(set(other)) > 1)
    found = spearman(levels, ranks_of(other.astype("float64")))
    assert found == pytest.approx(spearmanr(ranks, other).statistic, abs=1e-9)


@settings(deadline=None)
@given(st.lists(st.integers(-4, 4), min_size=1, max_size=40))
def test_midranks_are_scipys(values: list[int]) -> None:
    levels = levels_of(column([float(v) for v in values]))
    assert midranks(levels.sizes())[levels.codes].tolist() == rankdata(values).tolist()
    assert ranks_of(np.array(values, dtype="float64")).tolist() == rankdata(values).tolist()


def folded(codes: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Encode each fold with a TargetEncoder that saw the others."""
    encoded = np.empty(len(codes))
    fold = np.arange(len(codes)) % FOLDS
    for number in range(FOLDS):
        out = fold == number
        encoder = TargetEncoder(smooth=SMOOTHING, target_type="continuous")
        encoder.fit(codes[~out][:, None], target[~out])
        encoded[out] = encoder.transform(codes[out][:, None])[:, 0]
    return encoded


@pytest.mark.parametrize("count", [1, 3, 40, 700])
def test_out_of_fold_means_are_those_of_a_target_encoder(count: int) -> None:
    codes = RNG.integers(0, count, 1000)
    numbers = codes % 7 + RNG.normal(0, 3, 1000)
    label = (numbers > 3).astype("float64")
    levels = levels_of(column([f"level {c}" for c in codes]))
    names = levels.codes.astype("float64")
    assert rate_aucs(levels, one(label))[0] == pytest.approx(
        roc_auc_score(label, folded(names, label).round(12)), abs=0.01
    )
    expected = r2_score(numbers, folded(names, numbers))
    assert mean_r2(levels, numbers) == pytest.approx(expected, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1.0, -1.0]))
def test_the_monotone_fit_is_scikit_learns(seed: int, sign: float) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 30, 200).astype("float64")
    numbers = sign * values**2 + rng.normal(0, 40, 200)
    half, predicted = np.arange(200) % 2, np.empty(200)
    for h in (0, 1):
        fit = half == h
        # In ranks, as ours: the same order, and the same way between two values of the fit.
        curve = IsotonicRegression(increasing=sign > 0, out_of_bounds="clip")
        ranks = rankdata(values)
        predicted[~fit] = curve.fit(ranks[fit], numbers[fit]).predict(ranks[~fit])
    found = monotone_r2(levels_of(column(values)), numbers, ranks_of(numbers))
    assert found == pytest.approx(r2_score(numbers, predicted), abs=1e-9)


@pytest.mark.parametrize(
    "values",
    [
        np.zeros(400),
        np.full(400, np.nan),
        np.full(400, np.inf),
        np.array(["same"] * 400, dtype=object),
        np.array([None] * 400, dtype=object),
        np.array([f"id {i}" for i in range(400)], dtype=object),
    ],
    ids=["constant", "null", "infinite", "one string", "no string", "ids"],
)
def test_what_tells_nothing_has_no_power(values: np.ndarray) -> None:
    label = RNG.integers(0, 2, 400)
    levels = levels_of(column(values))
    assert power_for_classes(levels, one(label)).value == pytest.approx(0.5, abs=1e-12)
    assert told(levels, RNG.normal(size=400)).value == 0.0


def test_a_unique_id_tells_nothing_whatever_its_length() -> None:
    """A million levels, in seconds."""
    rows = 10**6
    label = RNG.random(rows) < 0.3
    started = time.perf_counter()
    levels = levels_of(column(pd.Series(np.arange(rows)).astype(str) + "-x"))
    assert levels.count == rows
    assert power_for_classes(levels, one(label)).value == 0.5
    assert told(levels, RNG.normal(size=rows)).value == 0.0
    assert time.perf_counter() - started < 30


def test_levels_that_are_balanced_by_design_do_not_look_powerful() -> None:
    """One row of each five is positive: leaving a row out of its own level's rate would tell it."""
    groups = np.repeat(np.arange(400), 5)
    label = np.tile([1, 0, 0, 0, 0], 400)
    order = RNG.permutation(2000)
    levels = levels_of(column([f"g{g}" for g in groups[order]]))
    assert power_for_classes(levels, one(label[order])).value == 0.5


def test_either_direction_and_any_shape_counts() -> None:
    label = RNG.integers(0, 2, 3000)
    falling = levels_of(column(-label + RNG.normal(0, 0.1, 3000)))
    assert power_for_classes(falling, one(label)).value == pytest.approx(1.0, abs=1e-6)
    # Far from 0 on both sides: rank says nothing, bins do.
    shape = np.where(label == 1, RNG.choice([-1, 1], 3000) * 5.0, 0.0) + RNG.normal(0, 0.3, 3000)
    found = power_for_classes(levels_of(column(shape)), one(label))
    assert found.by == "bins"
    assert found.value > 0.97
    numbers = np.abs(shape) + RNG.normal(0, 0.1, 3000)
    found = told(levels_of(column(shape)), numbers)
    assert found.by == "bins"
    assert found.value > 0.9


def test_a_proxy_of_a_long_tailed_number_is_found() -> None:
    cost = RNG.lognormal(3, 2, 5000)
    proxy = levels_of(column(cost * RNG.uniform(0.99, 1.01, 5000)))
    found = told(proxy, cost)
    assert (found.by, found.value > 0.999) == ("rank", True)
    tail = np.where(RNG.random(5000) < 0.02, RNG.lognormal(5, 0.5, 5000), 0) + RNG.random(5000)
    found = told(levels_of(column(tail + RNG.normal(0, 1, 5000))), tail)
    assert (found.by, found.value > 0.9) == ("monotone fit", True)


def test_null_is_a_level_of_its_own() -> None:
    label = RNG.integers(0, 2, 1000)
    values = np.where(label == 1, np.nan, RNG.normal(size=1000))
    assert power_for_classes(levels_of(column(values)), one(label)).value == pytest.approx(1.0)
    names = np.where(label == 1, None, "there")
    assert power_for_classes(levels_of(column(names)), one(label)).value == pytest.approx(1.0)
    assert told(levels_of(column(values)), label * 9.0).value > 0.99


def test_of_several_classes_the_mean_counts() -> None:
    """As for iris: a petal tells one class apart, and says less of the other two."""
    classes = np.repeat([0, 1, 2], 500)[RNG.permutation(1500)]
    hits = (classes[:, None] == [0, 1, 2]).astype("float64")
    one_class = levels_of(column((classes == 0) + RNG.normal(0, 0.01, 1500)))
    found = power_for_classes(one_class, hits)
    assert 0.8 < found.value < 0.9
    names = levels_of(column([["x", "z", "y"][c] for c in classes]))
    assert power_for_classes(names, hits).value == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        ([True, False, True], [0.0, 1.0]),
        ([2, 10, 3], [2.0, 3.0, 10.0]),
        (["2", "10", "3.5"], [2.0, 3.5, 10.0]),
        (["2", "x", "3.5"], None),
        ([np.inf, -np.inf, None], [-np.inf, np.inf]),
    ],
)
def test_levels_of_each_type(values: list[Any], numbers: list[float] | None) -> None:
    found = levels_of(column(values))
    assert (found.numbers is None) == (numbers is None)
    if numbers is not None:
        assert found.numbers is not None
        assert found.numbers.tolist() == numbers


@settings(deadline=None)
@given(st.lists(NUMBERS, min_size=1, max_size=200), st.integers(2, 10))
def test_bins_keep_order_null_and_equal_values_together(values: list[float], bins: int) -> None:
    levels = levels_of(column(np.array(values, dtype="float64")))
    found = binned(levels, bins)
    assert found.count - found.null <= max(bins, 1)
    assert found.null == levels.null
    assert len(found.codes) == len(values)
    pairs = {(a, b) for a, b in zip(levels.codes, found.codes, strict=True)}
    assert len(pairs) == levels.count
    ordered = [b for _, b in sorted(pairs)]
    assert ordered == sorted(ordered)
    assert set(found.codes) == set(range(found.count))


def test_one_row_is_no_error() -> None:
    levels = levels_of(column([1.0]))
    assert spearman(levels, ranks_of(np.array([1.0]))) == 0.0
    assert np.isnan(rank_aucs(levels, one([1]))[0]).all()
    assert np.isnan(monotone_r2(levels, np.array([1.0]), np.array([1.0])))
    assert np.isnan(mean_r2(levels, np.array([1.0])))
