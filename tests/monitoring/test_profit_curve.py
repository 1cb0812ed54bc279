"""Profit by cut-off: nobody earns nothing, everybody earns all, and an interval holds what it promises."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.profit_curve import profit_at, profit_curve

ROWS = st.lists(st.tuples(st.floats(0, 1), st.floats(-1e6, 1e6)), min_size=1, max_size=60)


def columns(rows):
    return np.array([row[0] for row in rows]), np.array([row[1] for row in rows])


@given(ROWS)
def test_the_ends_are_nobody_and_everybody(rows):
    score, worth = columns(rows)
    curve = profit_curve(score, worth)
    assert (curve[0].approved, curve[0].profit) == (0.0, 0.0)
    assert curve[-1].approved == 1.0
    assert curve[-1].profit == pytest.approx(worth.mean(), abs=1e-6)
    assert [point.approved for point in curve] == sorted({point.approved for point in curve})


@given(ROWS, st.floats(0, 1))
def test_a_score_at_the_cut_off_is_declined_and_declining_is_worth_nothing(rows, cutoff):
    score, worth = columns(rows)
    found = profit_at(score, worth, cutoff)
    booked = [money for each, money in rows if each < cutoff]
    assert found.approved == pytest.approx(len(booked) / len(rows))
    assert found.profit == pytest.approx(sum(booked) / len(rows), abs=1e-6)


def test_one_row_has_no_interval():
    found = profit_at(np.array([0.2]), np.array([5.0]), 0.5)
    assert (found.profit, found.low, found.high) == (5.0, None, None)


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    rng, held, tries = np.random.default_rng(7), 0, 2000
    for _ in range(tries):
        score = rng.random(400)
        worth = np.where(rng.random(400) < score, -45.0, 5.0)
        found = profit_at(score, worth, 0.2)
        truth = 0.2 * (0.9 * 5.0 - 0.1 * 45.0)  # below the cut-off a tenth goes bad on average
        held += found.low <= truth <= found.high
    assert 0.87 <= held / tries <= 0.93


@pytest.mark.parametrize(
    ("score", "worth"), [([], []), ([0.1], [1.0, 2.0]), ([np.nan], [1.0]), ([0.1], [np.inf]), ([[0.1]], [[1.0]])]
)
def test_what_is_no_money_or_no_score_is_refused(score, worth):
    with pytest.raises(ValueError, match="expected"):
        profit_at(np.array(score), np.array(worth), 0.5)
