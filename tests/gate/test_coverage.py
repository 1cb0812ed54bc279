"""Coverage says whose outcomes are missing, what that can hide, and when there will be more."""

import json
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from monitoring.performance import brier
from pipeline.errors import InputError
from pipeline.gate.coverage import CoverageCell, brier_shift, coverage_cells, labels_per_day
from pipeline.gate.rows import Applicants

AS_OF = datetime(2006, 1, 1, tzinfo=UTC)
HORIZON = timedelta(days=365)
MATURE_UNTIL = datetime(2005, 1, 1, tzinfo=UTC)


def some_applicants(y, *, days_past=1.0, score=0.5, challenger=None, **changes):
    """As many applicants as there are outcomes (-1: not known), so many days past maturity (negative: not mature)."""
    n = len(y)
    score = np.broadcast_to(np.asarray(score, dtype=float), n)
    microseconds = np.round(np.broadcast_to(np.asarray(days_past, dtype=float), n) * 86_400e6).astype("timedelta64[us]")
    return Applicants(
        **{
            "ids": np.array([f"{i:06d}" for i in range(n)], dtype=str),
            "event_time": np.datetime64(MATURE_UNTIL.replace(tzinfo=None), "us") - microseconds,
            "y": y,
            "champion_score": score,
            "challenger_score": score if challenger is None else challenger,
            "champion_threshold": 0.5,
            "challenger_threshold": 0.5,
            "as_of": AS_OF,
            "horizon": HORIZON,
        }
        | changes
    )


def a_portfolio(n=5000, *, seed=0):
    """Calibrated scores with many safe and few risky rows, and what happened."""
    rng = np.random.default_rng(seed)
    score = rng.beta(1, 6, n)
    return score, (rng.random(n) < score).astype(int), rng


def counts(cells, group):
    return [
        (cell.value, cell.applicants, cell.mature, cell.labelled, cell.bad) for cell in cells if cell.group == group
    ]


# --- cells -------------------------------------------------------------------------------------------------------


def test_every_group_counts_applicants_mature_labelled_and_bad():
    applicants = some_applicants(
        [1, 0, -1, 0, 1],
        days_past=[200, 200, 200, 1, -1],  # the last outcome is known, and is not judged before it is final
        score=[0.8, 0.1, 0.8, 0.1, 0.8],
        segments={"state": ["NY", "CA", "CA", "CA", "NY"]},
    )
    cells = coverage_cells(applicants)
    assert counts(cells, "score band") == [("below 0.80", 2, 2, 2, 0), ("0.80 and more", 3, 2, 1, 1)]
    assert counts(cells, "vintage") == [("2004 Q2", 3, 3, 2, 1), ("2004 Q4", 1, 1, 1, 0), ("2005 Q1", 1, 0, 0, 0)]
    assert counts(cells, "state") == [("CA", 3, 3, 2, 0), ("NY", 2, 1, 1, 1)]


def test_groups_come_in_one_order_whatever_the_order_of_rows_and_columns():
    n = 40
    segments = {"zone": np.array(list("ba") * 20), "area": np.array(list("dc") * 20)}
    days, score = np.arange(n) * 40.0 - 200, np.linspace(0, 1, n)
    applicants = some_applicants([0] * n, days_past=days, score=score, segments=segments)
    cells = coverage_cells(applicants, bands=2)
    groups = [cell.group for cell in cells if cell.group != "vintage"]
    assert groups == ["score band", "score band", "area", "area", "zone", "zone"]
    assert [cell.group for cell in cells[2:-4]] == ["vintage"] * (len(cells) - 6)
    assert [cell.value for cell in cells[-4:]] == ["c", "d", "a", "b"]
    vintages = [cell.value for cell in cells if cell.group == "vintage"]
    assert vintages == sorted(vintages) and len(vintages) > 12

    turned = some_applicants(
        [0] * n,
        ids=applicants.ids[::-1],
        event_time=applicants.event_time[::-1],
        score=score[::-1],
        segments={name: segments[name][::-1] for name in ("area", "zone")},
    )
    assert coverage_cells(turned, bands=2) == cells


def test_score_bands_hold_equally_many_mature_applicants_and_count_the_young_beside():
    score = np.concatenate([np.arange(100) / 100, np.full(50, 0.99)])
    applicants = some_applicants([0] * 150, days_past=[1] * 100 + [-1] * 50, score=score)
    bands = counts(coverage_cells(applicants, bands=4), "score band")
    assert [(value, n, mature) for value, n, mature, *_ in bands] == [
        ("below 0.25", 25, 25),
        ("0.25 to 0.50", 25, 25),
        ("0.50 to 0.75", 25, 25),
        ("0.75 and more", 75, 25),
    ]


