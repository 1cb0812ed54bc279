"""Approval rates side by side: exact where they can be, silent where too few applied, and never a verdict."""

import dataclasses
import math
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.artefacts import canonical_json
from pipeline.errors import InputError, MendError
from pipeline.gate.fairness import (
    DISCLAIMER,
    FairnessPolicy,
    approvals,
    impact_ratios,
    rate_change_interval,
)
from pipeline.gate.rows import Applicants
from pipeline.gate.values import as_json

AS_OF = datetime(2026, 11, 23, tzinfo=UTC)
LOW, HIGH = 0.1, 0.9  # approved, declined


def a_policy(**changed):
    told = {
        "dated": date(2026, 11, 23),
        "title": "Screen",
        "source": "29 CFR 1607.4(D)",
        "adverse_impact_floor": 0.8,
        "min_applicants": 10,
        "columns": (),
        "note": DISCLAIMER,
    }
    return FairnessPolicy(**(told | changed))


def applicants_of(ours, theirs, **segments):
    """Applicants from both models' scores; half of them young and unlabelled."""
    n = len(ours)
    ages = [timedelta(days=5 if i % 2 else 500) for i in range(n)]
    return Applicants(
        ids=[f"{i:05}" for i in range(n)],
        event_time=np.array([(AS_OF - age).replace(tzinfo=None) for age in ages], dtype="M8[us]"),
        y=[-1 if i % 2 else 0 for i in range(n)],
        champion_score=ours,
        challenger_score=theirs,
        champion_threshold=0.5,
        challenger_threshold=0.4,
        segments=segments,
        as_of=AS_OF,
        horizon=timedelta(days=90),
    )


def crowd(**groups):
    """Applicants of one column, "state": per value, how many (approved by both, gained, lost, declined by both)."""
    decisions = ((LOW, LOW), (HIGH, LOW), (LOW, HIGH), (HIGH, HIGH))
    rows = [
        (*pair, value)
        for value, counts in groups.items()
        for pair, count in zip(decisions, counts, strict=True)
        for _ in range(count)
    ]
    ours, theirs, state = zip(*rows, strict=True)
    return applicants_of(ours, theirs, state=state)


# --- approvals -----------------------------------------------------------------------------------------------------


def test_approvals_by_hand():
    ca, ny, tx = approvals(crowd(CA=(40, 10, 0, 50), NY=(30, 2, 10, 58), TX=(9, 0, 0, 0)), a_policy())
    assert (ca.segment, ca.value, ca.applicants, ca.champion_approved, ca.challenger_approved) == (
        "state",
        "CA",
        100,
        40,
        50,
    )
    assert (ca.champion_impact_ratio, ca.challenger_impact_ratio, ca.below_floor) == (1.0, 1.0, False)
    assert (ny.champion_approved, ny.challenger_approved) == (40, 32)
    assert (ny.champion_impact_ratio, ny.challenger_impact_ratio, ny.below_floor) == (1.0, 0.64, True)
    assert (ny.champion_rate, ny.challenger_rate, ny.rate_change) == (0.40, 0.32, -0.08)
    assert ny.rate_change_interval == rate_change_interval(2, 10, 100, level=0.90)
    # Everybody in TX is approved, but nine are too few to be anybody's highest rate, or to have a ratio.
    assert (tx.champion_impact_ratio, tx.challenger_impact_ratio, tx.below_floor, tx.rate_change_interval) == (
        None,
    ) * 4
    assert tx.champion_rate == 1.0


