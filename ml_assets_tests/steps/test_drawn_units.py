"""Entities are drawn with all their rows: against drawing by hand, closed forms, and by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from ml_assets.spec.model_types import KINDS, METRICS
from ml_assets.steps.statistics.bootstrap import GROUPS, Drawing, Measured, paired_bootstrap
from ml_assets.steps.statistics.drawn_units import FEW, DrawnUnits, student_quantile
from ml_assets.steps.statistics.metric_sums import metric_sums
from ml_assets.steps.training.metrics import JUDGED
from ml_assets_tests.steps.test_bootstrap import compared, measured, rows_of

Z = 1.959964


def units_of(sizes):
    return DrawnUnits(np.repeat(np.arange(len(sizes)), sizes), len(sizes))


def by_units(model_type, labels, scores, units, *metrics, **drawing):
    """Compare in some metrics (none named: all)."""
    pair = [measured(model_type, labels, s) for s in scores]
    if metrics:
        pair = [Measured(m.scores, {k: m.metrics[k] for k in metrics}) for m in pair]
    return paired_bootstrap(model_type, labels, *pair, Drawing(**drawing), units=units)


def plain(model_type, metric, labels, scores):
    """One metric by its sums: quicker than scikit-learn's, which compute all."""
    sums = metric_sums(model_type, metric, labels, scores)
    return float(sums.value(sums.by_group(np.zeros(len(labels), dtype="int64"), 1))[0])


@pytest.mark.parametrize("model_type", KINDS)
@pytest.mark.parametrize("count", [90, 12])
def test_every_metric_is_that_of_the_drawn_rows(model_type, count):
    """Units of 1 to 5 rows, drawn by hand with the same draws, and measured by scikit-learn."""
    draws, judged = 30, JUDGED[model_type]
    sizes = np.random.default_rng(8).integers(1, 6, count)
    units = units_of(sizes)
    labels, pair = rows_of(model_type, int(sizes.sum()), seed=2)
    found = by_units(model_type, labels, pair, units, draws=draws)
    chosen = np.random.default_rng(Drawing().seed + 1).integers(0, count, (draws, count))
    rows = [np.concatenate([np.flatnonzero(units.of_row == u) for u in c]) for c in chosen]
    naive = [[judged.metrics(labels[r], s[r]) for r in rows] for s in pair]
    k = units.widening(0.95)
    assert (k == 1) is (count == 90)
    for metric, difference in found.items():
        sign = -1 if METRICS[metric].smaller_is_better else 1
        gains = [
            sign * (a[metric] - b[metric])
            for a, b in zip(*naive, strict=True)
            if metric in a and metric in b
        ]
        middle, ends = np.median(gains), np.quantile(gains, [0.025, 0.975])
        expected = middle + k * (ends - middle)
        assert [difference.low, difference.high] == pytest.approx(expected, abs=1e-9), metric
        assert difference.draws == len(gains)


@pytest.mark.parametrize("rows", [60, 3 * GROUPS])
def test_one_row_for_each_entity_is_the_bootstrap_of_rows(rows):
    labels, pair = rows_of("binary_classification", rows)
    plain = compared("binary_classification", labels, pair)
    assert by_units("binary_classification", labels, pair, units_of(np.ones(rows, int))) == plain


def correlated(rng, entities, rows, share):
    """Labels, and the scores of two equal models, each with luck of its own in every entity.

    ``share`` of the variance of an error is the entity's; labels of an entity go together, too.
    """
    of_row = np.repeat(np.arange(entities), rows)
    usual = rng.choice([0.05, 0.75], entities)[of_row]
    labels = (rng.random(len(of_row)) < usual).astype("float64")

    def scores():
        luck = np.sqrt(share) * rng.normal(size=entities)[of_row]
        noise = np.sqrt(1 - share) * rng.normal(size=len(of_row))
        return 1 / (1 + np.exp(-labels - luck - noise))

    return labels, [scores(), scores()], DrawnUnits(of_row, entities)


def share_of_errors(repetitions, entities, rows, metric, *, drawn=True, share=0.9):
    """How often the interval of two equal models says that they differ."""
    rng = np.random.default_rng(11)
    wrong = 0
    for _ in range(repetitions):
        labels, pair, units = correlated(rng, entities, rows, share)
        chosen = units if drawn else None
        both = [Measured(s, {metric: plain("probability", metric, labels, s)}) for s in pair]
        drawing = Drawing(draws=150)
        found = paired_bootstrap("probability", labels, *both, drawing, units=chosen)[metric]
        wrong += not found.low <= 0 <= found.high
    return wrong / repetitions


@pytest.mark.parametrize(
    ("metric", "rows", "repetitions"), [("brier", 20, 400), ("roc_auc", 6, 100)]
)
def test_equal_models_differ_about_as_often_as_declared(metric, rows, repetitions):
    """60 entities: 5 % are declared; drawing rows makes it more than a quarter."""
    assert 0.02 <= share_of_errors(repetitions, 60, rows, metric) <= 0.1
    assert share_of_errors(40, 60, rows, metric, drawn=False) > 0.25


