"""The metrics agree with the field's reference implementations, and refuse what they cannot measure."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics

from monitoring import performance

coarse_scores = st.integers(0, 8).map(lambda k: k / 8)  # many ties
scored = st.lists(st.tuples(st.integers(0, 1), coarse_scores, coarse_scores), min_size=1, max_size=60)


def columns(rows):
    y, p, q = (np.array(column) for column in zip(*rows, strict=True))
    return y, p, q


@given(scored)
@settings(deadline=None)
def test_f1_and_the_confusion_counts_are_those_of_sklearn(rows):
    y, p, _ = columns(rows)
    decision = (p >= 0.5).astype(int)
    assert performance.f1(y, decision) == pytest.approx(metrics.f1_score(y, decision, zero_division=0.0))
    tn, fp, fn, tp = metrics.confusion_matrix(y, decision, labels=[0, 1]).ravel()
    assert performance.confusion(y, decision) == (tp, fp, fn, tn)


@given(scored)
@settings(deadline=None)
def test_brier_is_that_of_sklearn(rows):
    y, p, _ = columns(rows)
    assert performance.brier(y, p) == pytest.approx(metrics.brier_score_loss(y, p, pos_label=1))


@given(scored)
@settings(deadline=None)
def test_auc_gini_and_ks_are_those_of_sklearn_with_ties(rows):
    y, p, _ = columns(rows)
    if len(set(y)) == 1:
        assert performance.auc(y, p) is performance.gini(y, p) is performance.ks(y, p) is None
        return
    area = metrics.roc_auc_score(y, p)
    assert performance.auc(y, p) == pytest.approx(area)
    assert performance.gini(y, p) == pytest.approx(2 * area - 1)
    false_rate, true_rate, _ = metrics.roc_curve(y, p, drop_intermediate=False)
    assert performance.ks(y, p) == pytest.approx(np.abs(true_rate - false_rate).max())


def test_f1_of_nothing_bad_and_nothing_called_bad_is_zero_and_not_a_pass():
    assert performance.f1([0, 0], [0, 0]) == 0.0


def win_matrix(y, score):
    """1 where the bad row beats the good one, one half for a tie, shape (bad, good)."""
    bad, good = score[y == 1][:, None], score[y == 0][None, :]
    return (bad > good) + 0.5 * (bad == good)


@given(scored)
@settings(deadline=None)
def test_the_error_of_an_auc_difference_is_delongs_by_brute_force(rows):
    y, p, q = columns(rows)
    if min(y.sum(), (1 - y).sum()) < 2:
        assert performance.auc_difference_error(y, p, q) is None
        return
    wins = np.stack([win_matrix(y, p), win_matrix(y, q)])
    of_bad, of_good = np.cov(wins.mean(axis=2)), np.cov(wins.mean(axis=1))
    covariance = of_bad / y.sum() + of_good / (1 - y).sum()
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    assert performance.auc_difference_error(y, p, q) ** 2 == pytest.approx(variance, abs=1e-12)


@given(scored)
@settings(deadline=None)
def test_f1_from_cells_is_f1_from_rows(rows):
    y, p, q = columns(rows)
    ours, theirs = p >= 0.5, q >= 0.5
    counts = np.bincount(performance.decision_cells(y, ours, theirs), minlength=performance.CELLS)
    assert performance.f1_of_cells(counts) == (performance.f1(y, ours), performance.f1(y, theirs))


def test_the_multinomial_bootstrap_is_the_row_bootstrap():
    rng = np.random.default_rng(7)
    y = (rng.random(300) < 0.3).astype(int)
    ours, theirs = ((y + rng.normal(scale=0.8, size=300) > 0.5) for _ in range(2))
    cells = performance.decision_cells(y, ours, theirs)
    fast = performance.resampled_f1(np.bincount(cells, minlength=8), resamples=20_000, seed=1)
    picks = rng.integers(0, 300, size=(20_000, 300))
    tallies = np.stack([(cells[picks] == cell).sum(axis=1) for cell in range(8)], axis=1)
    slow = performance.f1_of_cells(tallies)
    quantiles = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]
    quick, plain = (np.quantile(draws[1] - draws[0], quantiles) for draws in (fast, slow))
    assert quick == pytest.approx(plain, abs=0.004)
    assert np.corrcoef(fast)[0, 1] == pytest.approx(np.corrcoef(slow)[0, 1], abs=0.03)


def test_cells_that_no_row_is_in_are_never_drawn():
    counts = np.array([90, 0, 0, 0, 0, 0, 0, 10])
    ours, theirs = performance.resampled_f1(counts, resamples=500, seed=3)
    assert np.array_equal(ours, theirs)
    assert set(ours) <= {0.0, 1.0}


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.9, 0.95]))
@settings(max_examples=50, deadline=None)
def test_the_interval_of_a_share_is_wilsons(counts, level):
    successes, trials = counts
    expected = stats.binomtest(successes, trials).proportion_ci(level, method="wilson")
    got = performance.wilson_interval(successes, trials, level=level)
    assert got == pytest.approx((expected.low, expected.high), abs=1e-9)


@pytest.mark.parametrize("metric", [performance.brier, performance.auc, performance.gini, performance.ks])
@pytest.mark.parametrize(
    ("y", "p"),
    [
        pytest.param([], [], id="no rows"),
        pytest.param([0, 1], [0.5], id="lengths differ"),
        pytest.param([0, 2], [0.5, 0.5], id="an outcome of 2"),
        pytest.param([0, None], [0.5, 0.5], id="an outcome unknown"),
        pytest.param([0, 1], [0.5, np.nan], id="a score that is NaN"),
        pytest.param([0, 1], [0.5, np.inf], id="an infinite score"),
        pytest.param([0, 1], [0.5, 1.01], id="a probability above one"),
        pytest.param([0, 1], [0.5, -0.01], id="a probability below zero"),
        pytest.param([0, 1], ["low", "high"], id="words"),
        pytest.param([[0, 1]], [[0.5, 0.5]], id="two dimensions"),
    ],
)
def test_a_metric_refuses_what_it_cannot_measure(metric, y, p):
    with pytest.raises(ValueError, match=r"expected"):
        metric(y, p)


@pytest.mark.parametrize(
    ("y", "decision"), [([], []), ([0, 1], [0]), ([0, 1], [0, 0.5]), ([0, np.nan], [0, 1])], ids=str
)
def test_f1_refuses_what_is_not_a_decision_per_outcome(y, decision):
    with pytest.raises(ValueError, match=r"expected"):
        performance.f1(y, decision)


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (-1, 5), (6, 5)])
def test_a_share_of_nothing_has_no_interval(successes, trials):
    with pytest.raises(ValueError, match="successes"):
        performance.wilson_interval(successes, trials)