def test_ratio_exactly_at_the_floor_is_not_below_it():
    # A quotient of two float rates falls a hair to either side, by luck; counts are whole, so the ratio is exact.
    for whole in range(100, 1100, 25):
        high, low = (whole * 5 // 25, 0, 0, whole * 20 // 25), (whole * 4 // 25, 0, 0, whole * 21 // 25)
        cells = approvals(crowd(a=high, b=low), a_policy())
        assert (cells[1].challenger_impact_ratio, cells[1].below_floor) == (0.8, False)
    just_below = approvals(crowd(a=(500, 0, 0, 500), b=(399, 0, 0, 601)), a_policy())[1]
    assert (just_below.challenger_impact_ratio, just_below.below_floor) == (0.798, True)


def test_each_model_has_its_own_highest_rate():
    a, b = approvals(crowd(a=(10, 0, 10, 0), b=(10, 0, 0, 10)), a_policy())
    assert (a.champion_impact_ratio, b.champion_impact_ratio) == (1.0, 0.5)
    assert (a.challenger_impact_ratio, b.challenger_impact_ratio) == (1.0, 1.0)


def test_only_the_challenger_is_pointed_at():
    mended = approvals(crowd(a=(20, 0, 0, 0), b=(10, 10, 0, 0)), a_policy())[1]
    assert (mended.champion_impact_ratio, mended.below_floor) == (0.5, False)


def test_score_at_the_threshold_is_not_approved():
    (cell,) = approvals(applicants_of([0.5, 0.49], [0.4, 0.39], state=["CA", "CA"]), a_policy())
    assert (cell.champion_approved, cell.challenger_approved) == (1, 1)


@pytest.mark.parametrize(
    ("approved", "applied", "ratios"),
    [
        pytest.param([0, 0], [10, 10], [None, None], id="nobody is approved"),
        pytest.param([0, 5], [10, 10], [0.0, 1.0], id="nobody in one group is approved"),
        pytest.param([5, 5], [10, 9], [None, None], id="one group alone is compared with nobody"),
        pytest.param([5, 5, 9], [10, 10, 9], [1.0, 1.0, None], id="a small group is nobody's highest rate"),
        pytest.param([], [], [], id="no group"),
    ],
)
def test_ratio_needs_two_large_groups_and_an_approval(approved, applied, ratios):
    assert impact_ratios(approved, applied, min_applicants=10) == ratios


def test_columns_are_those_of_the_policy_or_all_sorted():
    who = applicants_of([LOW], [LOW], state=["CA"], age=["30-40"], home=["rent"])
    assert [cell.segment for cell in approvals(who, a_policy())] == ["age", "home", "state"]
    assert [cell.segment for cell in approvals(who, a_policy(columns=("state", "age")))] == ["age", "state"]


def test_column_that_is_not_there_is_one_clear_line():
    with pytest.raises(InputError) as caught:
        approvals(applicants_of([LOW], [LOW], state=["CA"]), a_policy(columns=("sex",)))
    assert str(caught.value) == "fairness policy: columns: 'sex' is not a segment column; there are: 'state'"


def test_nobody_applied_is_no_cell():
    assert approvals(applicants_of([], [], state=[]), a_policy()) == ()


GROUPS = st.lists(st.tuples(*[st.integers(0, 12)] * 4).filter(any), min_size=1, max_size=5)


@settings(deadline=None)
@given(groups=GROUPS, floor=st.floats(0.01, 1), least=st.integers(1, 20))
def test_what_is_said_about_a_value_holds_together(groups, floor, least):
    who = crowd(**{f"value {i}": counts for i, counts in enumerate(groups)})
    cells = approvals(who, a_policy(adverse_impact_floor=floor, min_applicants=least))
    assert sum(cell.applicants for cell in cells) == len(who.ids)
    large = [cell for cell in cells if cell.applicants >= least]
    for cell, (both, gained, lost, neither) in zip(cells, groups, strict=True):
        assert (cell.champion_approved, cell.challenger_approved) == (both + lost, both + gained)
        assert cell.applicants == both + gained + lost + neither
        assert (cell.rate_change_interval is None) == (cell not in large)
        compared = cell in large and len(large) > 1
        assert (cell.challenger_impact_ratio is not None) == (compared and any(c.challenger_approved for c in large))
        assert (cell.champion_impact_ratio is not None) == (compared and any(c.champion_approved for c in large))
        if cell.challenger_impact_ratio is not None:
            highest = max(c.challenger_rate for c in large)
            assert math.isclose(cell.challenger_impact_ratio, cell.challenger_rate / highest)
            assert cell.below_floor == (cell.challenger_impact_ratio < floor)
    ratios = [cell.challenger_impact_ratio for cell in cells if cell.challenger_impact_ratio is not None]
    assert not ratios or max(ratios) == 1.0


@settings(deadline=None)
@given(
    rows=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.text(max_size=2)), max_size=30),
    name=st.text(max_size=3),
    columns=st.sampled_from([(), ("state",), ("x",)]),
    least=st.integers(1, 5),
    level=st.floats(0.5, 0.99) | st.floats(),
)
def test_cells_can_always_be_written_and_no_error_is_a_stranger(rows, name, columns, least, level):
    ours, theirs, values = zip(*rows, strict=True) if rows else ((), (), ())
    try:
        who = applicants_of(ours, theirs, **{"state": values, name: values})
        cells = approvals(who, a_policy(columns=columns, min_applicants=least), level=level)
    except MendError as error:
        assert "\n" not in str(error)
        return
    assert canonical_json([as_json(cell) for cell in cells])  # refuses NaN and infinity


