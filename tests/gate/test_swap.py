"""The swap set explains every changed decision: not one applicant and not one unit of money more or less."""

import dataclasses
import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from monitoring.performance import Confusion, confusion
from pipeline.artefacts import canonical_json
from pipeline.errors import InputError, MendError
from pipeline.gate.rows import Applicants
from pipeline.gate.swap import ALL, ANY, IN, OUT, SwapCell, booking_value, require_reconciled, swap_set
from pipeline.gate.values import as_json

AS_OF = datetime(2026, 11, 23, tzinfo=UTC)
HORIZON = timedelta(days=90)
OLD, YOUNG = 120, 10  # days
MONEY = {"cost_of_bad": 0.5, "gain_of_good": 0.1}
LOW, HIGH = 0.1, 0.9  # approved, declined


def applicants_of(*rows, columns=("state",)):
    """Applicants from (age in days, y, champion's score, challenger's score, amount, segment values...)."""
    ages, y, ours, theirs, amount, *values = zip(*rows, strict=True) if rows else ((),) * (5 + len(columns))
    return Applicants(
        ids=[f"{i:03}" for i in range(len(rows))],
        event_time=np.array([(AS_OF - timedelta(days=age)).replace(tzinfo=None) for age in ages], dtype="M8[us]"),
        y=y,
        champion_score=ours,
        challenger_score=theirs,
        champion_threshold=0.5,
        challenger_threshold=0.4,
        amount=amount,
        segments=dict(zip(columns, values, strict=True)),
        as_of=AS_OF,
        horizon=HORIZON,
    )


def a_cell(segment=ALL, value=ANY, direction=IN, *, good=0, bad=0, unknown=0, amount=0.0, result=0.0):
    return SwapCell(
        segment=segment,
        value=value,
        direction=direction,
        good=good,
        bad=bad,
        unknown=unknown,
        amount=amount,
        result=result,
    )


SCORES = st.sampled_from([0.0, 0.39, 0.4, 0.45, 0.5, 0.51, 1.0])
AMOUNTS = st.floats(0, 1e7) | st.sampled_from([0.0, 1e-300, 0.1, 1e12])
ROWS = st.lists(
    st.tuples(
        st.sampled_from([OLD, YOUNG, 90]),
        st.sampled_from([-1, 0, 1]),
        SCORES,
        SCORES,
        AMOUNTS,
        st.sampled_from(["CA", "NY", "missing", ""]),
        st.text(max_size=2),
    ),
    max_size=30,
)
SHARES = st.floats(0, 10) | st.sampled_from([0.0, 0.1, 1.0])
ANY_APPLICANTS = ROWS.map(lambda rows: applicants_of(*rows, columns=("state", "purpose")))


def declines(who):
    return who.champion_score >= who.champion_threshold, who.challenger_score >= who.challenger_threshold


def matrices(who):
    """Both models' decisions by outcome over the labelled rows."""
    known = who.labelled
    if not known.any():
        return (Confusion(0, 0, 0, 0),) * 2
    return tuple(confusion(who.y[known], declined[known]) for declined in declines(who))


def profits(who, **money):
    """What each model earns on the labelled rows, row by row, and the money moved."""
    known = who.labelled
    value = booking_value(who.y[known], who.amount[known], **money)
    earned = tuple(math.fsum(value[~declined[known]]) for declined in declines(who))
    return *earned, math.fsum(abs(value))


# --- what is in a cell ---------------------------------------------------------------------------------------------


def test_swap_set_by_hand():
    who = applicants_of(
        (OLD, 0, HIGH, LOW, 100.0, "CA"),  # good swapped in: +10
        (OLD, 1, HIGH, LOW, 40.0, "CA"),  # bad swapped in: -20
        (YOUNG, -1, HIGH, LOW, 7.0, "NY"),  # not known yet
        (OLD, 1, LOW, HIGH, 30.0, "NY"),  # bad swapped out: -15, a loss avoided
        (OLD, 0, LOW, LOW, 999.0, "TX"),  # no change
        (OLD, 0, HIGH, HIGH, 999.0, "CA"),
    )
    assert swap_set(who, **MONEY) == (
        a_cell(ALL, ANY, IN, good=1, bad=1, unknown=1, amount=147.0, result=-10.0),
        a_cell(ALL, ANY, OUT, bad=1, amount=30.0, result=-15.0),
        a_cell("state", "CA", IN, good=1, bad=1, amount=140.0, result=-10.0),
        a_cell("state", "NY", IN, unknown=1, amount=7.0),
        a_cell("state", "NY", OUT, bad=1, amount=30.0, result=-15.0),
    )


