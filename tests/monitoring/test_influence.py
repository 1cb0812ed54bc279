"""Influences are what a row adds to a metric: they sum to nothing, and their spread is the metric's standard error."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics

from monitoring import influence, performance

coarse_scores = st.integers(0, 8).map(lambda k: k / 8)  # many ties, 0 and 1 among them
scored = st.lists(st.tuples(st.integers(0, 1), coarse_scores, coarse_scores), min_size=1, max_size=60)


def columns(rows):
    y, p, q = (np.array(column) for column in zip(*rows, strict=True))
    return y, p, q


def some_scores(n=400, *, seed=0):
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.3).astype(int)
    return y, *((0.3 + 0.2 * y + rng.normal(scale=0.2, size=n)).clip(0, 1) for _ in range(2))


def moved_weight(metric, y, p, *, by=1e-6):
    """By how much a metric of weighted rows moves per weight given to each row, the others giving it up evenly."""
    n = len(y)
    found = []
    for row in range(n):
        weights = np.full(n, (1 - by) / n)
        weights[row] += by
        found.append((metric(y, p, sample_weight=weights) - metric(y, p, sample_weight=np.full(n, 1 / n))) / by)
    return np.array(found)


def test_the_influence_on_f1_is_its_derivative_by_a_rows_weight():
    y, p, _ = some_scores(80)
    assert influence.of_f1(y, p >= 0.4) == pytest.approx(moved_weight(metrics.f1_score, y, p >= 0.4), abs=1e-4)


def test_the_influence_on_auc_is_its_derivative_by_a_rows_weight():
    y, p, _ = some_scores(80)
    assert influence.of_auc(y, p) == pytest.approx(moved_weight(metrics.roc_auc_score, y, p), abs=1e-4)
    tied = p.round(1)
    assert influence.of_auc(y, tied) == pytest.approx(moved_weight(metrics.roc_auc_score, y, tied), abs=1e-4)


def test_the_influence_on_a_mean_is_the_distance_from_it():
    assert influence.of_mean([1, 2, 6]).tolist() == [-2, -1, 3]


@given(scored)
@settings(deadline=None)
def test_influences_are_finite_and_sum_to_nothing(rows):
    y, p, q = columns(rows)
    for found in (influence.of_f1(y, p >= 0.5), influence.of_mean((p - y) ** 2), influence.of_auc(y, p)):
        if found is None:
            assert len(set(y)) == 1
            continue
        assert found.shape == y.shape
        assert np.isfinite(found).all()
        assert found.sum() == pytest.approx(0, abs=1e-9)
    assert influence.of_f1(y, np.zeros_like(y) if not y.any() else q >= 0.5).shape == y.shape


@given(scored)
@settings(deadline=None)
def test_the_spread_of_an_auc_difference_is_delongs_by_brute_force(rows):
    y, p, q = columns(rows)
    n, bad, good = len(y), int(y.sum()), int((1 - y).sum())
    if not bad or not good:
        assert influence.of_auc(y, p) is None
        return
    difference = influence.of_auc(y, q) - influence.of_auc(y, p)
    wins = win_matrix(y, q) - win_matrix(y, p)
    expected = wins.mean(axis=1).var() / bad + wins.mean(axis=0).var() / good
    assert difference.var() / n == pytest.approx(expected, abs=1e-12)


def win_matrix(y, score):
    """1 where the bad row beats the good one, one half for a tie, shape (bad, good)."""
    bad, good = score[y == 1][:, None], score[y == 0][None, :]
    return (bad > good) + 0.5 * (bad == good)


@pytest.mark.parametrize(
    ("statistic", "of"),
    [
        pytest.param(lambda y, p: metrics.f1_score(y, p >= 0.4), lambda y, p: influence.of_f1(y, p >= 0.4), id="f1"),
        pytest.param(metrics.roc_auc_score, influence.of_auc, id="auc"),
        pytest.param(metrics.brier_score_loss, lambda y, p: influence.of_mean((p - y) ** 2), id="brier"),
    ],
)
def test_the_error_of_a_difference_is_that_of_the_jackknife_and_of_scipys_bootstrap(statistic, of):
    y, p, q = some_scores()
    error = (of(y, q) - of(y, p)).std() / len(y) ** 0.5
    kept = [np.arange(len(y)) != row for row in range(len(y))]
    without = np.array([statistic(y[rows], q[rows]) - statistic(y[rows], p[rows]) for rows in kept])
    assert error == pytest.approx(without.std() * (len(y) - 1) ** 0.5, rel=0.02)

    def change(place):
        return statistic(y[place], q[place]) - statistic(y[place], p[place])

    drawn = stats.bootstrap((np.arange(len(y)),), change, n_resamples=800, vectorized=False, method="percentile", rng=1)
    assert error == pytest.approx(drawn.standard_error, rel=0.12)


def test_nothing_bad_and_nothing_called_bad_moves_f1_by_nothing():
    assert influence.of_f1([0, 0], [0, 0]).tolist() == [0, 0]


@given(scored)
@settings(deadline=None)
def test_the_cut_off_of_ks_is_where_the_gap_is(rows):
    y, p, _ = columns(rows)
    cut = influence.ks_cut(y, p)
    if len(set(y)) == 1:
        assert cut is None
        return
    assert abs((p[y == 1] >= cut).mean() - (p[y == 0] >= cut).mean()) == pytest.approx(performance.ks(y, p))


@pytest.mark.parametrize("metric", [influence.of_auc, influence.ks_cut])
def test_scores_in_order_already_give_the_same(metric):
    y, p, _ = some_scores()
    assert np.array_equal(metric(y, performance.ranked(p)), metric(y, p))


@pytest.mark.parametrize("metric", [influence.of_auc, influence.ks_cut])
@pytest.mark.parametrize(
    ("y", "p"), [([], []), ([0, 1], [0.5]), ([0, 2], [0.5, 0.5]), ([0, 1], [0.5, np.nan])], ids=str
)
def test_an_influence_refuses_what_is_not_scores_of_outcomes(metric, y, p):
    with pytest.raises(ValueError, match="expected"):
        metric(y, p)