@pytest.mark.parametrize(
    ("scores", "names"),
    [
        pytest.param([0.3] * 9, ["all"], id="one score, one band"),
        pytest.param([0.1] * 7 + [0.2, 0.4], ["below 0.20", "0.20 and more"], id="most scores are equal"),
        pytest.param([0.4] + [0.5] * 8, ["below 0.50", "0.50 and more"], id="equal scores above the first edge"),
        pytest.param([0.1, 0.1011, 0.1012], ["below 0.1011", "0.1011 to 0.1012", "0.1012 and more"], id="close edges"),
        pytest.param([0.0, 0.004], ["below 0.004", "0.004 and more"], id="an edge close to zero"),
        pytest.param([0.5, 0.9999], ["below 0.9999", "0.9999 and more"], id="an edge close to one"),
        pytest.param([0.0, 1e-30], ["below 1e-30", "1e-30 and more"], id="an edge too small for decimals"),
        pytest.param([0.0, 1.0], ["below 1.00", "1.00 and more"], id="zero and one"),
    ],
)
def test_equal_scores_share_a_band_and_names_tell_bands_apart(scores, names):
    cells = counts(coverage_cells(some_applicants([0] * len(scores), score=scores)), "score band")
    assert [value for value, *_ in cells] == names
    assert all(n > 0 for _, n, *_ in cells)


def test_bands_are_made_of_all_applicants_while_nobody_is_mature():
    cells = coverage_cells(some_applicants([-1] * 4, days_past=-1, score=[0.1, 0.2, 0.3, 0.4]), bands=2)
    assert counts(cells, "score band") == [("below 0.30", 2, 0, 0, 0), ("0.30 and more", 2, 0, 0, 0)]
    assert cells[0].share is None


def test_a_vintage_is_final_when_its_youngest_applicant_is():
    applicants = some_applicants(
        [0, -1, -1],
        event_time=np.array(["2004-11-01T00:00", "2004-12-31T23:59", "2005-01-01T00:00"], dtype="datetime64[us]"),
        as_of=AS_OF.astimezone(timezone(timedelta(hours=5))),
    )
    cells = coverage_cells(applicants)
    assert [(cell.value, cell.final_at) for cell in cells if cell.group == "vintage"] == [
        ("2004 Q4", datetime(2005, 12, 31, 23, 59, tzinfo=UTC)),
        ("2005 Q1", datetime(2006, 1, 1, tzinfo=UTC)),
    ]
    assert {cell.final_at for cell in cells if cell.group != "vintage"} == {None}
    assert all(cell.final_at.utcoffset() == timedelta(0) for cell in cells if cell.final_at)


def test_quarters_before_1970_have_names_too():
    applicants = some_applicants([0, 0], event_time=np.array(["1969-12-31", "1968-03-31"], dtype="datetime64[us]"))
    assert [value for value, *_ in counts(coverage_cells(applicants), "vintage")] == ["1968 Q1", "1969 Q4"]


def test_no_applicants_have_no_cells():
    assert coverage_cells(some_applicants([])) == ()


@pytest.mark.parametrize(
    ("segments", "told"),
    [
        pytest.param({"id": [f"{i}" for i in range(501)]}, "at most 500 values, got 501", id="ids are no segment"),
        pytest.param({"": ["a"] * 501}, "printable name", id="no name"),
        pytest.param({"vintage": ["a"] * 501}, "not taken", id="a name of ours"),
        pytest.param({"score band": ["a"] * 501}, "not taken", id="another name of ours"),
        pytest.param({"state": ["\ud800"] * 501}, "Unicode", id="half a character"),
    ],
)
def test_a_segment_column_that_cannot_be_shown_is_refused(segments, told):
    with pytest.raises(InputError, match=told):
        coverage_cells(some_applicants([0] * 501, segments=segments))


def test_500_segment_values_are_counted():
    cells = coverage_cells(some_applicants([0] * 500, segments={"shop": [f"{i}" for i in range(500)]}))
    assert len(counts(cells, "shop")) == 500


