"""The parts of the segments add up to the change of the mean score, whatever the windows hold."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from monitoring.worst_segments import worst_segments

rows = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("xy"), st.floats(0, 1)), min_size=1, max_size=40)


def split(before, now):
    """Rows of (value of "one", value of "two", score) on both sides, as segments and scores."""
    columns = [list(zip(*side, strict=True)) for side in (before, now)]
    segments = [{"one": np.array(c[0], dtype=np.str_), "two": np.array(c[1], dtype=np.str_)} for c in columns]
    return worst_segments(*segments, reference_scores=columns[0][2], window_scores=columns[1][2])


@given(rows, rows)
@settings(deadline=None)
def test_the_parts_of_every_segment_add_up_to_the_change_of_the_mean_score(before, now):
    shifts = split(before, now)
    total = np.mean([row[2] for row in now]) - np.mean([row[2] for row in before])
    for name in ("one", "two"):
        own = [shift for shift in shifts if shift.segment == name]
        assert sum(shift.mix + shift.within for shift in own) == pytest.approx(total, abs=1e-12)
        assert sum(shift.contribution for shift in own) == pytest.approx(total, abs=1e-12)
        assert sum(shift.reference_rows for shift in own) == len(before)
        assert sum(shift.window_rows for shift in own) == len(now)


@given(rows, rows)
@settings(deadline=None)
def test_exchanging_the_sides_turns_every_part_over(before, now):
    there = {(shift.segment, shift.value): shift for shift in split(before, now)}
    for back in split(now, before):
        forth = there[back.segment, back.value]
        assert (back.mix, back.within) == pytest.approx((-forth.mix, -forth.within), abs=1e-12)


@given(rows)
@settings(deadline=None)
def test_the_same_rows_on_both_sides_contribute_nothing(side):
    assert {shift.contribution for shift in split(side, side)} == {0.0}


@given(rows, rows)
@settings(deadline=None)
def test_the_largest_part_comes_first_and_every_number_can_be_written(before, now):
    shifts = split(before, now)
    sizes = [abs(shift.contribution) for shift in shifts]
    assert sizes == sorted(sizes, reverse=True)
    assert len(json.loads(json.dumps([shift.to_json() for shift in shifts], allow_nan=False))) == len(shifts)


def shift_of(value, before, now):
    (found,) = (shift for shift in split(before, now) if shift.value == value)
    return found


def test_more_of_a_risky_segment_is_mix_and_a_higher_score_inside_is_within():
    before = [("a", "x", 0.1)] * 8 + [("b", "x", 0.5)] * 2
    more = shift_of("b", before, [("a", "x", 0.1)] * 5 + [("b", "x", 0.5)] * 5)
    assert more.within == 0 and more.mix == pytest.approx(0.3 * (0.5 - (0.18 + 0.3) / 2))
    riskier = shift_of("b", before, [("a", "x", 0.1)] * 8 + [("b", "x", 0.9)] * 2)
    assert riskier.mix == 0 and riskier.within == pytest.approx(0.4 * 0.2)


def test_a_segment_that_scores_below_the_portfolio_raises_the_score_by_shrinking():
    before = [("a", "x", 0.1)] * 8 + [("b", "x", 0.5)] * 2
    assert shift_of("a", before, [("a", "x", 0.1)] * 5 + [("b", "x", 0.5)] * 5).mix > 0


def test_a_value_that_one_side_lacks_is_mix_alone_and_has_no_mean_there():
    new = shift_of("b", [("a", "x", 0.1)] * 4, [("a", "x", 0.1)] * 2 + [("b", "x", 0.5)] * 2)
    assert (new.reference_rows, new.reference_mean, new.change, new.change_interval, new.within) == (
        *(0, None, None, None),
        0.0,
    )
    assert new.window_mean == 0.5 and new.mix == pytest.approx(0.5 * (0.5 - 0.2))


def test_the_interval_of_the_change_is_welchs():
    rng = np.random.default_rng(1)
    before, now = rng.beta(2, 8, size=30), rng.beta(4, 8, size=12)
    found = shift_of("a", [("a", "x", s) for s in before], [("a", "x", s) for s in now])
    expected = stats.ttest_ind(now, before, equal_var=False).confidence_interval(0.95)
    assert found.change_interval == pytest.approx((expected.low, expected.high))
    assert found.change == pytest.approx(now.mean() - before.mean())


def test_one_row_has_no_interval():
    found = shift_of("a", [("a", "x", 0.1)] * 5, [("a", "x", 0.3)])
    assert found.change == pytest.approx(0.2) and found.change_interval is None


ONE = {"one": np.array(["a"])}


@pytest.mark.parametrize(
    ("before", "now", "scores", "message"),
    [
        pytest.param(ONE, {"two": np.array(["a"])}, ([0.1], [0.1]), "same on both sides", id="other segments"),
        pytest.param(ONE, ONE, ([0.1, 0.2], [0.1]), "expected 2 values in the reference", id="lengths differ"),
        pytest.param(ONE, ONE, ([0.1], [0.1, 0.2]), "expected 2 values in the window", id="lengths of the window"),
        pytest.param(ONE, ONE, ([], [0.1]), "at least one row", id="no rows"),
        pytest.param(ONE, ONE, ([0.1], [np.nan]), r"finite probabilities", id="no number"),
        pytest.param(ONE, ONE, ([0.1], [1.1]), r"finite probabilities", id="no probability"),
    ],
)
def test_what_does_not_fit_together_is_refused(before, now, scores, message):
    with pytest.raises(ValueError, match=message):
        worst_segments(before, now, reference_scores=scores[0], window_scores=scores[1])


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"window_rows": -1}, id="fewer than no rows"),
        pytest.param({"window_mean": None}, id="rows without a mean"),
        pytest.param({"window_rows": 0}, id="a mean without rows"),
        pytest.param({"mix": float("nan")}, id="no number"),
    ],
)
def test_a_shift_that_contradicts_itself_is_refused(changes):
    found = shift_of("a", [("a", "x", 0.1)] * 5, [("a", "x", 0.3)])
    with pytest.raises(ValueError):
        replace(found, **changes)
