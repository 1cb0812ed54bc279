from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from monitoring.psi import psi_rows
from monitoring.thresholds import (
    FEWEST_VALUES,
    SIZES,
    TAIL,
    NullTail,
    look_level,
    material_psi,
    material_shares,
    null_tail,
    share_limits,
    surely_material,
)

PARTITIONS = {
    "ten equal bins": np.full(10, 1000),
    "three lopsided bins": np.array([9_400, 500, 100]),
    "two, one of them rare": np.array([9_900, 100]),
}
DRAWS = 200_000


@pytest.fixture(scope="module")
def tails() -> dict[str, NullTail]:
    return {name: null_tail(counts, rng=np.random.default_rng(7)) for name, counts in PARTITIONS.items()}


# --- the level of a look -----------------------------------------------------------------------------------------


def test_level_is_the_budget_shared_out_over_its_looks() -> None:
    level = look_level(false_alarms=2, per=timedelta(days=100), interval=timedelta(hours=6))
    assert level * 400 == pytest.approx(2)


def test_rare_looks_do_not_make_a_coin_of_one() -> None:
    assert look_level(false_alarms=1, per=timedelta(days=91), interval=timedelta(days=30)) == 0.01


@pytest.mark.parametrize(
    "impossible",
    [{"false_alarms": 0}, {"per": timedelta(0)}, {"interval": timedelta(0)}, {"false_alarms": -1}],
    ids=str,
)
def test_budget_that_makes_no_sense_is_refused(impossible: dict[str, Any]) -> None:
    good: dict[str, Any] = {"false_alarms": 1, "per": timedelta(days=91), "interval": timedelta(minutes=5)}
    with pytest.raises(ValueError, match="expected all > 0"):
        look_level(**good | impossible)


# --- how far chance moves a PSI ----------------------------------------------------------------------------------