# --- the interval --------------------------------------------------------------------------------------------------


def test_interval_is_that_of_another_program():
    # R's contingencytables 3.1, Wald_CI_BonettPrice_paired_2x2(cavo_2012), rows (59, 6) and (16, 80).
    found = rate_change_interval(6, 16, 161, level=0.95)
    assert (round(found.low, 4), round(found.high, 4), found.level) == (-0.1195, -0.0032, 0.95)


@pytest.mark.parametrize(
    ("n", "gained", "lost"),
    [(200, 0.02, 0.02), (200, 0.10, 0.02), (200, 0.15, 0.15), (1000, 0.01, 0.03), (1000, 0.30, 0.05), (60, 0.05, 0.10)],
)
def test_interval_holds_the_true_change_as_often_as_it_says(n, gained, lost):
    draws = np.random.default_rng(7).multinomial(n, [gained, lost, 1 - gained - lost], size=5000)
    outcomes, times = np.unique(draws[:, :2], axis=0, return_counts=True)
    intervals = [rate_change_interval(up, down, n, level=0.90) for up, down in outcomes.tolist()]
    held = sum(t for i, t in zip(intervals, times.tolist(), strict=True) if i.low <= gained - lost <= i.high)
    assert 0.88 <= held / 5000 <= 0.94  # 0.90 and, with few changes, a little careful; noise is 0.004


@settings(deadline=None)
@given(gained=st.integers(0, 300), lost=st.integers(0, 300), rest=st.integers(0, 300))
def test_interval_holds_what_was_observed_and_mirrors_when_models_change_places(gained, lost, rest):
    n = max(gained + lost + rest, 1)
    interval, mirrored = (
        rate_change_interval(gained, lost, n, level=0.9),
        rate_change_interval(lost, gained, n, level=0.9),
    )
    assert -1 <= interval.low <= (gained - lost) / n <= interval.high <= 1
    assert interval.low < interval.high
    assert (interval.low, interval.high) == (-mirrored.high, -mirrored.low)


@pytest.mark.parametrize(
    ("counts", "level", "complaint"),
    [
        ((0, 0, 0), 0.9, r"changed decisions: expected 0 <= gained \+ lost <= applicants, got 0 \+ 0 of 0"),
        ((3, 3, 5), 0.9, r"changed decisions: expected 0 <= gained \+ lost <= applicants, got 3 \+ 3 of 5"),
        ((-1, 0, 5), 0.9, "changed decisions: "),
        ((1, 0, 5), 1.0, r"level: expected a number in \(0, 1\), got 1\.0"),
        ((1, 0, 5), math.nan, r"level: expected a number in \(0, 1\), got nan"),
    ],
)
def test_interval_of_what_cannot_be_is_one_clear_line(counts, level, complaint):
    with pytest.raises(InputError, match=f"^fairness: {complaint}"):
        rate_change_interval(*counts, level=level)


# --- values --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "broken",
    [
        {"adverse_impact_floor": 0.0},
        {"adverse_impact_floor": 1.01},
        {"min_applicants": 0},
        {"columns": ("state", "state")},
        {"columns": ("",)},
        {"dated": "2026-11-23"},
        {"title": ""},
        {"source": ""},
    ],
)
def test_policy_is_checked_at_birth(broken):
    with pytest.raises(ValidationError):
        a_policy(**broken)


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param({"applicants": 0, "champion_approved": 0, "challenger_approved": 0}, id="nobody applied"),
        pytest.param({"champion_approved": 11}, id="more approved than applied"),
        pytest.param({"challenger_approved": 11}, id="more approved by the challenger than applied"),
        pytest.param({"below_floor": None}, id="a ratio without a word on the floor"),
        pytest.param({"challenger_impact_ratio": None}, id="a word on the floor without a ratio"),
    ],
)
def test_cell_is_checked_at_birth(broken):
    cell, _ = approvals(crowd(a=(5, 0, 0, 5), b=(5, 0, 0, 5)), a_policy())
    assert dataclasses.replace(cell) == cell
    with pytest.raises(ValidationError):
        dataclasses.replace(cell, **broken)


def test_policy_can_be_written_with_its_date():
    assert as_json(a_policy())["dated"] == "2026-11-23"
