from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats
from scipy.spatial import distance

from monitoring.distances import STAT_TEST, jensen_shannon, sorted_wasserstein, wasserstein_normed

SAMPLE = arrays.arrays(np.float64, st.integers(1, 30), elements=st.floats(-1e6, 1e6))
COUNTS = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1, max_size=12).filter(
    lambda pairs: all(sum(side) > 0 for side in zip(*pairs, strict=True))
)


def test_names_are_those_that_evidently_displays() -> None:
    assert STAT_TEST == {"numeric": "Wasserstein distance (normed)", "categorical": "Jensen-Shannon distance"}


# --- Wasserstein -------------------------------------------------------------------------------------------------


@given(sample=SAMPLE, seed=st.integers(0, 99))
def test_wasserstein_of_a_sample_and_itself_reordered_is_zero(sample: Any, seed: int) -> None:
    assert wasserstein_normed(sample, np.random.default_rng(seed).permutation(sample)) == 0


@given(reference=SAMPLE, shift=st.floats(-1e6, 1e6))
def test_wasserstein_of_a_shift_is_the_shift_in_standard_deviations(reference: Any, shift: float) -> None:
    moved = reference + shift
    expected = abs(shift) / max(float(np.std(reference)), 0.001)
    assert wasserstein_normed(reference, moved) == pytest.approx(expected, rel=1e-6, abs=1e-4)


@given(reference=SAMPLE, current=SAMPLE, order=st.randoms())
def test_wasserstein_does_not_see_the_order_of_rows(reference: Any, current: Any, order: Any) -> None:
    shuffled = np.array(order.sample(list(current), len(current)))
    assert wasserstein_normed(reference, shuffled) == wasserstein_normed(reference, current)


@pytest.mark.parametrize("bad", [[], [np.nan], [1.0, np.inf], [-np.inf]], ids=str)
def test_wasserstein_refuses_what_it_cannot_measure(bad: list[float]) -> None:
    good = np.array([1.0, 2.0])
    for reference, current in [(np.array(bad), good), (good, np.array(bad))]:
        with pytest.raises(ValueError, match="finite"):
            wasserstein_normed(reference, current)


def test_reference_too_spread_to_measure_does_not_divide_a_shift_down_to_nothing() -> None:
    with pytest.raises(ValueError, match="too large"):
        wasserstein_normed(np.array([-1e200, 1e200]), np.array([5e201]))


@given(reference=SAMPLE, current=SAMPLE)
def test_wasserstein_is_what_scipy_computes_in_standard_deviations(reference: Any, current: Any) -> None:
    expected = stats.wasserstein_distance(reference, current) / max(float(np.std(reference)), 0.001)
    assert wasserstein_normed(reference, current) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(reference=SAMPLE, current=SAMPLE)
def test_wasserstein_of_sorted_samples_is_the_same_to_the_last_digit(reference: Any, current: Any) -> None:
    ready = sorted_wasserstein(np.sort(reference), np.sort(current), spread=float(np.std(reference)))
    assert ready == wasserstein_normed(reference, current)


def test_wasserstein_of_a_constant_is_in_thousandths() -> None:
    assert wasserstein_normed(np.array([5.0, 5.0]), np.array([5.002])) == pytest.approx(2)


# --- Jensen-Shannon ----------------------------------------------------------------------------------------------


@given(counts=COUNTS)
def test_jensen_shannon_is_what_scipy_computes(counts: list[tuple[int, int]]) -> None:
    reference, current = np.array(counts, dtype=float).T
    expected = np.nan_to_num(distance.jensenshannon(reference, current))  # its rounding can leave the root of -1e-17
    assert jensen_shannon(*np.array(counts).T) == pytest.approx(float(expected), rel=1e-6, abs=1e-7)


@given(counts=COUNTS)
def test_jensen_shannon_is_symmetric_bounded_and_never_nan(counts: list[tuple[int, int]]) -> None:
    reference, current = np.array(counts).T
    distance = jensen_shannon(reference, current)
    assert distance == jensen_shannon(current, reference)
    assert 0 <= distance <= np.sqrt(np.log(2)) + 1e-12


@given(counts=COUNTS, times=st.integers(1, 1000))
def test_jensen_shannon_of_equal_shares_is_exactly_zero(counts: list[tuple[int, int]], times: int) -> None:
    reference = np.array(counts)[:, 0]
    assert jensen_shannon(reference, reference * times) == 0


def test_jensen_shannon_of_nearly_equal_shares_survives_rounding() -> None:
    counts = np.array([718_821_720, 889_487_834, 531_343_496])  # two rows more: the divergence rounds to -9e-18
    assert jensen_shannon(counts, counts + np.array([0, 2, 0])) == 0


def test_jensen_shannon_of_categories_with_nothing_in_common_is_the_root_of_ln_2() -> None:
    assert jensen_shannon(np.array([7, 0]), np.array([0, 3])) == pytest.approx(np.sqrt(np.log(2)), abs=1e-15)


@pytest.mark.parametrize("bad", [[0, 0], [3, -1], [1, 2, 3], []], ids=str)
def test_jensen_shannon_refuses_what_are_no_counts(bad: list[int]) -> None:
    good = np.array([1, 2])
    for sides in [(np.array(bad, dtype=int), good), (good, np.array(bad, dtype=int))]:
        with pytest.raises(ValueError, match="counts"):
            jensen_shannon(*sides)