@pytest.mark.parametrize("year", ["-0005", "9998"])
def test_an_outcome_that_is_final_outside_the_calendar_is_refused(year):
    late = datetime(9999, 12, 31, tzinfo=UTC)
    event_time = np.array([f"{year}-06-01"], dtype="datetime64[us]")
    with pytest.raises(InputError, match="1 to 9999"):
        coverage_cells(some_applicants([0], event_time=event_time, as_of=late, horizon=timedelta(days=700)))


@pytest.mark.parametrize("bands", [0, -1, 101])
def test_a_number_of_bands_that_makes_no_sense_is_refused(bands):
    for applicants in (some_applicants([]), some_applicants([0, 1])):
        for measure in (coverage_cells, brier_shift):
            with pytest.raises(InputError, match="1 to 100"):
                measure(applicants, bands=bands)


@pytest.mark.parametrize(("bad", "labelled", "mature", "applicants"), [(3, 2, 3, 3), (1, 3, 2, 3), (1, 2, 4, 3)])
def test_a_cell_whose_counts_do_not_nest_is_refused(bad, labelled, mature, applicants):
    with pytest.raises(ValueError, match="expected bad <= labelled <= mature <= all"):
        CoverageCell(group="state", value="CA", applicants=applicants, mature=mature, labelled=labelled, bad=bad)


# --- what the missing labels can hide ----------------------------------------------------------------------------


def test_labels_missing_only_where_the_score_is_high_are_seen():
    score, y, rng = a_portfolio()
    lost = (score > np.quantile(score, 0.8)) & (rng.random(len(y)) < 0.6)
    applicants = some_applicants(np.where(lost, -1, y), score=score)
    shift = brier_shift(applicants)
    error = brier(y, score) - brier(y[~lost], score[~lost])
    assert error > 0.01
    assert shift == pytest.approx(error, abs=0.003)  # it tells the size, too


def test_labels_missing_at_random_shift_little():
    score, y, rng = a_portfolio()
    assert 0 < brier_shift(some_applicants(np.where(rng.random(len(y)) < 0.3, -1, y), score=score)) < 0.002


def test_labels_missing_because_of_what_they_are_are_not_seen():
    score, y, rng = a_portfolio()
    score = np.full(len(y), score.mean())  # a score that tells nothing: one band, whose missing rows look like the rest
    lost = (y == 1) & (rng.random(len(y)) < 0.5)
    assert brier(y, score) - brier(y[~lost], score[~lost]) > 0.03
    assert brier_shift(some_applicants(np.where(lost, -1, y), score=score)) == 0.0


def test_shift_is_the_weighted_sum_over_bands_by_hand():
    # Below 0.8: 4 mature, 1 labelled, squared error 0.04. From 0.8: 4 mature, 3 labelled, squared error 0.64, 0.64, 0.04.
    applicants = some_applicants([0, -1, -1, -1, 0, 0, 1, -1], score=[0.2] * 4 + [0.8] * 4)
    low, high = 0.04, (0.64 + 0.64 + 0.04) / 3
    expected = (4 / 8 * low + 4 / 8 * high) - (1 / 4 * low + 3 / 4 * high)
    assert brier_shift(applicants, bands=2) == pytest.approx(abs(expected))


def test_shift_is_that_of_the_model_it_moves_most():
    y, low_and_high = [0, -1, -1, -1, 0, 0, 1, -1], [0.2] * 4 + [0.8] * 4
    alone = brier_shift(some_applicants(y, score=low_and_high), bands=2)
    assert brier_shift(some_applicants(y, score=low_and_high, challenger=[0.5] * 8), bands=2) == pytest.approx(alone)
    more = brier_shift(some_applicants(y, score=low_and_high, challenger=[0.0] * 4 + [1.0] * 4), bands=2)
    assert more == pytest.approx((0.75 - 0.5) * 2 / 3) and more > alone


def test_the_young_do_not_weigh_in():
    score, y = [0.2] * 4 + [0.8] * 4, [0, -1, -1, -1, 0, 0, 1, -1]
    with_young = some_applicants(y + [1] * 50, score=score + [0.9] * 50, days_past=[1] * 8 + [-1] * 50)
    assert brier_shift(with_young) == brier_shift(some_applicants(y, score=score)) > 0


