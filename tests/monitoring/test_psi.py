from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from monitoring.psi import psi, psi_rows

COUNTS = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), min_size=2, max_size=12).filter(
    lambda pairs: all(sum(side) > 0 for side in zip(*pairs, strict=True))
)


def test_psi_is_the_textbooks_sum_but_for_half_a_row_in_each_bin() -> None:
    p, q = np.array([600.5, 300.5, 100.5]) / 1001.5, np.array([250.5, 150.5, 100.5]) / 501.5
    expected = sum((q[i] - p[i]) * np.log(q[i] / p[i]) for i in range(3))
    assert psi(np.array([600, 300, 100]), np.array([250, 150, 100])) == pytest.approx(expected, rel=1e-12)


@given(counts=COUNTS)
def test_psi_is_never_negative_nor_infinite_nor_nan(counts: list[tuple[int, int]]) -> None:
    found = psi(*np.array(counts).T)
    assert np.isfinite(found)
    assert found >= 0


@given(counts=COUNTS)
def test_psi_is_the_same_from_either_side(counts: list[tuple[int, int]]) -> None:
    reference, current = np.array(counts).T
    assert psi(reference, current) == pytest.approx(psi(current, reference), rel=1e-9, abs=1e-15)


@given(counts=COUNTS, order=st.randoms())
def test_psi_does_not_see_the_order_of_the_bins(counts: list[tuple[int, int]], order: Any) -> None:
    shuffled = order.sample(counts, len(counts))
    assert psi(*np.array(shuffled).T) == pytest.approx(psi(*np.array(counts).T), rel=1e-9, abs=1e-15)


@given(counts=st.lists(st.integers(0, 10**6), min_size=2, max_size=12).filter(any))
def test_psi_of_equal_counts_is_exactly_zero(counts: list[int]) -> None:
    assert psi(np.array(counts), np.array(counts)) == 0


def test_psi_of_equal_shares_in_samples_of_different_size_is_next_to_nothing() -> None:
    shares = np.array([1, 3, 6])
    assert psi(shares * 1000, shares * 50) < 1e-5  # half a row weighs a little more in the smaller


def test_psi_grows_as_the_window_moves_away() -> None:
    reference = np.array([500, 500])
    found = [psi(reference, np.array([500 + moved, 500 - moved])) for moved in range(0, 501, 50)]
    assert (np.diff(found) > 0).all()


@pytest.mark.parametrize("shift", [0.1, 0.2, 0.5, 1.0])
def test_psi_of_a_normal_feature_that_moved_by_d_standard_deviations_is_d_squared(shift: float) -> None:
    edges = np.linspace(-6, 7, 400)
    shares = [np.diff(stats.norm.cdf(edges, loc=where)) for where in (0.0, shift)]
    counts = [np.round(share * 1e9).astype(np.int64) for share in shares]
    assert psi(counts[0], counts[1]) == pytest.approx(shift**2, rel=0.01)


@pytest.mark.parametrize(("before", "now"), [(0.2, 0.21), (0.2, 0.25), (0.5, 0.45), (0.02, 0.03)])
def test_psi_of_a_share_that_moved_is_the_square_of_cohens_h(before: float, now: float) -> None:
    h = 2 * np.arcsin(np.sqrt(now)) - 2 * np.arcsin(np.sqrt(before))
    counts = [np.array([round(share * 1e8), round((1 - share) * 1e8)]) for share in (before, now)]
    assert psi(counts[0], counts[1]) == pytest.approx(h**2, rel=0.02)


def test_bin_that_empties_does_not_make_it_infinite() -> None:
    assert 1 < psi(np.array([500, 500]), np.array([1000, 0])) < 10


@given(counts=st.lists(st.lists(st.integers(0, 1000), min_size=3, max_size=3).filter(any), min_size=1, max_size=5))
def test_many_windows_at_once_are_what_each_is_alone(counts: list[list[int]]) -> None:
    reference = np.array([300, 500, 200])
    alone = [psi(reference, np.array(window)) for window in counts]
    assert psi_rows(reference, np.array(counts)).tolist() == alone


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        pytest.param([[1, 2], [3, 4]], "same two or more bins", id="a table"),
        pytest.param([1, 2, 3], "same two or more bins", id="another number of bins"),
        pytest.param([1], "same two or more bins", id="one bin"),
        pytest.param([], "same two or more bins", id="no bin"),
        pytest.param([3, -1], "at least one row", id="a negative count"),
        pytest.param([0, 0], "at least one row", id="no row"),
    ],
)
def test_what_are_no_counts_over_the_same_bins_is_refused(bad: list[Any], complaint: str) -> None:
    good = np.array([1, 2])
    for sides in [(np.array(bad, dtype=int), good), (good, np.array(bad, dtype=int))]:
        with pytest.raises(ValueError, match=complaint):
            psi(*sides)
    if len(bad) < 2:
        with pytest.raises(ValueError, match=complaint):
            psi(np.array(bad, dtype=int), np.array(bad, dtype=int))