@pytest.mark.parametrize("y", [0, 1])
def test_early_label_of_an_immature_row_is_unknown(y):
    cell, _ = swap_set(applicants_of((YOUNG, y, HIGH, LOW, 50.0), columns=()), **MONEY)
    assert cell == a_cell(unknown=1, amount=50.0)


def test_row_exactly_at_the_horizon_is_mature():
    cell, _ = swap_set(applicants_of((90, 1, HIGH, LOW, 50.0), columns=()), **MONEY)
    assert cell == a_cell(bad=1, amount=50.0, result=-25.0)


def test_score_at_the_threshold_is_declined_by_each_model_at_its_own():
    at_both = applicants_of((OLD, 0, 0.5, 0.4, 1.0), columns=())
    between = applicants_of((OLD, 0, 0.45, 0.45, 1.0), columns=())
    assert [cell.applicants for cell in swap_set(at_both, **MONEY)] == [0, 0]
    assert [cell.applicants for cell in swap_set(between, **MONEY)] == [0, 1]


@pytest.mark.parametrize(
    "who",
    [
        pytest.param(applicants_of(), id="nobody applied"),
        pytest.param(applicants_of((OLD, 0, LOW, LOW, 5.0, "CA")), id="no decision changed"),
    ],
)
def test_nothing_swapped_is_two_empty_totals(who):
    assert swap_set(who, **MONEY) == (a_cell(direction=IN), a_cell(direction=OUT))


def test_columns_and_values_are_sorted_with_in_before_out():
    rows = [(OLD, 0, *scores, 1.0, x, y) for scores in ((HIGH, LOW), (LOW, HIGH)) for x, y in (("b", "d"), ("a", "c"))]
    cells = swap_set(applicants_of(*rows, columns=("z", "k")), **MONEY)
    assert [(c.segment, c.value, c.direction) for c in cells[2:]] == [
        (segment, value, direction)
        for segment, values in (("k", "cd"), ("z", "ab"))
        for value in values
        for direction in (IN, OUT)
    ]


def test_column_that_would_pass_for_the_totals_is_refused():
    with pytest.raises(
        InputError, match=r"^swap set: segments: expected a column name other than 'all applicants', got"
    ):
        swap_set(applicants_of((OLD, 0, HIGH, LOW, 1.0, "x"), columns=(ALL,)), **MONEY)


@pytest.mark.parametrize(
    "broken",
    [{"good": -1}, {"amount": -1.0}, {"amount": math.inf}, {"result": math.nan}, {"direction": "in"}, {"segment": ""}],
)
def test_cell_is_checked_at_birth(broken):
    with pytest.raises(ValidationError):
        SwapCell(**(dataclasses.asdict(a_cell()) | broken))


# --- money ---------------------------------------------------------------------------------------------------------


def test_money_per_row_is_a_gain_for_a_good_one_and_a_cost_for_a_bad_one():
    assert booking_value([0, 1, 1], [100.0, 100.0, 0.0], **MONEY).tolist() == [10.0, -50.0, 0.0]
    assert math.copysign(1, booking_value([1], [0.0], **MONEY)[0]) == 1  # "-0.0" would be another text, so digest


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"y": [0, -1]}, "y: expected only 0 and 1"),
        ({"amount": [1.0]}, r"amount: expected one per outcome, got \(1,\) for \(2,\)"),
        ({"amount": [1.0, -1.0]}, "amount: expected finite amounts >= 0"),
        ({"amount": [1.0, math.nan]}, "amount: expected finite amounts >= 0"),
        ({"amount": [1.0, 1e308], "cost_of_bad": 10.0}, "amount: too large"),
        ({"cost_of_bad": -0.1}, r"cost_of_bad: expected a finite number >= 0, got -0\.1"),
        ({"gain_of_good": math.nan}, "gain_of_good: expected a finite number >= 0, got nan"),
    ],
)
def test_money_that_cannot_be_is_one_clear_line(changed, complaint):
    with pytest.raises(InputError, match=f"^swap set: {complaint}"):
        booking_value(**({"y": [0, 1], "amount": [1.0, 1.0]} | MONEY | changed))


