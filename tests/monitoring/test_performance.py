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


@given(scored)
@settings(deadline=None)
def test_log_loss_is_that_of_sklearn_with_sure_scores_moved(rows):
    y, p, _ = columns(rows)
    moved = np.clip(p, 1e-6, 1 - 1e-6)
    assert performance.log_loss(y, p) == pytest.approx(metrics.log_loss(y, moved, labels=[0, 1]))
    assert performance.log_loss(y, p) == pytest.approx(performance.surprise(y, p).mean())


def test_a_sure_and_wrong_score_costs_a_finite_amount():
    assert performance.log_loss([1, 0], [0.0, 1.0]) == pytest.approx(np.log(1e6))
    assert performance.log_loss([1, 0], [1.0, 0.0]) == pytest.approx(1e-6, rel=1e-3)


def win_matrix(y, score):
    """1 where the bad row beats the good one, one half for a tie, shape (bad, good)."""
    bad, good = score[y == 1][:, None], score[y == 0][None, :]
    return (bad > good) + 0.5 * (bad == good)


@given(scored)
@settings(deadline=None)
def test_placements_are_those_counted_pair_by_pair(rows):
    y, p, _ = columns(rows)
    if len(set(y)) == 1:
        return
    below, above = performance.placements(y == 1, p)
    assert below == pytest.approx(win_matrix(y, p).mean(axis=1))
    assert above == pytest.approx(win_matrix(y, p).mean(axis=0))


@given(scored)
@settings(deadline=None)
def test_scores_in_order_already_give_the_same(rows):
    y, p, _ = columns(rows)
    order = performance.ranked(p)
    assert np.array_equal(order.cuts[order.position], p)
    assert performance.ranked(order) is order
    for metric in (performance.auc, performance.gini, performance.ks):
        assert metric(y, order) == metric(y, p)


def test_scores_in_order_must_be_as_many_as_outcomes():
    with pytest.raises(ValueError, match="expected one value per outcome"):
        performance.auc([0, 1, 1], performance.ranked([0.1, 0.2]))


@given(scored)
@settings(deadline=None)
def test_f1_from_cells_is_f1_from_rows(rows):
    y, p, q = columns(rows)
    ours, theirs = p >= 0.5, q >= 0.5
    counts = np.bincount(performance.decision_cells(y, ours, theirs), minlength=performance.CELLS)
    assert performance.f1_of_cells(counts) == (performance.f1(y, ours), performance.f1(y, theirs))


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.9, 0.95]))
@settings(max_examples=50, deadline=None)
def test_the_interval_of_a_share_is_wilsons(counts, level):
    successes, trials = counts
    expected = stats.binomtest(successes, trials).proportion_ci(level, method="wilson")
    got = performance.wilson_interval(successes, trials, level=level)
    assert got == pytest.approx((expected.low, expected.high), abs=1e-9)


@pytest.mark.parametrize(
    "metric", [performance.brier, performance.log_loss, performance.auc, performance.gini, performance.ks]
)
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
        pytest.param([0, 1], [0.5, 10**400], id="a number too large for a float"),
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
