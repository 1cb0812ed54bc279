"""The simulated gates are the product's gates: the same windows, row by row, get the same verdict and interval."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.performance import f1_of_cells
from monitoring.skewed_t import limits
from pipeline.errors import InputError
from pipeline.gate.budget import spendable
from pipeline.gate.checks import all_checks
from pipeline.gate.evidence import evidence
from pipeline.gate.rows import JudgedRows
from pipeline.gate.simulate import (
    Behaviour,
    Frequency,
    Windows,
    behaviour_of,
    f1_windows,
    plain_rule_passes,
    simulate,
    year_of_tries,
)
from pipeline.gate.values import GatePolicy, Outcome

POLICY = GatePolicy(resamples=200)
NOW = datetime(2026, 11, 23, tzinfo=UTC)
WEEK = timedelta(days=7)
REAL = Behaviour(
    base_rate=0.067,
    f1=0.436,
    called_bad=0.08,
    challenger_called_bad=0.082,
    disagreement_bad=0.006,
    disagreement_good=0.019,
)


def as_rows(counts):
    """The window that these counts per cell describe, written out row by row."""
    cell = np.repeat(np.arange(8), counts)
    return JudgedRows(
        ids=[f"{number:06d}" for number in range(len(cell))],
        y=cell // 4,
        champion_score=cell // 2 % 2,
        challenger_score=cell % 2,
        champion_threshold=0.5,
        challenger_threshold=0.5,
        mature_rows=len(cell),
    )


def judged(counts, *, waited=WEEK):
    """G1 and G4 of the product, and the interval G4 saw."""
    last = NOW - waited
    alpha = spendable(policy=POLICY, as_of=NOW, last_try_at=last)
    found = evidence(as_rows(counts), policy=POLICY, alpha=alpha)
    checks = {
        check.code: check
        for check in all_checks(found, policy=POLICY, as_of=NOW, last_promotion_at=None, last_try_at=last)
    }
    return checks["G1"].outcome, checks["G4"].outcome, found.trial


def verdict(windows: Windows, place: int, alpha: float) -> Outcome:
    """G4's outcome as the simulation's pieces say it."""
    if not windows.positives[place]:
        return Outcome.UNDECIDED
    if not (windows.reached()[place] and windows.lead[place] > 0):
        return Outcome.FAILED
    return Outcome.PASSED if windows.lower_limit(alpha)[place] > 0 else Outcome.UNDECIDED


@pytest.mark.parametrize(("gain", "rows"), [(0.0, 300), (0.1, 1000), (0.3, 800), (0.15, 2000)])
def test_windows_get_the_verdict_and_the_interval_that_the_product_gives_them(gain, rows):
    counts = np.random.default_rng(rows).multinomial(rows, REAL.cells(gain), size=50)
    alpha = spendable(policy=POLICY, as_of=NOW, last_try_at=NOW - WEEK)
    windows = f1_windows(counts, POLICY)
    low, high = limits(windows.gain, windows.around, alpha=alpha)
    passes, seen = windows.passes(alpha, POLICY), set()
    for place, cells in enumerate(counts):
        first, fourth, trial = judged(cells)
        seen.add(fourth)
        assert fourth is verdict(windows, place, alpha)
        assert bool(windows.enough(POLICY)[place]) is (first is Outcome.PASSED)
        assert bool(passes[place]) is (first is fourth is Outcome.PASSED)
        assert trial.gain == windows.gain[place]
        assert trial.error == pytest.approx(windows.around.error[place], rel=1e-9)
        assert (trial.interval.low, trial.interval.high) == pytest.approx((low[place], high[place]), rel=1e-9)
    assert len(seen) > 1, "these windows try one verdict only"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=8, max_size=8).filter(lambda counts: sum(counts) > 0))
def test_any_window_at_all_gets_the_product_s_verdict(counts):
    alpha = spendable(policy=POLICY, as_of=NOW, last_try_at=NOW - WEEK)
    windows = f1_windows(np.array([counts]), POLICY)
    first, fourth, _ = judged(counts)
    assert fourth is verdict(windows, 0, alpha)
    assert bool(windows.passes(alpha, POLICY)[0]) is (first is fourth is Outcome.PASSED)


@pytest.mark.parametrize("gain", [-0.05, 0.0, 0.02, 0.1])
def test_cells_hold_the_f1_the_base_rate_and_the_decisions_that_were_asked(gain):
    cells = REAL.cells(gain)
    caught, called = cells[[5, 7]].sum(), cells[[1, 3, 5, 7]].sum()
    assert cells.sum() == pytest.approx(1)
    assert cells[4:].sum() == pytest.approx(REAL.base_rate)
    assert cells[[2, 3, 6, 7]].sum() == pytest.approx(REAL.called_bad)
    assert called == pytest.approx(REAL.challenger_called_bad)
    assert 2 * caught / (REAL.base_rate + called) == pytest.approx(REAL.f1 * (1 + gain))
    assert cells[[5, 6]].sum() == pytest.approx(REAL.disagreement_bad)


def test_a_pair_is_read_back_from_its_counts():
    found = behaviour_of(np.round(REAL.cells(0.0) * 1e9).astype(np.int64))
    for name in Behaviour.__dataclass_fields__:
        assert getattr(found, name) == pytest.approx(getattr(REAL, name), rel=1e-6)


def test_a_gain_that_takes_more_disagreement_gets_what_it_takes():
    cells = REAL.cells(0.5)
    moved = REAL.f1 * (0.067 + 0.082) / 2 * 1.5 - REAL.f1 * (0.067 + 0.08) / 2
    assert cells[5] - cells[6] == pytest.approx(moved)
    assert cells[6] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"base_rate": 0.0}, id="nothing goes bad"),
        pytest.param({"f1": 1.2}, id="F1 above 1"),
        pytest.param({"called_bad": float("nan")}, id="not a number"),
        pytest.param({"disagreement_bad": -0.1}, id="a negative share"),
        pytest.param({"called_bad": 0.9, "f1": 0.9}, id="no model can do that"),
    ],
)
def test_impossible_behaviour_is_refused(changes):
    with pytest.raises(InputError):
        Behaviour(**{name: getattr(REAL, name) for name in Behaviour.__dataclass_fields__} | changes).cells(0.0)


def test_a_gain_out_of_reach_is_refused():
    with pytest.raises(InputError, match="out of reach"):
        REAL.cells(1.4)


def test_a_window_too_small_spends_nothing_and_the_next_try_may_spend_more():
    small, strong = [930, 0, 0, 30, 20, 0, 0, 20], [855, 10, 12, 30, 40, 25, 8, 20]
    assert sum(small[4:]) < POLICY.min_positives <= sum(strong[4:])

    def year(*counts):
        return year_of_tries(f1_windows(np.array([counts]), POLICY), policy=POLICY, every=WEEK)[0].tolist()

    assert year(strong, strong, strong) == [True, False, False]  # the first has a quarter's budget, the next a week's
    assert year(strong, small, small, small, strong) == [True, False, False, False, True]
    assert year(small, strong, strong) == [False, True, False]


def test_the_plain_rule_takes_the_gain_at_its_word():
    better, equal, few = [150, 5, 0, 10, 10, 10, 2, 20], [150, 0, 5, 10, 10, 5, 5, 20], [15, 1, 0, 1, 1, 1, 0, 2]
    assert [
        bool(plain_rule_passes(f1_windows(np.array([counts]), POLICY), POLICY)[0]) for counts in (better, equal, few)
    ] == [True, True, False]


def test_an_equal_challenger_is_promoted_in_no_more_years_than_promised():
    found = simulate(REAL.cells(0.0), gain=0.0, rows=2000, every=WEEK, years=2000, policy=POLICY, seed=1)
    assert found.years.interval[0] <= POLICY.yearly_false_promotions
    assert found.years.share <= POLICY.yearly_false_promotions
    assert 0.30 < found.plain_tries.share < 0.50
    assert found.plain_years.share > 0.99


def test_the_same_seed_tells_the_same_and_more_rows_find_the_better_one_sooner():
    def weeks(rows, seed=3):
        found = simulate(REAL.cells(0.1), gain=0.1, rows=rows, every=WEEK, years=300, policy=POLICY, seed=seed)
        return found.weeks_until_passed

    assert weeks(2000) == weeks(2000) != weeks(2000, seed=4)
    (some, low, high), (more, *_), (never, at_least, _) = weeks(2000), weeks(8000), weeks(200)
    assert 1 <= more < low < some < high
    assert never is None
    assert at_least > 1000


@pytest.mark.parametrize("days", [1, 7, 91, 365])
def test_a_year_holds_as_many_tries_as_begin_in_it(days):
    ticks: list[int] = []
    found = simulate(
        REAL.cells(0.0),
        gain=0.0,
        rows=1000,
        every=timedelta(days=days),
        years=300,
        policy=POLICY,
        seed=0,
        tick=ticks.append,
    )
    tries = -(-365 // days)
    assert found.tries.of == 300 * max(tries - 1, 1)
    assert sum(ticks) == found.years.of == 300


@pytest.mark.parametrize(
    "changes",
    [{"rows": 0}, {"years": 0}, {"every": timedelta(0)}, {"every": timedelta(days=366)}, {"cells": np.full(8, 0.2)}],
)
def test_senseless_simulations_are_refused(changes):
    with pytest.raises(InputError):
        simulate(
            **{
                "cells": REAL.cells(0.0),
                "gain": 0.0,
                "rows": 500,
                "every": WEEK,
                "years": 1,
                "policy": POLICY,
                "seed": 0,
                **changes,
            }
        )


def test_a_frequency_carries_its_interval():
    assert Frequency(happened=30, of=100).share == 0.3
    assert [round(end, 4) for end in Frequency(happened=30, of=100).interval] == [0.2189, 0.3958]


def test_f1_of_a_simulated_pool_is_the_one_asked():
    first, second = f1_of_cells(np.round(REAL.cells(0.05) * 1e9).astype(np.int64))
    assert second / first == pytest.approx(1.05, rel=1e-6)