def moved_by_chance(counts: np.ndarray, rows: int, *, reference_again: bool) -> np.ndarray:
    """PSI of 200,000 windows that chance alone drew; the reference drawn anew for each, too, or fixed."""
    rng, found = np.random.default_rng(11), []
    shares = counts / counts.sum()
    for _ in range(DRAWS // 20_000):
        windows = rng.multinomial(rows, shares, size=20_000)
        if reference_again:
            before = rng.multinomial(counts.sum(), shares, size=20_000) + 0.5
            p, q = before / before.sum(axis=1, keepdims=True), (windows + 0.5) / (rows + len(shares) / 2)
            found.append(np.sum((q - p) * np.log(q / p), axis=1))
        else:
            found.append(psi_rows(counts, windows))
    return np.concatenate(found)


@pytest.mark.parametrize("reference_again", [True, False], ids=["reference anew", "reference fixed"])
@pytest.mark.parametrize("rows", [200, 2_000])
@pytest.mark.parametrize("partition", PARTITIONS)
def test_chance_alone_passes_the_limit_no_more_often_than_its_level(
    tails: dict[str, NullTail], partition: str, rows: int, reference_again: bool
) -> None:
    """In equal bins to within half of it; where bins are few and rare, counts jump, and the far tail with them."""
    moved = moved_by_chance(PARTITIONS[partition], rows, reference_again=reference_again)
    room = 1.5 if partition == "ten equal bins" else 2.5
    for level in (1e-3, 1e-4):
        count = int((moved >= tails[partition].critical(rows, level)).sum())
        assert count <= room * level * DRAWS, f"{count} of {DRAWS}, {level * DRAWS:g} expected"


@pytest.mark.parametrize("rows", [400, 2_000, 50_000])
@pytest.mark.parametrize("level", [1e-3, 1e-4, 1e-6])
def test_limit_for_equal_bins_is_that_of_a_chi_square_and_not_much_more(
    tails: dict[str, NullTail], rows: int, level: float
) -> None:
    scaled = tails["ten equal bins"].critical(rows, level) / (1 / rows + 1 / 10_000)
    assert scaled == pytest.approx(stats.chi2.isf(level, df=9), rel=0.15)


def test_reference_as_small_as_the_window_is_not_taken_for_the_truth() -> None:
    counts = np.full(10, 40)
    tail = null_tail(counts, rng=np.random.default_rng(7), draws=4_000)
    limit = tail.critical(400, 1e-3)
    assert (moved_by_chance(counts, 400, reference_again=True) >= limit).mean() <= 1.5e-3
    assert limit > 1.5 * stats.chi2.isf(1e-3, df=9) / 400  # what it would be if the reference's shares were known


def test_limit_grows_with_the_certainty_asked_for(tails: dict[str, NullTail]) -> None:
    for tail in tails.values():
        limits = [tail.critical(700, level) for level in (TAIL, 1e-3, 1e-4, 1e-6, 1e-9)]
        assert (np.diff(limits) > 0).all()


@pytest.mark.parametrize("level", [1e-3, 1e-6])
def test_limit_falls_as_rows_are_added(tails: dict[str, NullTail], level: float) -> None:
    for tail in tails.values():
        limits = [tail.critical(rows, level) for rows in (*SIZES, 1_000_000)]
        assert (np.diff(limits) < 0).all()


def test_limit_between_two_sizes_lies_between_theirs_and_at_a_size_is_its_own() -> None:
    start = tuple(float(10 + i) for i in range(len(SIZES)))
    tail = NullTail(reference_rows=1000, start=start, excess=(2.0,) * len(SIZES))
    at = {rows: tail.critical(rows, TAIL) / (1 / rows + 1 / 1000) for rows in (200, 283, 400, 204_800, 10**7)}
    assert at[200] == pytest.approx(11)
    assert at[400] == pytest.approx(12)
    assert at[283] == pytest.approx(11.5, abs=0.01)  # half way by logarithm
    assert at[10**7] == at[204_800] == pytest.approx(19)  # beyond the last size as at it
    assert tail.critical(200, TAIL / np.e) == pytest.approx(13 * (1 / 200 + 1 / 1000))


@pytest.mark.parametrize(
    ("rows", "level"),
    [
        pytest.param(FEWEST_VALUES - 1, 1e-3, id="too few rows"),
        pytest.param(500, TAIL * 1.001, id="a level that the tail says nothing about"),
        pytest.param(500, 0.0, id="certainty"),
        pytest.param(500, float("nan"), id="NaN"),
    ],
)
def test_limit_that_the_tail_cannot_give_is_refused(rows: int, level: float) -> None:
    tail = NullTail(reference_rows=1000, start=(20.0,) * len(SIZES), excess=(2.0,) * len(SIZES))
    assert tail.critical(FEWEST_VALUES, TAIL) > 0
    with pytest.raises(ValueError, match="rows and a level"):
        tail.critical(rows, level)


def test_same_seed_gives_the_same_tail_and_another_nearly_the_same() -> None:
    counts = PARTITIONS["ten equal bins"]
    first, again, other = (null_tail(counts, rng=np.random.default_rng(seed), draws=4_000) for seed in (1, 1, 2))
    assert first == again != other
    assert first.critical(2_000, 1e-6) == pytest.approx(other.critical(2_000, 1e-6), rel=0.25)


def test_bin_that_the_reference_leaves_empty_makes_no_tail_infinite() -> None:
    tail = null_tail(np.array([1000, 0]), rng=np.random.default_rng(7), draws=400)
    assert min(tail.excess) >= 2
    assert np.isfinite(tail.critical(200, 1e-6))


def test_tail_reads_back_from_json_to_the_last_digit(tails: dict[str, NullTail]) -> None:
    for tail in tails.values():
        assert NullTail.from_json(json.loads(json.dumps(tail.to_json(), allow_nan=False))) == tail


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"start": (20.0,)}, "one start and one excess for each of"),
        ({"excess": (2.0,) * 3}, "one start and one excess for each of"),
        ({"start": (float("nan"),) * len(SIZES)}, "finite"),
        ({"excess": (float("inf"),) * len(SIZES)}, "finite"),
        ({"excess": (0.0,) * len(SIZES)}, "excess > 0"),
    ],
    ids=str,
)
def test_tail_that_makes_no_sense_is_refused(changes: dict[str, Any], complaint: str) -> None:
    tail = NullTail(reference_rows=1000, start=(20.0,) * len(SIZES), excess=(2.0,) * len(SIZES))
    with pytest.raises(ValueError, match=complaint):
        replace(tail, **changes)


