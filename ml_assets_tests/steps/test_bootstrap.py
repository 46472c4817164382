"""Metrics as functions of sums, and the paired bootstrap, against scikit-learn and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, median_absolute_error, root_mean_squared_error

from ml_assets.spec.errors import DataError
from ml_assets.spec.model_types import KINDS, METRICS
from ml_assets.steps.statistics.bootstrap import GROUPS, Drawing, Measured, paired_bootstrap
from ml_assets.steps.statistics.metric_sums import metric_sums
from ml_assets.steps.statistics.rank_sums import BINS
from ml_assets.steps.training.metrics import JUDGED


def rows_of(model_type, rows, seed=0, ties=False):
    """Labels, and the scores of two models, the first the better one."""
    rng = np.random.default_rng(seed)
    noise = [rng.normal(size=rows), rng.normal(size=rows)]
    if model_type == "regression":
        labels = rng.normal(size=rows)
        scores = [labels + 0.8 * noise[0], labels + noise[1]]
    elif model_type == "anomaly_detection":
        labels = np.where(rng.random(rows) < 0.2, -1.0, 1.0)
        labels[rng.random(rows) < 0.3] = np.nan
        scores = [(labels == -1) * 2 + n - 1 for n in noise]
    elif model_type == "multiclass_classification":
        labels = rng.integers(0, 4, rows).astype("float64")
        right = labels[:, None] == np.arange(4)
        scores = [np.exp(right * s + rng.normal(size=(rows, 4))) for s in (1.5, 1.0)]
        scores = [s / s.sum(axis=1, keepdims=True) for s in scores]
    else:
        labels = (rng.random(rows) < 0.3).astype("float64")
        scores = [1 / (1 + np.exp(1 - 2 * labels - n)) for n in noise]
    return labels, [np.round(s, 1) if ties and s.ndim == 1 else s for s in scores]


def measured(model_type, labels, scores):
    return Measured(scores, JUDGED[model_type].metrics(labels, scores))


def compared(model_type, labels, scores, **drawing):
    pair = [measured(model_type, labels, s) for s in scores]
    return paired_bootstrap(model_type, labels, *pair, Drawing(**drawing))


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("model_type", KINDS)
def test_functions_of_sums_are_the_metrics_themselves(model_type, ties):
    """Up to ``BINS`` rows to the last digits, and for any selection of the rows, as resampling makes."""
    labels, (scores, _) = rows_of(model_type, 400, ties=ties)
    every = np.arange(400)
    for chosen in (every, np.random.default_rng(1).integers(0, 400, 400)):
        counts = np.bincount(chosen, minlength=400).astype("float64")
        expected = JUDGED[model_type].metrics(labels[chosen], scores[chosen])
        assert set(expected) == set(KINDS[model_type].metrics)
        for metric, value in expected.items():
            sums = metric_sums(model_type, metric, labels, scores)
            got = sums.value(counts[None, :] @ sums.by_group(every, 400))[0]
            assert got == pytest.approx(value, rel=1e-9, abs=1e-12), metric


@pytest.mark.parametrize("model_type", KINDS)
def test_what_bins_hide_is_small(model_type):
    rows = 20 * BINS
    labels, (scores, _) = rows_of(model_type, rows)
    for metric, value in JUDGED[model_type].metrics(labels, scores).items():
        sums = metric_sums(model_type, metric, labels, scores)
        got = sums.value(sums.by_group(np.zeros(rows, dtype="int64"), 1))[0]
        assert got == pytest.approx(value, abs=2e-3), metric


@pytest.mark.parametrize("model_type", KINDS)
def test_intervals_are_those_of_the_naive_bootstrap(model_type):
    """With the same draws, to the last digits: rows are drawn one by one, metrics by scikit-learn."""
    rows, draws, judged = 120, 30, JUDGED[model_type]
    labels, pair = rows_of(model_type, rows)
    found = compared(model_type, labels, pair, draws=draws)
    chosen = np.random.default_rng(Drawing().seed + 1).integers(0, rows, (draws, rows))
    naive = [[judged.metrics(labels[c], s[c]) for c in chosen] for s in pair]
    plain = [judged.metrics(labels, s) for s in pair]
    for metric, difference in found.items():
        sign = -1 if METRICS[metric].smaller_is_better else 1
        gains = [sign * (a[metric] - b[metric]) for a, b in zip(*naive, strict=True)]
        ends = [difference.low, difference.high]
        assert ends == pytest.approx(np.quantile(gains, [0.025, 0.975]), abs=1e-9), metric
        assert (difference.candidate, difference.champion) == tuple(m[metric] for m in plain)
        assert difference.difference == pytest.approx(sign * (plain[0][metric] - plain[1][metric]))


@pytest.mark.parametrize(
    ("model_type", "metric", "library"),
    [
        ("binary_classification", "brier", brier_score_loss),
        ("regression", "rmse", root_mean_squared_error),
        ("regression", "median_ae", median_absolute_error),
    ],
)
def test_scipy_gives_the_same_interval_of_many_rows(model_type, metric, library):
    """More rows than groups and bins: the ends agree within a sixth of the interval's width."""
    from scipy.stats import bootstrap

    rows = 4 * GROUPS
    labels, pair = rows_of(model_type, rows, seed=3)
    found = compared(model_type, labels, pair)[metric]
    interval = bootstrap(
        (labels, *pair), lambda y, one, other: library(y, other) - library(y, one),
        paired=True, n_resamples=500, vectorized=False, method="percentile",
        rng=np.random.default_rng(5),
    ).confidence_interval  # fmt: skip
    width = interval.high - interval.low
    assert [found.low, found.high] == pytest.approx([interval.low, interval.high], abs=width / 6)


