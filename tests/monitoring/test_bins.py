from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from monitoring.bins import (
    MOST_BINS,
    OTHER,
    SMALLEST_SHARE,
    CategoryBins,
    NumericBins,
    bins_from_json,
    bins_to_json,
    category_bins,
    numeric_bins,
)

ANY = arrays.arrays(np.float64, st.integers(1, 60), elements=st.floats(allow_nan=False, allow_infinity=False))
LUMPY = st.lists(st.tuples(st.integers(-5, 60), st.integers(1, 400)), min_size=1, max_size=40).map(
    lambda parts: np.repeat([float(value) for value, _ in parts], [times for _, times in parts])
)
VALUES = ANY | LUMPY


# --- numbers -----------------------------------------------------------------------------------------------------


@given(values=VALUES)
@example(values=np.array([-1.7e308, 1.7e308]))
@example(values=np.array([5e-324, 0.0, -5e-324]))
@example(values=np.array([1.0, math.nextafter(1.0, 2), math.nextafter(1.0, 0)]))
def test_every_value_falls_in_exactly_one_of_at_most_ten_bins(values: Any) -> None:
    bins = numeric_bins(values)
    assert 1 <= bins.size <= MOST_BINS
    assert bins.count(values).sum() == len(values)
    bounds = [-np.inf, *bins.edges, np.inf]
    for value, place in zip(values, bins.place(values), strict=True):
        assert bounds[place] <= value < bounds[place + 1]


@given(values=VALUES)
def test_bin_holds_one_percent_of_the_reference_unless_there_are_but_two(values: Any) -> None:
    bins = numeric_bins(values)
    assert (bins.count(values) > 0).all()
    if bins.size > 2:
        assert bins.count(values).min() >= SMALLEST_SHARE * len(values)
    assert (bins.size == 1) is (len(np.unique(values)) == 1)


@given(values=VALUES, order=st.randoms())
def test_bins_do_not_see_the_order_of_rows(values: Any, order: Any) -> None:
    assert numeric_bins(np.array(order.sample(list(values), len(values)))) == numeric_bins(values)


@given(values=LUMPY, scale=st.sampled_from([0.25, 4.0, 1024.0]), shift=st.integers(-1000, 1000))
def test_bins_move_with_the_unit_of_the_feature(values: Any, scale: float, shift: int) -> None:
    moved = values * scale + shift
    assert numeric_bins(moved).count(moved).tolist() == numeric_bins(values).count(values).tolist()


@pytest.mark.parametrize("rows", [1000, 1001, 9999, 30_000])
def test_values_that_differ_make_ten_bins_of_equal_weight(rows: int) -> None:
    values = np.random.default_rng(1).normal(size=rows)
    counts = numeric_bins(values).count(values)
    assert len(counts) == 10
    assert counts.max() - counts.min() <= 10  # each of the first nine is one row over, at most


def test_fewer_bins_can_be_asked_for() -> None:
    values = np.arange(1000.0)
    assert numeric_bins(values, most=4).count(values).tolist() == [250] * 4


def test_edges_lie_midway_so_that_half_a_percent_of_a_whole_age_moves_nobody() -> None:
    ages = np.random.default_rng(2).integers(18, 96, size=30_000).astype(float)
    bins = numeric_bins(ages)
    assert all(edge % 1 == 0.5 for edge in bins.edges)
    assert (bins.place(ages * 1.005) == bins.place(ages)).all()
    assert (bins.place(ages * 0.995) == bins.place(ages)).all()


@pytest.mark.parametrize("zeros", [0.5, 0.84, 0.94, 0.97])
def test_heavy_zeros_leave_a_visible_tail(zeros: float) -> None:
    rows = 10_000
    tail = np.random.default_rng(3).geometric(0.5, size=round(rows * (1 - zeros))).astype(float)
    values = np.concatenate([np.zeros(rows - len(tail)), tail])
    bins = numeric_bins(values)
    assert bins.count(values)[0] == rows - len(tail)  # zero has a bin to itself,
    assert bins.size >= 3  # and what is not zero has more than one
    assert bins.edges[0] == 0.5


def test_heavy_value_in_the_middle_has_a_bin_of_its_own() -> None:
    values = np.concatenate([np.linspace(0, 1, 500), np.full(300, 1.5), np.linspace(2, 3, 500)])
    bins = numeric_bins(values)
    inside = bins.place(np.array([1.5]))[0]
    assert bins.count(values)[inside] == 300


