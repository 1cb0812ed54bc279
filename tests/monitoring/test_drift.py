from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.checks import Check
from monitoring.drift import drift_summary
from monitoring.prepared import PreparedReference, prepare
from monitoring.summary import DriftPolicy, DriftSummary, FeatureNote
from monitoring.thresholds import (
    FEWEST_VALUES,
    SIZES,
    NullTail,
    material_psi,
    material_shares,
    share_limits,
    surely_material,
)
from monitoring.values import Kind, State, Window

WINDOW = Window(start=datetime(2006, 1, 2, tzinfo=UTC), end=datetime(2006, 7, 1, tzinfo=UTC))
ROOT = Path(__file__).parents[2]
LOANS = ROOT / "data" / "sba_loans.csv.gz"
CREDIT = ROOT.parent / "shared" / "data" / "give_me_some_credit.parquet"
KINDS: dict[str, Kind] = {"income": "numeric", "state": "categorical"}
SHA = "ab" * 32


def a_frame(rows: int = 300, *, shift: float = 0.0, seed: int = 0, **columns: Any) -> pd.DataFrame:
    """Two calm features, unless shifted or replaced."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"income": rng.permutation(rows) / rows + shift, "state": (["CA", "TX", "NY"] * rows)[:rows]})
    return frame.assign(**columns)


def ready(frame: pd.DataFrame, kinds: dict[str, Kind] = KINDS, **changes: Any) -> PreparedReference:
    return prepare(frame, kinds, **{"sha256": SHA, "draws": 400} | changes)


@cache
def the_reference() -> PreparedReference:
    """3,000 rows of the two calm features."""
    return ready(a_frame(3000))


def judge(current: pd.DataFrame, reference: PreparedReference | None = None, **changes: Any) -> DriftSummary:
    arguments: dict[str, Any] = {"policy": DriftPolicy(), "window": WINDOW, "as_of": WINDOW.end}
    return drift_summary(reference or the_reference(), current, **arguments | changes)


def note_on(summary: DriftSummary, feature: str) -> FeatureNote:
    return next(note for note in summary.notes if note.feature == feature)


def check_on(summary: DriftSummary, feature: str, code: str) -> Check:
    return next(check for check in summary.checks if (check.feature, check.code) == (feature, code))


def past(summary: DriftSummary) -> set[tuple[str, str]]:
    return {(check.feature, check.code) for check in summary.drifted}


# --- calm and drift ----------------------------------------------------------------------------------------------


def test_window_like_the_reference_is_calm() -> None:
    summary = judge(a_frame(seed=1))
    assert (summary.state, summary.dataset_drift_detected, summary.drift_share) == (State.OK, False, 0.0)
    assert (summary.timestamp, summary.rows, summary.reference_rows, summary.reason) == (WINDOW.end, 300, 3000, None)
    assert (summary.reference_sha256, summary.drifted, summary.score_note) == (SHA, (), None)


def test_every_feature_is_asked_about_its_bins_its_gaps_and_its_ends() -> None:
    asked = [(check.feature, check.code) for check in judge(a_frame()).checks]
    assert sorted(asked) == [
        *(("income", "missing"), ("income", "psi"), ("income", "range")),
        *(("state", "missing"), ("state", "new_category"), ("state", "psi")),
    ]


def test_one_feature_that_moved_is_drift_and_half_of_them_is_drift_of_the_whole_as_other_tools_have_it() -> None:
    summary = judge(a_frame(shift=1.0))
    assert (summary.state, summary.drift_share, summary.dataset_drift_detected) == (State.DRIFT, 0.5, True)
    assert summary.drifted_features == ("income",)
    assert [(item.feature, item.drift_detected, item.stat_test) for item in summary.features] == [
        ("income", True, "Wasserstein distance (normed)"),
        ("state", False, "Jensen-Shannon distance"),
    ]


def test_feature_whose_score_is_just_the_threshold_has_drifted() -> None:
    score = judge(a_frame(shift=0.3)).features[0].drift_score
    for threshold, drifted in [(score, True), (np.nextafter(score, np.inf), False)]:
        summary = judge(a_frame(shift=0.3), policy=DriftPolicy(threshold=float(threshold)))
        assert summary.features[0].drift_detected is drifted


def test_state_does_not_rest_on_the_scores_of_other_tools() -> None:
    shouting, silent = DriftPolicy(threshold=1e-9), DriftPolicy(threshold=99.0)
    calm = judge(a_frame(shift=0.01), policy=shouting)
    assert (calm.state, calm.features[0].drift_detected) == (State.OK, True)
    assert (judge(a_frame(shift=1.0), policy=silent).state) is State.DRIFT


LOUD: dict[str, tuple[pd.DataFrame, set[tuple[str, str]]]] = {
    "income higher, within its range": (a_frame(income=np.linspace(0.5, 0.99, 300)), {("income", "psi")}),
    "income past its range": (
        a_frame(income=[*np.linspace(0, 0.99, 280), *[7.0] * 20]),
        {("income", "range")},
    ),
    "income below its range": (a_frame(income=[*np.linspace(0, 0.99, 280), *[-7.0] * 20]), {("income", "range")}),
    "income half missing": (a_frame().assign(income=a_frame()["income"].mask(np.arange(300) % 2 > 0)), {("income", "missing")}),
    "a new state": (a_frame(state=["CA", "TX", "NY"] * 93 + ["NV"] * 21), {("state", "new_category")}),
    "states in other shares": (a_frame(state=["CA"] * 200 + ["TX", "NY"] * 50), {("state", "psi")}),
    "state missing": (a_frame(state=["CA", "TX", "NY"] * 93 + [None] * 21), {("state", "missing")}),
}  # fmt: skip


@pytest.mark.parametrize("change", LOUD)
def test_change_is_named_by_the_question_that_it_answers(change: str) -> None:
    frame, expected = LOUD[change]
    summary = judge(frame)
    assert summary.state is State.DRIFT
    assert past(summary) >= expected
    assert {feature for feature, _ in past(summary)} == {feature for feature, _ in expected}
    assert all(check.since == WINDOW.end for check in summary.drifted)


def test_gaps_that_were_always_there_and_are_gone_are_drift_too() -> None:
    gaps = a_frame(3000).assign(income=lambda frame: frame["income"].mask(frame.index % 3 == 0))
    summary = judge(a_frame(), ready(gaps))
    check = check_on(summary, "income", "missing")
    assert (summary.state, past(summary)) == (State.DRIFT, {("income", "missing")})
    assert (check.expected, check.observed) == (pytest.approx(1 / 3), 0.0)
    assert check.limit is not None
    assert check.limit < check.expected
    assert check.feed_fault is False


def test_feature_with_one_value_in_the_reference_still_knows_its_range_and_its_gaps() -> None:
    reference = ready(a_frame(3000, income=7.0))
    assert judge(a_frame(income=7.0), reference).state is State.OK
    assert {check.code for check in judge(a_frame(income=7.0), reference).checks if check.feature == "income"} == {
        "missing",
        "range",
    }
    assert past(judge(a_frame(income=7.5), reference)) == {("income", "range")}


def test_category_column_that_turns_float_with_its_first_gap_has_not_drifted() -> None:
    reference = ready(a_frame(flag=[0, 1] * 150), {"flag": "categorical"})
    summary = judge(a_frame(flag=[0, 1] * 149 + [0, None]), reference)
    assert (summary.state, summary.features[0].drift_score < 0.01) == (State.OK, True)


# --- limits ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("with_score", [False, True])
def test_level_of_a_look_is_shared_out_over_its_questions(with_score: bool) -> None:
    score = np.linspace(0, 1, 3000) if with_score else None
    reference = ready(a_frame(3000), score=score)
    assert reference.questions == (9 if with_score else 6)
    policy = DriftPolicy(look_level=0.003)
    check = check_on(judge(a_frame(score=0.5), reference, policy=policy), "income", "psi")
    assert check.critical == reference.tails["income"].critical(300, 0.003 / reference.questions)


def test_limit_is_where_chance_ends_in_a_small_window_and_what_is_material_in_a_large() -> None:
    few, many = (check_on(judge(a_frame(rows)), "income", "psi") for rows in (200, 20_000))
    assert few.critical is not None
    assert many.critical is not None
    assert few.limit == few.critical > 0.04 > many.critical
    assert many.limit == material_psi(0.04, bins=10, rows=20_000, reference_rows=3000) > 0.04
    stricter = check_on(judge(a_frame(20_000), policy=DriftPolicy(material_psi=0.1)), "income", "psi")
    assert stricter.limit == material_psi(0.1, bins=10, rows=20_000, reference_rows=3000) > 0.1


def test_share_has_its_limit_where_chance_ends_or_where_it_becomes_material() -> None:
    few, many = (check_on(judge(a_frame(rows)), "income", "missing") for rows in (200, 20_000))
    assert few.limit == few.critical
    assert many.critical is not None
    assert (
        many.limit == surely_material(0.0, rows=20_000, psi=0.04)[1] > material_shares(0.0, psi=0.04)[1] > many.critical
    )


def test_shares_of_a_thinner_feature_are_held_to_its_own_number_of_values() -> None:
    thin = a_frame(400).assign(income=lambda frame: frame["income"].where(frame.index % 2 == 0))
    gaps = ready(a_frame(3000).assign(income=lambda frame: frame["income"].where(frame.index % 2 == 0)))
    summary = judge(thin, gaps)
    rows = {(check.feature, check.code): check.rows for check in summary.checks}
    assert rows == {
        ("income", "psi"): 200,
        ("income", "range"): 200,
        ("income", "missing"): 400,
        ("state", "psi"): 400,
        ("state", "new_category"): 400,
        ("state", "missing"): 400,
    }
    level = DriftPolicy().look_level / 6
    for asked, of in ((("income", "range"), 1500), (("state", "new_category"), 3000), (("state", "missing"), 3000)):
        _, high = share_limits([0], [of], rows[asked], level=level)
        assert check_on(summary, *asked).critical == high[0]


def test_reference_of_few_rows_is_trusted_less() -> None:
    few, many = (check_on(judge(a_frame(), ready(a_frame(rows))), "income", "psi") for rows in (300, 30_000))
    assert few.critical is not None
    assert many.critical is not None
    assert few.critical > 1.3 * many.critical


# --- too few, too old, not to be read ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "state", "reason"),
    [
        (0, State.NO_DATA, "no rows in the window"),
        (1, State.TOO_FEW_ROWS, "1 rows in the window, need 200"),
        (199, State.TOO_FEW_ROWS, "199 rows in the window, need 200"),
    ],
)
def test_window_with_too_few_rows_is_not_judged_and_says_so(rows: int, state: State, reason: str) -> None:
    summary = judge(a_frame(shift=9.0).head(rows))
    assert (summary.state, summary.reason, summary.features, summary.checks) == (state, reason, (), ())
    assert (summary.dataset_drift_detected, summary.drift_share) == (None, None)
    assert summary.excluded_features == ("income", "state")


def test_window_with_just_enough_rows_is_judged() -> None:
    assert judge(a_frame(rows=200)).state is State.OK


@pytest.mark.parametrize(
    ("present", "state"), [(FEWEST_VALUES, State.OK), (FEWEST_VALUES - 1, State.TOO_FEW_ROWS)], ids=["150", "149"]
)
def test_feature_needs_150_values_to_be_judged(present: int, state: State) -> None:
    mostly_missing = a_frame(3000).assign(income=lambda frame: frame["income"].where(frame.index % 2 == 0))
    current = a_frame().assign(income=lambda frame: frame["income"].where(frame["income"].rank() % 2 == 1))
    current.loc[current["income"].dropna().index[present:], "income"] = np.nan
    summary = judge(current, ready(mostly_missing))
    assert (summary.state, note_on(summary, "income").current_rows) == (state, present)
    assert ("income", "missing") in {(check.feature, check.code) for check in summary.checks}
    if state is State.TOO_FEW_ROWS:
        assert summary.reason == "1 of 2 could not be judged (income: window has 149 values, need 150)"
        assert note_on(summary, "income").too_few


def test_feature_with_too_few_values_silences_no_alarm() -> None:
    current = a_frame(state=["CA"] * 300).assign(income=lambda frame: frame["income"].where(frame.index < 40))
    assert past(judge(current)) == {("income", "missing"), ("state", "psi")}


UNUSABLE: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str, State]] = {
    "absent": (lambda frame: frame.drop(columns="income"), "has no columns of this name", State.FAILED),
    "there twice": (lambda frame: pd.concat([frame, frame[["income"]]], axis=1), "has 2 columns", State.FAILED),
    "all missing": (lambda frame: frame.assign(income=np.nan), "has 0 values, need 150", State.DRIFT),
    "None throughout": (lambda frame: frame.assign(income=None), "has 0 values, need 150", State.DRIFT),
    "mostly missing": (
        lambda frame: frame.assign(income=frame.income.where(frame.index < 49)),
        "has 49 values",
        State.DRIFT,
    ),
    "one infinity": (lambda frame: frame.assign(income=frame.income.where(frame.index > 0, np.inf)), "infinite", State.FAILED),
    "one minus infinity": (lambda frame: frame.assign(income=frame.income.where(frame.index > 0, -np.inf)), "infinite", State.FAILED),
    "infinity as text": (lambda frame: frame.assign(income=["inf"] + ["1"] * (len(frame) - 1)), "infinite", State.FAILED),
    "text": (lambda frame: frame.assign(income="much"), "not numbers", State.FAILED),
    "one text": (lambda frame: frame.assign(income=[1.0] * (len(frame) - 1) + ["much"]), "not numbers", State.FAILED),
    "times": (lambda frame: frame.assign(income=pd.Timestamp("2006-01-02")), "not numbers", State.FAILED),
    "an int past any float": (
        lambda frame: frame.assign(income=pd.Series([10**400] * len(frame), dtype=object)),
        "not numbers",
        State.FAILED,
    ),
    "numbers too far apart for a float": (
        lambda frame: frame.assign(income=[-1.7e308, 1.7e308] * (len(frame) // 2)),
        "too large",
        State.DRIFT,
    ),
}  # fmt: skip


@pytest.mark.parametrize("side", ["reference", "window"])
@pytest.mark.parametrize("flaw", UNUSABLE)
def test_feature_that_cannot_be_judged_is_excluded_with_its_reason_and_the_others_are_judged(
    flaw: str, side: str
) -> None:
    spoil, reason, state = UNUSABLE[flaw]
    frames = {"reference": a_frame(), "window": a_frame(seed=1)}
    frames[side] = spoil(frames[side])
    summary = judge(frames["window"], ready(frames["reference"]))

    assert summary.excluded_features == ("income",)
    assert [item.feature for item in summary.features] == ["state"]
    assert {check.code for check in summary.checks if check.feature == "state"} == {"psi", "missing", "new_category"}
    note = note_on(summary, "income")
    assert reason in str(note.reason)
    assert str(note.reason).startswith(side) or "too large" in reason
    assert f"1 of 2 could not be judged (income: {note.reason})" in str(summary.reason)
    assert summary.state is (state if side == "window" or "too large" in reason else State.FAILED)
    assert summary.to_json() == json.loads(json.dumps(summary.to_json(), allow_nan=False))


def test_feature_whose_score_cannot_be_computed_takes_the_calm_away_though_its_bins_have_not_moved() -> None:
    far_apart = a_frame(income=[-1.7e308, 1.7e308] * 150)
    summary = judge(far_apart, ready(far_apart))
    assert (summary.state, summary.drifted, summary.excluded_features) == (State.FAILED, (), ("income",))
    assert not note_on(summary, "income").too_few


def test_broken_feature_is_named_beside_the_drift_of_another() -> None:
    summary = judge(a_frame(income="much", state="CA"))
    assert (summary.state, summary.drifted_features) == (State.DRIFT, ("state",))
    assert str(summary.reason) == "1 of 2 could not be judged (income: window holds values that are not numbers)"


def test_window_in_which_nothing_can_be_judged_has_failed_not_passed() -> None:
    summary = judge(a_frame()[[]])
    assert (summary.state, summary.dataset_drift_detected, summary.checks) == (State.FAILED, None, ())
    assert "2 of 2 could not be judged" in str(summary.reason)


@pytest.mark.parametrize(
    ("newest", "state"),
    [
        pytest.param(WINDOW.end - timedelta(hours=6), State.OK, id="just fresh"),
        pytest.param(WINDOW.end - timedelta(hours=6, microseconds=1), State.STALE, id="a moment too old"),
        pytest.param(None, State.OK, id="not known"),
    ],
)
def test_window_whose_newest_row_is_old_is_stale_however_calm(newest: datetime | None, state: State) -> None:
    summary = judge(a_frame(), policy=DriftPolicy(stale_after=timedelta(hours=6)), newest_event=newest)
    assert (summary.state, summary.newest_event) == (state, newest)
    assert summary.reason == ("the newest row is of 2006-06-30 17:59" if state is State.STALE else None)


def test_window_that_is_stale_is_so_though_it_drifted_and_broke() -> None:
    policy = DriftPolicy(stale_after=timedelta(hours=6))
    summary = judge(a_frame(income="much", state="CA"), policy=policy, newest_event=WINDOW.start)
    assert (summary.state, summary.judged) == (State.STALE, False)
    assert summary.reason == (
        "the newest row is of 2006-01-02 00:00; "
        "1 of 2 could not be judged (income: window holds values that are not numbers)"
    )


def test_nothing_is_stale_unless_the_policy_says_when() -> None:
    assert judge(a_frame(), newest_event=datetime(1990, 1, 1, tzinfo=UTC)).state is State.OK


def test_time_of_judgement_must_have_a_zone() -> None:
    with pytest.raises(ValueError, match="as_of must be timezone-aware"):
        judge(a_frame(), as_of=datetime(2006, 7, 1))


# --- since -------------------------------------------------------------------------------------------------------


def next_window(number: int) -> dict[str, Any]:
    length = timedelta(days=number)
    return {"window": Window(start=WINDOW.start + length, end=WINDOW.end + length), "as_of": WINDOW.end + length}


def test_drift_keeps_its_since_while_it_lasts_and_only_so_long() -> None:
    days = [a_frame(shift=1.0), a_frame(shift=2.0), a_frame(), a_frame(shift=1.0)]
    previous, seen = None, []
    for number, frame in enumerate(days):
        previous = judge(frame, previous=previous, **next_window(number))
        seen.append(check_on(previous, "income", "psi").since)
    assert seen == [WINDOW.end, WINDOW.end, None, WINDOW.end + timedelta(days=3)]


def test_since_belongs_to_its_feature_and_its_question() -> None:
    first = judge(a_frame(shift=1.0))
    assert past(first) == {("income", "psi"), ("income", "range")}
    states = ["CA"] * 300
    gaps = a_frame(state=states).assign(income=lambda frame: frame["income"].mask(frame.index % 2 == 0) + 1.0)
    second = judge(gaps, previous=first, **next_window(1))
    assert {(check.feature, check.code): check.since for check in second.drifted} == {
        ("income", "psi"): WINDOW.end,
        ("income", "range"): WINDOW.end,
        ("income", "missing"): WINDOW.end + timedelta(days=1),
        ("state", "psi"): WINDOW.end + timedelta(days=1),
    }


# --- the champion's score ----------------------------------------------------------------------------------------


@cache
def scored_reference() -> PreparedReference:
    return ready(a_frame(3000), score=np.linspace(0.01, 0.4, 3000))


def test_score_is_asked_like_a_feature_and_is_not_one() -> None:
    summary = judge(a_frame(score=np.linspace(0.01, 0.4, 300)), scored_reference())
    assert summary.state is State.OK
    assert {check.code for check in summary.checks if check.feature == "score"} == {"psi", "missing", "range"}
    assert [item.feature for item in summary.features] == ["income", "state"]
    assert summary.num_features_total == 2
    assert summary.score_note is not None
    assert summary.score_note.summary["current"]["median"] == pytest.approx(0.205, abs=0.01)
    assert (summary.score_note.reference_rows, summary.score_note.current_rows) == (3000, 300)


def test_score_that_moved_is_drift_of_no_feature() -> None:
    summary = judge(a_frame(score=np.linspace(0.2, 0.4, 300)), scored_reference())
    assert (summary.state, past(summary), summary.drifted_features) == (State.DRIFT, {("score", "psi")}, ())
    assert DriftSummary.from_json(json.loads(json.dumps(summary.to_json()))) == summary


@pytest.mark.parametrize(
    ("scores", "state", "reason"),
    [
        pytest.param({}, State.FAILED, "score: window has no columns of this name", id="absent"),
        pytest.param({"score": "high"}, State.FAILED, "score: window holds values that are not numbers", id="text"),
        pytest.param({"score": np.inf}, State.FAILED, "score: window holds infinite values", id="infinite"),
        pytest.param({"score": np.nan}, State.DRIFT, "score: window has 0 values, need 150", id="missing"),
    ],
)
def test_window_without_scores_does_not_read_as_calm(scores: dict[str, Any], state: State, reason: str) -> None:
    summary = judge(a_frame(**scores), scored_reference())
    assert summary.state is state
    assert f"1 of 3 could not be judged ({reason})" in str(summary.reason)
    assert summary.excluded_features == ()


# --- notes -------------------------------------------------------------------------------------------------------


def test_note_on_numbers_shows_the_movement_in_their_own_unit() -> None:
    values = [10.0, 20.0, 30.0, 40.0] * 100
    current = pd.DataFrame({"income": [value + 5 for value in values] + [None] * 100})
    summary = judge(current, ready(pd.DataFrame({"income": values}), {"income": "numeric"}))
    note = note_on(summary, "income")
    assert note.summary == {
        "reference": {"q25": 10.0, "median": 20.0, "q75": 30.0},
        "current": {"q25": 15.0, "median": 25.0, "q75": 35.0},
    }
    assert (note.reference_rows, note.current_rows) == (400, 400)
    assert (note.reference_missing_share, note.current_missing_share) == (0.0, 0.2)


def test_note_on_categories_shows_the_largest_and_counts_the_new() -> None:
    reference = pd.DataFrame({"state": ["CA"] * 300 + ["TX"] * 100})
    current = pd.DataFrame({"state": ["CA"] * 100 + ["NV"] * 200 + ["UT"] * 100})
    summary = judge(current, ready(reference, {"state": "categorical"}))
    assert note_on(summary, "state").summary == {
        "top": [
            {"category": "CA", "reference_share": 0.75, "current_share": 0.25},
            {"category": "NV", "reference_share": 0.0, "current_share": 0.5},
            {"category": "TX", "reference_share": 0.25, "current_share": 0.0},
            {"category": "UT", "reference_share": 0.0, "current_share": 0.25},
        ],
        "new_categories": 2,
        "new_category_share": 0.75,
    }
    assert check_on(summary, "state", "new_category").observed == 0.75


# --- whatever comes ----------------------------------------------------------------------------------------------


def test_frames_are_left_as_they_were() -> None:
    current = a_frame(shift=1.0)
    judge(current)
    pd.testing.assert_frame_equal(current, a_frame(shift=1.0))


@given(seed=st.integers(0, 10**6), swap=st.booleans(), shift=st.sampled_from([0.0, 0.3]))
@settings(max_examples=25)
def test_order_of_rows_and_columns_changes_nothing(seed: int, swap: bool, shift: float) -> None:
    frame = a_frame(shift=shift, extra=range(300))
    other = frame.sample(frac=1, random_state=seed)
    if swap:
        other = other[["extra", "state", "income"]]
    assert judge(other) == judge(frame)


def test_same_window_gives_the_same_summary_from_a_reference_prepared_twice() -> None:
    assert judge(a_frame(shift=0.3), ready(a_frame())) == judge(a_frame(shift=0.3), ready(a_frame()))


CELLS = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.complex_numbers(), st.just(pd.NA)),
    *(st.datetimes(), st.lists(st.integers(), max_size=2), st.binary(max_size=2)),
    *(st.decimals(allow_nan=False), st.just(Decimal("NaN"))),
)
COLUMNS = st.lists(CELLS, min_size=1, max_size=5)
TAIL_OF_60 = NullTail(reference_rows=60, start=(20.0,) * len(SIZES), excess=(3.0,) * len(SIZES))


def a_column(cells: list[Any], rows: int) -> pd.Series[Any]:
    return pd.Series((cells * rows)[:rows], dtype=object)


def is_calm_only_if_everything_was_judged(summary: DriftSummary) -> bool:
    judged = all(note.evaluated for note in (*summary.notes, summary.score_note) if note is not None)
    return summary.state is not State.OK or (judged and summary.rows >= summary.policy.min_rows)


@given(columns=st.fixed_dictionaries({}, optional={"income": COLUMNS, "state": COLUMNS, "score": COLUMNS}), rows=st.sampled_from([0, 1, 199, 200, 260]))  # fmt: skip
def test_whatever_the_window_holds_nothing_raises_and_nothing_unjudged_reads_as_calm(
    columns: dict[str, list[Any]], rows: int
) -> None:
    frame = pd.DataFrame({name: a_column(cells, rows) for name, cells in columns.items()}, index=range(rows))
    summary = judge(frame, scored_reference())
    text = json.dumps(summary.to_json(), allow_nan=False)
    assert DriftSummary.from_json(json.loads(text)) == summary
    assert is_calm_only_if_everything_was_judged(summary)
    text.encode()


@settings(max_examples=40)
@given(reference=COLUMNS, current=COLUMNS, kind=st.sampled_from(Kind.__args__))
def test_whatever_the_reference_holds_nothing_raises_and_nothing_unjudged_reads_as_calm(
    reference: list[Any], current: list[Any], kind: Kind
) -> None:
    frames = [pd.DataFrame({"x": a_column(cells, rows)}) for cells, rows in ((reference, 60), (current, 200))]
    summary = judge(frames[1], prepare(frames[0], {"x": kind}, sha256=SHA, draws=100))
    assert DriftSummary.from_json(json.loads(json.dumps(summary.to_json(), allow_nan=False))) == summary
    assert is_calm_only_if_everything_was_judged(summary)


@given(reference=st.lists(st.floats(), min_size=1, max_size=6), current=st.lists(st.floats(), min_size=1, max_size=6))
def test_no_float_however_large_makes_a_number_that_is_not_one(reference: list[float], current: list[float]) -> None:
    frames = [pd.DataFrame({"x": (values * 60)[:60]}, dtype=float) for values in (reference, current)]
    prepared = prepare(frames[0], {"x": "numeric"}, sha256=SHA, draws=100)
    summary = judge(frames[1], prepared, policy=DriftPolicy(min_rows=1))
    assert all(np.isfinite(item.drift_score) for item in summary.features)
    assert all(np.isfinite(check.observed) for check in summary.checks)
    if np.isinf(frames[0]["x"]).any() or np.isinf(frames[1]["x"]).any():
        assert summary.dataset_drift_detected is None


# --- real loans --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "share", "least"),
    [
        pytest.param("2002-01-01", False, 0, id="inside the reference's years"),
        pytest.param("2007-01-01", True, 5, id="on the eve of the crisis"),
        pytest.param("2009-07-01", True, 5, id="after it"),
    ],
)
def test_real_loans_have_drifted_by_the_crisis_and_hardly_before(start: str, share: bool, least: int) -> None:
    loans = pd.read_csv(LOANS, dtype={"naics_sector": str}, parse_dates=["application_date"])
    when = loans["application_date"]
    numeric = ["employees", "jobs_created", "jobs_retained", "loan_amount", "sba_guaranteed_share"]
    category = ["borrower_state", "lender_same_state", "naics_sector", "new_business", "urban_rural", "low_doc"]
    kinds: dict[str, Kind] = {**dict.fromkeys(numeric, "numeric"), **dict.fromkeys(category, "categorical")}
    window = Window(
        start=datetime.fromisoformat(f"{start}T00Z"), end=pd.Timestamp(start, tz="UTC") + pd.Timedelta("180d")
    )
    reference = ready(loans[when.between("2001-01-01", "2003-12-31")], kinds, draws=2000)
    current = loans[(when >= window.start.replace(tzinfo=None)) & (when < window.end.replace(tzinfo=None))]
    summary = judge(current, reference, window=window, as_of=window.end)
    assert (summary.num_features_evaluated, summary.dataset_drift_detected) == (len(kinds), share)
    assert least <= len(summary.drifted_features) <= (11 if share else 1)


# --- Give Me Some Credit: how often, on real applicants ----------------------------------------------------------


class Credit:
    """A reference of 30,000 real applicants, prepared in full, and windows drawn from 120,000 others."""

    def __init__(self) -> None:
        if not CREDIT.exists():
            pytest.skip(
                f"the licence of Give Me Some Credit forbids us to ship it: put it at ../{CREDIT.relative_to(ROOT.parent)}"
            )
        rows = pd.read_parquet(CREDIT).drop(columns=["id", "SeriousDlqin2yrs"])
        order = np.random.default_rng(1).permutation(len(rows))
        kinds: dict[str, Kind] = dict.fromkeys(rows.columns, "numeric")
        self.reference = prepare(rows.iloc[order[:30_000]], kinds, sha256=SHA)
        self.rest, self.rng = rows.iloc[order[30_000:]], np.random.default_rng(2)

    def window(self, rows: int) -> pd.DataFrame:
        return self.rest.iloc[self.rng.choice(len(self.rest), rows, replace=False)].reset_index(drop=True)


@pytest.fixture(scope="module")
def credit() -> Credit:
    return Credit()


def test_real_windows_without_drift_are_calm(credit: Credit) -> None:
    looked = [(rows, judge(credit.window(rows), credit.reference)) for rows in (200, 1_000, 2_000) for _ in range(50)]
    flagged = [(rows, past(summary)) for rows, summary in looked if summary.drifted]
    assert len(flagged) <= 1, f"{len(flagged)} of 150: {flagged}"
    # Of 200 incomes a fifth is missing: now and then fewer than 150 are left, and that is said, not passed over.
    assert {summary.state for rows, summary in looked if rows > 200} <= {State.OK, State.DRIFT}
    assert {summary.state for _, summary in looked} <= {State.OK, State.DRIFT, State.TOO_FEW_ROWS}


def test_real_windows_hold_the_level_that_they_are_given(credit: Credit) -> None:
    """At 1 in 100 a look, the loosest that can be asked for: false alarms that can be counted."""
    policy = DriftPolicy(look_level=0.01, material_psi=1e-6)  # chance alone, no materiality
    flagged = sum(judge(credit.window(400), credit.reference, policy=policy).state is not State.OK for _ in range(100))
    assert flagged <= 4, f"{flagged} of 100, 1 allowed"  # 5 or more of 100 at 1 % happen once in 290 times


def test_utilisation_that_doubles_is_found_in_two_thousand_rows(credit: Credit) -> None:
    name, found = "RevolvingUtilizationOfUnsecuredLines", 0
    for _ in range(30):
        window = credit.window(2_000)
        found += (name, "psi") in past(judge(window.assign(**{name: window[name] * 2}), credit.reference))
    assert found >= 27, f"{found} of 30"


@pytest.mark.parametrize("rows", [200, 2_000])
def test_income_that_is_half_missing_is_found_and_named(credit: Credit, rows: int) -> None:
    for _ in range(15):
        window = credit.window(rows)
        window["MonthlyIncome"] = window["MonthlyIncome"].mask(np.arange(rows) % 2 == 0)
        first = judge(window, credit.reference).drifted[0]
        assert (first.feature, first.code, first.feed_fault) == ("MonthlyIncome", "missing", True)


def test_age_that_grows_by_half_a_percent_is_quiet_in_a_million_rows(credit: Credit) -> None:
    window = credit.rest.iloc[credit.rng.integers(0, len(credit.rest), 1_000_000)]
    summary = judge(window.assign(age=window["age"] * 1.005), credit.reference)
    assert (summary.state, past(summary)) == (State.OK, set())
    moved = judge(window.assign(age=window["age"] * 1.1), credit.reference)
    assert past(moved) == {("age", "psi")}