# --- how far chance moves a share --------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [1e-2, 1e-3, 1e-6])
@pytest.mark.parametrize(("reference_rows", "rows"), [(300, 200), (300, 2_000), (3_000, 200)])
@pytest.mark.parametrize("share", [0.0005, 0.01, 0.2, 0.5, 0.97])
def test_share_that_has_not_changed_is_refused_no_more_often_than_the_level(
    reference_rows: int, rows: int, share: float, level: float
) -> None:
    """Exactly, over every reference and every window that can be drawn."""
    seen = np.arange(reference_rows + 1)
    low, high = share_limits(seen, np.full_like(seen, reference_rows), rows, level=level)
    below = stats.binom.cdf(np.where(np.isinf(low), -1, np.floor(low * rows + 1e-9)), rows, share)
    above = stats.binom.sf(np.where(np.isinf(high), rows, np.ceil(high * rows - 1e-9) - 1), rows, share)
    refused = float(stats.binom.pmf(seen, reference_rows, share) @ (below + above))
    assert refused <= level


@pytest.mark.parametrize("level", [1e-2, 1e-4])
@pytest.mark.parametrize("share", [0.05, 0.5])
def test_limits_on_a_large_reference_spend_most_of_the_level_and_no_more(share: float, level: float) -> None:
    rows = 20_000
    low, high = share_limits([round(share * 10**9)], [10**9], rows, level=level)
    refused = stats.binom.cdf(round(low[0] * rows), rows, share) + stats.binom.sf(
        round(high[0] * rows) - 1, rows, share
    )
    assert 0.7 * level < refused <= level


QUESTION = st.integers(1, 5_000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))


@given(
    questions=st.lists(QUESTION, min_size=1, max_size=4),
    rows=st.integers(1, 5_000),
    level=st.floats(1e-9, 0.05),
)
def test_limits_lie_on_either_side_of_what_the_reference_has(
    questions: list[tuple[int, int]], rows: int, level: float
) -> None:
    seen, total = np.array(questions).T
    low, high = share_limits(seen, total, rows, level=level)
    assert (low < seen / total).all()
    assert (high > seen / total).all()
    assert ((low >= 0) | (low == -np.inf)).all()
    assert ((high <= 1) | (high == np.inf)).all()

    without_low, without_high = share_limits(total - seen, total, rows, level=level)
    np.testing.assert_allclose(without_low, 1 - high, atol=1e-12)  # too few that have it are too many that have not
    np.testing.assert_allclose(without_high, 1 - low, atol=1e-12)

    alone = [share_limits([have], [of], rows, level=level) for have, of in questions]
    assert [float(each[0][0]) for each in alone] == low.tolist()

    stricter_low, stricter_high = share_limits(seen, total, rows, level=level / 10)
    assert (stricter_low <= low).all()
    assert (stricter_high >= high).all()


@pytest.mark.parametrize(
    ("seen", "rows", "side"),
    [
        pytest.param(0, 2_000, "low", id="less than never"),
        pytest.param(3_000, 2_000, "high", id="more than always"),
        pytest.param(1_500, 5, "low", id="five rows of a half, none"),
        pytest.param(1_500, 5, "high", id="five rows of a half, all"),
    ],
)
def test_side_on_which_no_window_can_be_refused_has_no_limit(seen: int, rows: int, side: str) -> None:
    low, high = share_limits([seen], [3_000], rows, level=1e-6)
    assert (low if side == "low" else high)[0] == (-np.inf if side == "low" else np.inf)