def test_few_entities_do_not_make_it_more(monkeypatch):
    """8 entities: percentiles alone would be wrong three times as often as declared."""
    assert share_of_errors(400, 8, 10, "brier") <= 0.08
    monkeypatch.setattr(DrawnUnits, "widening", lambda *_: 1.0)
    assert share_of_errors(400, 8, 10, "brier") > 0.12


@pytest.mark.parametrize("entities", [400, 3 * GROUPS])
def test_the_spread_of_an_area_is_obuchowski_s(entities):
    """More entities than groups, too; the entities of a group stay whole."""
    labels, pair, units = correlated(np.random.default_rng(3), entities, 5, 0.9)
    spread, rows_spread = (
        (found.high - found.low) / (2 * Z)
        for found in (
            by_units("probability", labels, pair, u, "roc_auc")["roc_auc"] for u in (units, None)
        )
    )
    expected = obuchowski(labels, pair, units)
    assert spread == pytest.approx(expected, rel=0.12)
    assert rows_spread < 0.8 * expected


def obuchowski(labels, pair, units):
    """Standard error of the difference of two areas from clusters.

    Obuchowski, Nonparametric analysis of clustered ROC curve data, Biometrics 53 (1997): placement
    values are summed up by cluster, those of positive rows and of negative rows together.
    """
    from scipy.stats import rankdata

    positive, negative = labels == 1, labels == 0
    m, n, count = positive.sum(), negative.sum(), units.count
    sums = []
    for s in pair:
        every = rankdata(s)
        above = (every[positive] - rankdata(s[positive])) / n
        below = 1 - (every[negative] - rankdata(s[negative])) / m
        area = above.mean()
        of_positive = np.bincount(units.of_row[positive], above - area, count) / m
        of_negative = np.bincount(units.of_row[negative], below - area, count) / n
        sums.append(of_positive + of_negative)
    return np.sqrt(count / (count - 1) * ((sums[0] - sums[1]) ** 2).sum())


def test_a_series_is_drawn_in_blocks_of_time():
    """Errors that last for days: drawn row by row, equal models would differ far too often."""
    rng, wrong = np.random.default_rng(12), np.zeros(2)
    repetitions, days = 150, 400
    order = rng.permutation(days)
    for _ in range(repetitions):
        lasting = []
        for _ in range(2):
            error = rng.normal(size=days)
            for day in range(1, days):
                error[day] += 0.6 * error[day - 1]
            lasting.append(error[order])
        labels = np.zeros(days)
        for i, units in enumerate((DrawnUnits.blocks(order), None)):
            found = by_units("regression", labels, lasting, units, "mae", draws=200)["mae"]
            wrong[i] += not found.low <= 0 <= found.high
    assert wrong[0] / repetitions < 0.12
    assert wrong[1] > 1.5 * wrong[0]


@pytest.mark.parametrize("rows", [1, 2, 7, 8, 1000])
def test_blocks_hold_every_row_once_in_time(rows):
    times = np.random.default_rng(1).permutation(rows)
    units = DrawnUnits.blocks(times)
    ordered = units.of_row[np.argsort(times)]
    assert set(ordered) == set(range(units.count))
    assert (np.diff(ordered) >= 0).all()
    sizes = np.bincount(ordered)
    assert len(set(sizes[:-1])) <= 1
    assert sizes[0] == max(1, round(rows ** (1 / 3)))


def test_quantiles_of_student_are_scipy_s():
    from scipy.stats import t

    for freedom in (1, 1.5, 2, 7.3, 48.9):
        for upto in (0.75, 0.9, 0.975, 0.995):
            expected = t.ppf(upto, freedom)
            assert student_quantile(upto, freedom) == pytest.approx(expected, rel=1e-5)


def test_the_factor_falls_with_the_number_of_units():
    factors = [DrawnUnits.rows(n).widening(0.95) for n in range(2, FEW + 2)]
    assert factors[0] > 9
    assert factors == sorted(factors, reverse=True)
    assert factors[-2:] == [1, 1]
    assert factors[-3] < 1.04


def test_a_few_entities_with_most_of_the_rows_are_few():
    many = units_of(np.ones(200, int))
    lopsided = units_of([*[300] * 3, *[1] * 197])
    assert many.widening(0.95) == 1
    assert lopsided.effective == pytest.approx(4.5, abs=0.1)
    assert lopsided.widening(0.95) > 1.5


def test_one_entity_far_above_all_others_has_an_interval():
    labels, pair = rows_of("regression", 1009)
    found = by_units("regression", labels, pair, units_of([1000, *[1] * 9]), "mae")["mae"]
    assert np.isfinite([found.low, found.high]).all()
    assert found.low < found.difference < found.high


def test_one_unit_says_nothing():
    labels, pair = rows_of("regression", 100)
    for found in by_units("regression", labels, pair, units_of([100])).values():
        assert np.isnan([found.low, found.high]).all()


def test_few_units_of_one_class_each_say_nothing():
    """Only draws of both have an AUC, and all of these are the same rows: no interval of no width."""
    labels, scores = np.repeat([0, 1], 3), np.array([[0.1, 0.5, 0.2, 0.4, 0.6, 0.7], [0.5] * 6])
    found = by_units("binary_classification", labels, scores, units_of([3, 3]), "roc_auc")[
        "roc_auc"
    ]
    assert found.difference > 0.2
    assert np.isnan([found.low, found.high]).all()