def test_the_spread_of_an_area_is_delong_s():
    """DeLong, DeLong, Clarke-Pearson (1988): the variance of a difference of two paired areas."""
    labels, pair = rows_of("binary_classification", 30_000, seed=4)
    found = compared("binary_classification", labels, pair)["roc_auc"]
    spread = (found.high - found.low) / (2 * 1.959964)
    assert spread == pytest.approx(delong(labels, *pair), rel=0.1)


def delong(labels, *pair):
    """Standard error of the difference of two areas, by placement values (O(n log n))."""
    from scipy.stats import rankdata

    positive, negative = labels == 1, labels == 0
    placed = []
    for s in pair:
        every = rankdata(s)
        above = (every[positive] - rankdata(s[positive])) / negative.sum()
        below = 1 - (every[negative] - rankdata(s[negative])) / positive.sum()
        placed.append((above, below))
    (a, b), (c, d) = placed
    return np.sqrt(np.var(a - c, ddof=1) / positive.sum() + np.var(b - d, ddof=1) / negative.sum())


def test_rare_positives_are_not_lost_in_the_groups():
    """One positive in 200 rows: most groups of 20 rows have none."""
    rng = np.random.default_rng(6)
    labels = (rng.random(20 * GROUPS) < 0.005).astype("float64")
    pair = [1 / (1 + np.exp(-labels - rng.normal(size=len(labels)))) for _ in range(2)]
    found = compared("binary_classification", labels, pair)["roc_auc"]
    spread = (found.high - found.low) / (2 * 1.959964)
    assert spread == pytest.approx(delong(labels, *pair), rel=0.15)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), rows=st.integers(30, 1500))
def test_a_model_against_itself_differs_by_nothing(seed, rows):
    labels, (scores, _) = rows_of("binary_classification", rows, seed)
    for found in compared("binary_classification", labels, [scores, scores], draws=100).values():
        assert (found.difference, found.low, found.high) == (0, 0, 0)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), rows=st.integers(60, 1500))
def test_exchanged_models_have_the_mirrored_interval(seed, rows):
    labels, pair = rows_of("regression", rows, seed)
    there = compared("regression", labels, pair, draws=100)
    back = compared("regression", labels, pair[::-1], draws=100)
    for metric, found in there.items():
        mirrored = back[metric]
        assert found.difference == pytest.approx(-mirrored.difference)
        assert (found.low, found.high) == pytest.approx((-mirrored.high, -mirrored.low))


def test_the_better_model_is_better_in_every_metric():
    """Whichever way a metric points: above 0 the candidate is better."""
    labels, pair = rows_of("regression", 2000)
    assert all(d.low > 0 for d in compared("regression", labels, pair).values())


def test_the_same_rows_give_the_same_numbers():
    labels, pair = rows_of("probability", 3000)
    assert compared("probability", labels, pair) == compared("probability", labels, pair)


def test_a_wider_confidence_gives_a_wider_interval():
    labels, pair = rows_of("regression", 500)
    narrow, wide = (compared("regression", labels, pair, confidence=c)["rmse"] for c in (0.8, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high


class TestEdges:
    def test_one_class_leaves_out_the_areas(self):
        scores = np.array([0.2, 0.4, 0.9])
        found = compared("binary_classification", np.zeros(3), [scores, scores], draws=100)
        assert set(found) == {"log_loss", "brier", "accuracy"}

    def test_draws_that_do_not_define_the_metric_are_not_counted(self):
        labels = np.array([1.0] + [0.0] * 20)
        scores = np.linspace(0.9, 0.1, 21)
        found = compared("binary_classification", labels, [scores, scores], draws=1000)
        assert 600 < found["roc_auc"].draws < 680  # 1 - 1/e of them draw the one positive row
        assert found["brier"].draws == 1000

    def test_one_row(self):
        one, other = np.array([2.0]), np.array([4.0])
        found = compared("regression", np.array([1.0]), [one, other], draws=100)
        assert set(found) == {"rmse", "mae", "median_ae"}
        assert {d.difference for d in found.values()} == {2.0}
        assert np.isnan([[d.low, d.high] for d in found.values()]).all()  # nobody can tell

    def test_all_scores_tied(self):
        labels, flat = np.array([0.0, 1.0] * 30), np.full(60, 0.5)
        found = compared("binary_classification", labels, [flat, flat], draws=100)
        assert found["roc_auc"].candidate == 0.5
        assert (found["roc_auc"].low, found["roc_auc"].high) == (0, 0)

    def test_labels_that_nobody_knows_weigh_nothing(self):
        labels, (scores, other) = rows_of("anomaly_detection", 500)
        known = ~np.isnan(labels)
        whole = compared("anomaly_detection", labels, [scores, other], draws=100)
        part = compared(
            "anomaly_detection", labels[known], [scores[known], other[known]], draws=100
        )
        assert whole["roc_auc"].difference == part["roc_auc"].difference
        nobody = np.full(500, np.nan)
        assert set(compared("anomaly_detection", nobody, [scores, other], draws=100)) == {
            "anomaly_share"
        }

    @pytest.mark.parametrize(
        ("labels", "one", "other"),
        [
            ([1.0, 0.0], [0.5, np.nan], [0.5, 0.5]),
            ([1.0, 0.0], [0.5, 0.5], [0.5]),
            ([], [], []),
        ],
    )
    def test_missing_scores_are_refused(self, labels, one, other):
        pair = [Measured(np.array(s), {"brier": 0.0}) for s in (one, other)]
        with pytest.raises(DataError, match=f"{len(labels)} labels, scores for"):
            paired_bootstrap("binary_classification", np.array(labels), *pair)