@pytest.mark.parametrize(
    ("y", "days_past"),
    [
        pytest.param([], 1, id="nobody"),
        pytest.param([0, 1, 0], -1, id="nobody is mature"),
        pytest.param([-1, -1, -1], 1, id="nothing is labelled"),
        pytest.param([0, 1, -1], 1, id="the riskiest band has no label"),
    ],
)
def test_shift_is_not_known_where_a_band_says_nothing(y, days_past):
    assert brier_shift(some_applicants(y, days_past=days_past, score=np.arange(len(y)) / 4)) is None


# --- when there will be more -------------------------------------------------------------------------------------


def test_labels_per_day_reads_the_latest_year_of_the_mature():
    days_past = np.arange(0, 1000, 0.5)  # two applicants a day for a thousand days
    y = np.where(np.arange(2000) % 2 == 0, 0, -1)  # of whom one gets a label
    assert labels_per_day(some_applicants(y, days_past=days_past)) == pytest.approx(1.0)
    old_only = np.where(days_past >= 365, 0, -1)
    assert labels_per_day(some_applicants(old_only, days_past=days_past)) == 0.0


@pytest.mark.parametrize(
    ("days_past", "expected"),
    [
        pytest.param([100, 50, 0], 3 / 100, id="since the first application"),
        pytest.param([100, 50, -200], 2 / 100, id="the young do not count"),
        pytest.param([400, 364, 0], 2 / 365, id="the latest 365 days"),
        pytest.param([365, 365, 0], 1 / 365, id="half-open: 365 days, not 366"),
        pytest.param([0, 0, 0], 3.0, id="less than a day is a day"),
        pytest.param([-1, -2, -3], None, id="nobody is mature"),
        pytest.param([], None, id="nobody"),
    ],
)
def test_labels_per_day_over_a_short_stretch(days_past, expected):
    assert labels_per_day(some_applicants([0] * len(days_past), days_past=days_past)) == expected


# --- for any applicants ------------------------------------------------------------------------------------------

MOMENTS = st.datetimes(min_value=datetime(1900, 1, 1), max_value=AS_OF.replace(tzinfo=None))
ROWS = st.tuples(
    MOMENTS,
    st.sampled_from([-1, 0, 1]),
    st.floats(0, 1) | st.sampled_from([0.0, 0.25, 0.5, 1.0]),
    st.floats(0, 1),
    st.text(max_size=3),
)


NAMES = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=3)


@st.composite
def any_applicants(draw):
    rows = draw(st.lists(ROWS, max_size=40))
    moments, y, champion, challenger, segment = zip(*rows, strict=True) if rows else ([],) * 5
    return some_applicants(
        y,
        event_time=np.array(moments, dtype="datetime64[us]"),
        score=champion,
        challenger=challenger,
        segments={draw(NAMES): np.array(segment, dtype=str)},
        horizon=draw(st.timedeltas(timedelta(0), timedelta(days=40_000))),
    )


@given(applicants=any_applicants(), bands=st.integers(-1, 102))
@settings(max_examples=300)
def test_groups_add_up_to_the_whole_or_the_input_is_refused(applicants, bands):
    try:
        cells = coverage_cells(applicants, bands=bands)
    except InputError:
        assert not 1 <= bands <= 100
        return
    whole = [len(applicants.ids), applicants.mature.sum(), applicants.labelled.sum()]
    whole.append((applicants.labelled & (applicants.y == 1)).sum())
    groups = {cell.group for cell in cells}
    assert len(groups) == (3 if len(applicants.ids) else 0)
    for group in groups:
        values = [cell.value for cell in cells if cell.group == group]
        assert len(set(values)) == len(values)
        assert np.array([row[1:] for row in counts(cells, group)]).sum(axis=0).tolist() == whole
    bands_found = counts(cells, "score band")
    assert len(bands_found) <= bands
    assert not whole[1] or all(mature for _, _, mature, *_ in bands_found)
    written = TypeAdapter(tuple[CoverageCell, ...]).dump_python(cells, mode="json")
    json.dumps(written, allow_nan=False).encode()
    assert TypeAdapter(tuple[CoverageCell, ...]).validate_json(json.dumps(written)) == cells


@given(applicants=any_applicants(), bands=st.integers(1, 100))
@settings(max_examples=300)
def test_shift_lies_between_0_and_1_and_is_0_when_all_labels_are_known(applicants, bands):
    shift = brier_shift(applicants, bands=bands)
    if not applicants.labelled.any():
        assert shift is None
    elif (applicants.labelled == applicants.mature).all():
        assert shift == 0.0
    else:
        assert shift is None or 0 <= shift <= 1