def test_money_too_large_to_add_up_is_refused():
    with pytest.raises(InputError, match=r"^applicants: amount: expected finite amounts >= 0, at most 1e\+15$"):
        applicants_of(*[(OLD, 0, HIGH, LOW, 1e308)] * 3, columns=())


def test_many_small_amounts_add_up_exactly():
    who = applicants_of(*[(OLD, 0, HIGH, LOW, 0.1)] * 10, columns=())
    assert swap_set(who, cost_of_bad=1.0, gain_of_good=1.0)[0].result == 1.0  # ten times += 0.1 is 0.9999999999999999


# --- it reconciles -------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(who=ANY_APPLICANTS, cost=SHARES, gain=SHARES)
def test_swap_set_reconciles_with_the_decisions_it_explains(who, cost, gain):
    champion, challenger = matrices(who)
    cells = swap_set(who, cost_of_bad=cost, gain_of_good=gain)
    require_reconciled(cells, champion=champion, challenger=challenger)
    swapped_in, swapped_out = cells[:2]
    # Once more by hand: a check that checks itself would agree with any mistake.
    assert challenger.false_negative - champion.false_negative == swapped_in.bad - swapped_out.bad
    assert challenger.true_negative - champion.true_negative == swapped_in.good - swapped_out.good
    assert challenger.true_positive - champion.true_positive == swapped_out.bad - swapped_in.bad
    assert challenger.false_positive - champion.false_positive == swapped_out.good - swapped_in.good
    ours, theirs = declines(who)
    assert swapped_in.applicants + swapped_out.applicants == int((ours != theirs).sum())
    for column in who.segments:
        for total in cells[:2]:
            parts = [cell for cell in cells if (cell.segment, cell.direction) == (column, total.direction)]
            for name in ("good", "bad", "unknown", "applicants"):
                assert sum(getattr(part, name) for part in parts) == getattr(total, name)
            assert all(part.applicants for part in parts)


@settings(deadline=None)
@given(who=ANY_APPLICANTS, cost=SHARES, gain=SHARES)
def test_profit_changes_by_what_is_swapped_in_less_what_is_swapped_out(who, cost, gain):
    swapped_in, swapped_out = swap_set(who, cost_of_bad=cost, gain_of_good=gain)[:2]
    champion, challenger, moved = profits(who, cost_of_bad=cost, gain_of_good=gain)
    assert math.isclose(challenger - champion, swapped_in.result - swapped_out.result, rel_tol=0, abs_tol=1e-14 * moved)


@settings(deadline=None)
@given(rows=ROWS.filter(lambda rows: len(rows) > 1), data=st.data())
def test_order_of_rows_does_not_matter(rows, data):
    shuffled = data.draw(st.permutations(rows))
    first, second = (swap_set(applicants_of(*some, columns=("state", "purpose")), **MONEY) for some in (rows, shuffled))
    assert first == second


@settings(deadline=None)
@given(who=ANY_APPLICANTS)
def test_models_changing_places_swaps_the_directions(who):
    turned = dataclasses.replace(
        who,
        champion_score=who.challenger_score,
        challenger_score=who.champion_score,
        champion_threshold=who.challenger_threshold,
        challenger_threshold=who.champion_threshold,
    )
    other = {IN: OUT, OUT: IN}
    expected = {dataclasses.replace(cell, direction=other[cell.direction]) for cell in swap_set(who, **MONEY)}
    assert set(swap_set(turned, **MONEY)) == expected


@settings(deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from([OLD, YOUNG]),
            st.sampled_from([-1, 0, 1]),
            SCORES,
            SCORES,
            st.floats(0, allow_infinity=False),
            st.text(max_size=2),
        )
    ),
    name=st.text(max_size=3) | st.just(ALL),
    cost=st.floats(),
    gain=st.floats(),
)
def test_cells_can_always_be_written_and_no_error_is_a_stranger(rows, name, cost, gain):
    try:
        cells = swap_set(applicants_of(*rows, columns=(name,)), cost_of_bad=cost, gain_of_good=gain)
    except MendError as error:
        assert "\n" not in str(error)
        return
    assert canonical_json([as_json(cell) for cell in cells])  # refuses NaN and infinity


# --- and what does not reconcile is refused ------------------------------------------------------------------------

