"""Calibration agrees with an unpenalised logistic regression, and says nothing where there is no finite answer."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from monitoring.calibration import calibration, calibration_influence, log_odds

extreme_scores = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 1.0, 5e-324, 1e-6, 0.5, 1 - 1e-16]))
scored = st.lists(st.tuples(st.integers(0, 1), extreme_scores), min_size=1, max_size=40)


def some_scores(n=2_000, *, seed=0, intercept=0.4, slope=0.7):
    """Scores whose true calibration is known."""
    rng = np.random.default_rng(seed)
    x = rng.normal(-2, 1.2, n)
    return (rng.random(n) < expit(intercept + slope * x)).astype(int), expit(x)


def in_the_large(y, p):
    """The one number to add to all log-odds, by bisection."""
    return brentq(lambda extra: expit(log_odds(p) + extra).sum() - y.sum(), -60, 60, xtol=1e-13)


def slope_of(y, p):
    x = log_odds(p)[:, None]
    return LogisticRegression(C=np.inf, tol=1e-10, max_iter=2_000).fit(x, y).coef_[0, 0]


def overlap(y, x):
    """Neither outcome lies wholly on one side: only then does a finite slope exist."""
    bad, good = x[y == 1], x[y == 0]
    return len(bad) and len(good) and max(bad.min(), good.min()) < min(bad.max(), good.max())


@pytest.mark.parametrize("seed", range(4))
def test_slope_and_intercept_are_those_of_a_logistic_regression(seed):
    y, p = some_scores(seed=seed)
    told = calibration(y, p)
    assert told.slope == pytest.approx(slope_of(y, p), rel=1e-4)
    assert told.intercept == pytest.approx(in_the_large(y, p), abs=1e-9)


def test_true_calibration_is_found_within_four_standard_errors():
    y, p = some_scores(100_000)
    told, rows = calibration(y, p), len(y)
    _, of_slope = calibration_influence(y, p)
    assert abs(told.slope - 0.7) < 4 * of_slope.std() / rows**0.5
    perfect = calibration(*some_scores(100_000, intercept=0, slope=1))
    assert perfect == pytest.approx((0, 1), abs=0.05)


@given(scored)
@settings(deadline=None, max_examples=300)
def test_any_scores_give_a_finite_answer_or_none(rows):
    y, p = (np.array(column) for column in zip(*rows, strict=True))
    told, moved = calibration(y, p), calibration_influence(y, p)
    assert (told is None) == (moved is None)
    if told is None:
        return
    assert np.isfinite(told).all()
    for part in moved:
        assert np.isfinite(part).all()
        assert part.shape == y.shape
        assert abs(part.mean()) < 1e-6 * max(1.0, np.abs(part).max())
    assert expit(log_odds(p) + told.intercept).sum() == pytest.approx(y.sum(), abs=1e-6)


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(1, 19).map(lambda k: k / 20)), min_size=4, max_size=40))
@settings(deadline=None)
def test_an_answer_is_given_exactly_where_outcomes_overlap(rows):
    y, p = (np.array(column) for column in zip(*rows, strict=True))
    told = calibration(y, p)
    assert (told is not None) == bool(overlap(y, p))
    if told is not None:
        assert told.slope == pytest.approx(slope_of(y, p), rel=2e-3, abs=2e-3)


@pytest.mark.parametrize(
    ("y", "p"),
    [
        pytest.param([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4], id="separable"),
        pytest.param([1, 1, 0, 0], [0.1, 0.2, 0.3, 0.4], id="separable the wrong way round"),
        pytest.param([0, 0, 1, 1], [0.0, 0.0, 1.0, 1.0], id="sure and right"),
        pytest.param([1, 1, 0, 0], [0.0, 0.0, 1.0, 1.0], id="sure and wrong"),
        pytest.param([0, 0, 1, 1], [0.1, 0.3, 0.3, 0.4], id="separable but for a tie"),
        pytest.param([0, 1, 0, 1], [0.3] * 4, id="one score only"),
        pytest.param([0, 0, 0], [0.1, 0.2, 0.3], id="nothing bad"),
        pytest.param([1, 1, 1], [0.1, 0.2, 0.3], id="nothing good"),
        pytest.param([1], [0.5], id="one row"),
        pytest.param([0, 1], [0.2, 0.9], id="two rows"),
    ],
)
def test_without_a_finite_answer_there_is_none(y, p):
    assert calibration(y, p) is None
    assert calibration_influence(y, p) is None


def test_many_separable_rows_do_not_hold_the_judging_up():
    y = np.arange(100_000) >= 90_000
    started = time.process_time()
    assert calibration(y, np.linspace(0, 1, len(y))) is None
    assert time.process_time() - started < 5  # 50 steps of Newton's method at most: 0.3 s here


def test_influences_are_what_leaving_a_row_out_does():
    y, p = some_scores(400)
    told, moved = calibration(y, p), calibration_influence(y, p)
    for row in range(0, 400, 7):
        kept = np.arange(400) != row
        without = calibration(y[kept], p[kept])
        for part, name in zip(moved, ("intercept", "slope"), strict=True):
            left = (getattr(told, name) - getattr(without, name)) * 399
            assert left == pytest.approx(part[row], rel=0.12, abs=0.05), (row, name)


def test_log_odds_stop_short_of_infinity():
    assert log_odds([0.0, 0.5, 1.0]).tolist() == pytest.approx([-np.log(1e6 - 1), 0, np.log(1e6 - 1)])


@pytest.mark.parametrize("measure", [calibration, calibration_influence])
@pytest.mark.parametrize(("y", "p"), [([], []), ([0, 1], [0.5]), ([0, 2], [0.5, 0.5]), ([0, 1], [0.5, 2])], ids=str)
def test_calibration_refuses_what_is_not_probabilities_of_outcomes(measure, y, p):
    with pytest.raises(ValueError, match="expected"):
        measure(y, p)