def test_share_of_which_nothing_was_seen_is_refused_from_a_few_rows_on() -> None:
    _, high = share_limits([0], [30_000], 2_000, level=1e-6)
    assert 5 <= high[0] * 2_000 <= 12


@pytest.mark.parametrize(
    ("seen", "total", "rows", "level"),
    [
        pytest.param(-1, 100, 200, 1e-3, id="fewer than none"),
        pytest.param(101, 100, 200, 1e-3, id="more than all"),
        pytest.param(0, 0, 200, 1e-3, id="no reference"),
        pytest.param(1, 100, 0, 1e-3, id="no window"),
        pytest.param(1, 100, 200, 0.0, id="certainty"),
        pytest.param(1, 100, 200, 1.0, id="a level of one"),
    ],
)
def test_question_that_makes_no_sense_is_refused(seen: int, total: int, rows: int, level: float) -> None:
    with pytest.raises(ValueError, match="expected 0 <= seen <= reference rows"):
        share_limits([seen], [total], rows, level=level)


# --- how far is material -----------------------------------------------------------------------------------------


@given(share=st.floats(0, 1), psi=st.floats(1e-4, 1))
def test_material_shares_are_cohens_h_away_on_either_side(share: float, psi: float) -> None:
    low, high = material_shares(share, psi=psi)
    assert low < share < high or share in (low, high)
    for limit in (low, high):
        if np.isfinite(limit):
            assert 0 <= limit <= 1
            h = 2 * np.arcsin(np.sqrt(limit)) - 2 * np.arcsin(np.sqrt(share))
            assert h**2 == pytest.approx(psi, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize(("share", "nowhere"), [(0.0, 0), (0.005, 0), (0.995, 1), (1.0, 1)])
def test_share_next_to_an_end_has_no_material_change_towards_it(share: float, nowhere: int) -> None:
    limits = material_shares(share, psi=0.04)
    assert limits[nowhere] == (-np.inf, np.inf)[nowhere]
    assert np.isfinite(limits[1 - nowhere])


@pytest.mark.parametrize("rows", [500, 2_000, 20_000])
def test_a_change_of_exactly_the_floor_is_called_material_in_one_window_of_twenty(rows: int) -> None:
    """A normal feature that moves by a fifth of its standard deviation, seen through ten bins of equal weight."""
    edges = stats.norm.ppf(np.arange(1, 10) / 10)
    moved = np.diff(np.concatenate([[0], stats.norm.cdf(edges - 0.2), [1]]))
    before = np.full(10, 1_000_000)
    floor = psi_rows(before, (moved * 1e9).astype(np.int64)[None])[0]
    limit = material_psi(floor, bins=10, rows=rows, reference_rows=10_000_000)
    seen = psi_rows(before, np.random.default_rng(3).multinomial(rows, moved, size=20_000))
    assert 0.03 <= (seen >= limit).mean() <= 0.08  # skewed where rows are few: 7.5 % at 500


def test_a_share_at_the_floor_is_called_material_in_at_most_one_window_of_twenty() -> None:
    for share in (0.0, 0.05, 0.2, 0.6):
        for rows in (300, 2_000):
            low, high = surely_material(share, rows=rows, psi=0.04)
            at_low, at_high = material_shares(share, psi=0.04)
            assert stats.binom.sf(np.ceil(high * rows - 1e-9) - 1, rows, at_high) <= 0.05
            if np.isfinite(low):
                assert stats.binom.cdf(np.floor(low * rows + 1e-9), rows, at_low) <= 0.05
                assert low < at_low < share < at_high < high


def test_nothing_is_surely_material_where_no_window_of_so_few_rows_could_show_it() -> None:
    assert surely_material(0.0, rows=2_000, psi=0.04)[0] == -np.inf
    assert surely_material(1.0, rows=2_000, psi=0.04)[1] == np.inf