def test_value_that_is_heavy_only_once_the_heaviest_has_its_bin_has_one_too() -> None:
    values = np.concatenate([np.zeros(5_000), np.linspace(1, 2, 2_110), np.full(800, 3.0), np.linspace(4, 5, 2_090)])
    bins = numeric_bins(values)  # 8 % is no tenth of all, but more than a ninth of the half that is not zero
    assert bins.count(values)[bins.place(np.array([3.0]))[0]] == 800


def test_rare_side_of_two_values_keeps_its_bin_however_rare() -> None:
    values = np.array([0.0] * 9_999 + [1.0])
    assert numeric_bins(values).count(values).tolist() == [9_999, 1]


def test_tail_too_rare_to_judge_joins_its_smaller_neighbour() -> None:
    values = np.array([0.0] * 600 + [1.0] * 300 + [2.0] * 95 + [3.0] * 5)
    assert numeric_bins(values).count(values).tolist() == [600, 300, 100]


def test_value_never_seen_falls_in_the_outer_bins() -> None:
    bins = numeric_bins(np.arange(1000.0))
    assert bins.place(np.array([-1e308, 1e308])).tolist() == [0, 9]


def test_value_on_an_edge_belongs_above_it() -> None:
    assert NumericBins(edges=(1.5, 2.5)).place(np.array([1.5, math.nextafter(1.5, 0), 2.5])).tolist() == [1, 0, 2]


@pytest.mark.parametrize("bad", [[], [1.0, np.nan], [np.inf, 1.0]], ids=str)
def test_values_that_cannot_be_binned_are_refused(bad: list[float]) -> None:
    with pytest.raises(ValueError, match="at least one, all finite"):
        numeric_bins(np.array(bad))


@pytest.mark.parametrize("edges", [(2.0, 1.0), (1.0, 1.0), (math.nan,), (1.0, math.inf)], ids=str)
def test_edges_that_do_not_rise_are_refused(edges: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="finite numbers that rise"):
        NumericBins(edges=edges)


def test_bins_are_named_in_words() -> None:
    assert NumericBins(edges=(0.5, 1500.0)).names() == ["below 0.5", "0.5 to 1,500", "1,500 and more"]
    assert NumericBins(edges=()).names() == ["all"]


# --- categories --------------------------------------------------------------------------------------------------

TEXTS = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=200).map(lambda names: np.array(names, dtype=object))


@given(values=TEXTS, now=st.lists(st.sampled_from("abcxyz"), max_size=20))
def test_every_category_has_one_bin_and_the_never_seen_share_the_last(values: Any, now: list[str]) -> None:
    bins = category_bins(values)
    window = np.array(now, dtype=object)
    assert bins.count(values).sum() == len(values)
    assert bins.count(window).sum() == len(now)
    for name, place in zip(now, bins.place(window), strict=True):
        assert bins.names()[place] == (name if name in bins.categories else OTHER)


@given(values=TEXTS, order=st.randoms())
def test_category_bins_do_not_see_the_order_of_rows(values: Any, order: Any) -> None:
    shuffled = np.array(order.sample(list(values), len(values)), dtype=object)
    assert category_bins(shuffled) == category_bins(values)


def test_categories_are_in_order_of_weight_and_then_of_name() -> None:
    assert category_bins(np.array(["b", "a", "c", "c"], dtype=object)).categories == ("c", "a", "b")


@pytest.mark.parametrize(("rows", "kept"), [(10, ("a", "b")), (9, ("a",))], ids=["one percent", "just below"])
def test_category_below_one_percent_shares_the_bin_of_the_others(rows: int, kept: tuple[str, ...]) -> None:
    values = np.array(["b"] * rows + ["a"] * (1000 - rows), dtype=object)
    bins = category_bins(values)
    assert bins.categories == kept
    assert bins.size == len(kept) + 1


def test_category_that_is_called_other_is_not_mixed_up_with_the_rest() -> None:
    bins = category_bins(np.array([OTHER] * 50 + ["a"] * 50, dtype=object))
    assert bins.count(np.array([OTHER, "never seen"], dtype=object)).tolist() == [0, 1, 1]


# --- JSON --------------------------------------------------------------------------------------------------------


@given(values=ANY)
def test_numeric_bins_read_back_from_json_to_the_last_digit(values: Any) -> None:
    bins = numeric_bins(values)
    assert bins_from_json(json.loads(json.dumps(bins_to_json(bins), allow_nan=False))) == bins


@pytest.mark.parametrize("bins", [NumericBins(edges=()), CategoryBins(categories=()), CategoryBins(categories=("é",))])
def test_bins_of_either_kind_read_back_from_json(bins: Any) -> None:
    assert bins_from_json(json.loads(json.dumps(bins_to_json(bins)))) == bins