BEFORE, AFTER = Confusion(10, 20, 5, 65), Confusion(9, 18, 6, 67)  # one more bad and two more good approved
TOTALS = (
    a_cell(direction=IN, good=3, bad=2, unknown=1, amount=600.0, result=-70.0),
    a_cell(direction=OUT, good=1, bad=1, amount=200.0, result=-40.0),
)
PARTS = (
    a_cell("state", "CA", IN, good=3, unknown=1, amount=400.0, result=30.0),
    a_cell("state", "NY", IN, bad=2, amount=200.0, result=-100.0),
    a_cell("state", "NY", OUT, good=1, bad=1, amount=200.0, result=-40.0),
)


def test_cells_that_add_up_are_let_through():
    require_reconciled((*TOTALS, *PARTS), champion=BEFORE, challenger=AFTER)
    require_reconciled(TOTALS, champion=BEFORE, challenger=AFTER)


def changed(cell, **new):
    return [dataclasses.replace(c, **new) if c == cell else c for c in (*TOTALS, *PARTS)]


@pytest.mark.parametrize(
    ("cells", "models", "complaint"),
    [
        pytest.param(changed(TOTALS[0], bad=3), {}, "bad: 3 swapped in - 1 swapped out, but false negatives change by 1", id="a bad too many"),
        pytest.param(changed(TOTALS[0], bad=1), {}, "bad: 1 swapped in - 1 swapped out, but false negatives change by 1", id="a bad too few"),
        pytest.param(changed(TOTALS[1], good=0), {}, "good: 3 swapped in - 0 swapped out, but true negatives change by 2", id="a good too few swapped out"),
        pytest.param(changed(PARTS[0], good=2), {}, "'state': good swapped in: expected 3 in all, got 2", id="a good lost in a segment"),
        pytest.param(changed(PARTS[1], bad=3), {}, "'state': bad swapped in: expected 2 in all, got 3", id="a bad twice in a segment"),
        pytest.param(changed(PARTS[0], unknown=0), {}, "'state': unknown swapped in: expected 1 in all, got 0", id="an unknown lost"),
        pytest.param(changed(PARTS[0], amount=400.01), {}, r"'state': amount swapped in: expected 600\.0 in all, got 600\.01", id="a cent of amount"),
        pytest.param(changed(PARTS[2], result=-40.01), {}, r"'state': result swapped out: expected -40\.0 in all, got -40\.01", id="a cent of result"),
        pytest.param([*TOTALS, *PARTS[:2]], {}, "'state': good swapped out: expected 1 in all, got 0", id="a direction left out"),
        pytest.param([*TOTALS, *PARTS, PARTS[0]], {}, "the same segment, value and direction twice", id="a cell twice"),
        pytest.param(PARTS, {}, r"all applicants: expected 'all' in both directions, got \[\]", id="no totals"),
        pytest.param(TOTALS[:1], {}, r"all applicants: expected 'all' in both directions, got \['swapped in'\]", id="half the totals"),
        pytest.param([*TOTALS, a_cell(ALL, "CA", good=1)], {}, "all applicants: expected 'all' in both directions", id="a total of something else"),
        pytest.param(TOTALS, {"challenger": Confusion(10, 18, 6, 67)}, "confusion: expected the same rows", id="one more bad row under the challenger"),
        pytest.param(TOTALS, {"champion": Confusion(10, 21, 5, 65)}, "confusion: expected the same rows", id="one more good row under the champion"),
        pytest.param(TOTALS, {"champion": AFTER, "challenger": BEFORE}, "bad: 2 swapped in - 1 swapped out, but false negatives change by -1", id="models mixed up"),
    ],
)  # fmt: skip
def test_what_does_not_add_up_is_one_clear_line(cells, models, complaint):
    with pytest.raises(InputError, match=f"^swap set: {complaint}") as caught:
        require_reconciled(cells, **({"champion": BEFORE, "challenger": AFTER} | models))
    assert "\n" not in str(caught.value)


def test_name_of_a_column_cannot_break_the_line():
    cells = (*TOTALS, *[dataclasses.replace(part, segment="two\nlines") for part in PARTS[1:]])
    with pytest.raises(InputError, match=r"^swap set: 'two\\nlines': good swapped in: expected 3 in all, got 0$"):
        require_reconciled(cells, champion=BEFORE, challenger=AFTER)
