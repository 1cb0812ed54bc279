from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from monitoring.drift import categories, drift_summary, jensen_shannon, numbers, wasserstein_normed
from monitoring.values import DriftPolicy, DriftSummary, FeatureNote, Kind, State, Window

WINDOW = Window(start=datetime(2006, 1, 2, tzinfo=UTC), end=datetime(2006, 7, 1, tzinfo=UTC))
LOANS = Path(__file__).parents[2] / "data" / "sba_loans.csv.gz"

SAMPLE = arrays.arrays(np.float64, st.integers(1, 30), elements=st.floats(-1e6, 1e6))
COUNTS = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1, max_size=12).filter(
    lambda pairs: all(sum(side) > 0 for side in zip(*pairs, strict=True))
)


def a_frame(rows: int = 300, *, shift: float = 0.0, seed: int = 0, **columns: Any) -> pd.DataFrame:
    """Two calm features, unless shifted or replaced."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"income": rng.permutation(rows) / rows + shift, "state": (["CA", "TX", "NY"] * rows)[:rows]})
    return frame.assign(**columns)


def judge(current: pd.DataFrame, reference: pd.DataFrame | None = None, **changes: Any) -> DriftSummary:
    kinds: dict[str, Kind] = {"income": "numeric", "state": "categorical"}
    arguments: dict[str, Any] = {
        "kinds": kinds,
        "policy": DriftPolicy(),
        "window": WINDOW,
        "as_of": WINDOW.end,
        "reference_sha256": "ab" * 32,
    }
    return drift_summary(a_frame() if reference is None else reference, current, **arguments | changes)


def note_on(summary: DriftSummary, feature: str) -> FeatureNote:
    return next(note for note in summary.notes if note.feature == feature)


# --- the two scores ----------------------------------------------------------------------------------------------


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


# --- reading columns ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "column",
    [
        pytest.param(pd.Series([1, 0, None]), id="float"),
        pytest.param(pd.Series([1, 0, pd.NA], dtype="Int64"), id="nullable integer"),
        pytest.param(pd.Series([True, False, pd.NA], dtype="boolean"), id="nullable boolean"),
        pytest.param(pd.Series([True, 0, None], dtype=object), id="mixed objects"),
        pytest.param(pd.Series([Decimal(1), Decimal(0), None]), id="decimals"),
        pytest.param(pd.Series(["1", "0.0", None]), id="numbers as text"),
        pytest.param(pd.Series([1, 0, None]).astype("category"), id="pandas category"),
        pytest.param(pd.Series([1, 0, None], dtype="float64[pyarrow]"), id="arrow"),
    ],
)
def test_numbers_are_read_from_every_type_that_holds_them(column: Any) -> None:
    np.testing.assert_array_equal(numbers(column), [1.0, 0.0, np.nan])


@pytest.mark.parametrize(
    "column",
    [
        pytest.param(pd.Series(["much", "0"]), id="text"),
        pytest.param(pd.to_datetime(pd.Series(["2006-01-02"])), id="time"),
        pytest.param(pd.to_datetime(pd.Series(["2006-01-02"]), utc=True), id="time with zone"),
        pytest.param(pd.to_timedelta(pd.Series(["1d"])), id="duration"),
        pytest.param(pd.Series([1j]), id="complex"),
        pytest.param(pd.Series([[1], [2]]), id="lists"),
        pytest.param(pd.Series([datetime(2006, 1, 2), 3], dtype=object), id="a time among numbers"),
        pytest.param(pd.Series([1j, 3], dtype=object), id="a complex among numbers"),
    ],
)
def test_what_is_no_number_is_not_read_as_one(column: Any) -> None:
    with pytest.raises(ValueError, match="not"):
        numbers(column)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        pytest.param(pd.Series([1, 0]), ["1", "0"], id="integer"),
        pytest.param(pd.Series([1.0, 0.0, np.nan]), ["1", "0", None], id="the same as float, one missing"),
        pytest.param(pd.Series([1, pd.NA], dtype="Int64"), ["1", None], id="the same as nullable integer"),
        pytest.param(pd.Series([0.5, -2.0]), ["0.5", "-2"], id="fractions"),
        pytest.param(pd.Series(["1.0", "01", " a", ""]), ["1.0", "01", " a", ""], id="text stays as it is"),
        pytest.param(pd.Series([True, None]), ["True", None], id="booleans"),
        pytest.param(pd.Series(["CA", None]).astype("category"), ["CA", None], id="pandas category"),
        pytest.param(pd.Series([["a"], None]), ["['a']", None], id="lists"),
        pytest.param(pd.Series([np.inf]), ["inf"], id="infinity is a category"),
        pytest.param(pd.Series(["\ud800"]), ["\\ud800"], id="a lone surrogate is spelt out"),
        pytest.param(pd.Series([], dtype=object), [], id="nothing"),
    ],
)
def test_categories_are_compared_as_text(column: Any, expected: list[str | None]) -> None:
    assert categories(column).tolist() == expected


def test_category_column_that_turns_float_with_its_first_gap_has_not_drifted() -> None:
    reference = a_frame(flag=[0, 1] * 150)
    current = a_frame(flag=[0, 1] * 149 + [0, None])
    summary = judge(current, reference, kinds={"flag": "categorical"})
    assert summary.features[0].drift_score < 0.01


# --- the summary -------------------------------------------------------------------------------------------------


def test_window_like_the_reference_is_calm() -> None:
    summary = judge(a_frame(seed=1))
    assert (summary.state, summary.dataset_drift_detected, summary.drift_share) == (State.OK, False, 0.0)
    assert (summary.timestamp, summary.rows, summary.reference_rows, summary.reason) == (WINDOW.end, 300, 300, None)


def test_window_that_moved_in_half_of_its_features_has_drifted() -> None:
    summary = judge(a_frame(shift=1.0))
    assert (summary.state, summary.drift_share) == (State.DRIFT, 0.5)
    assert [(item.feature, item.drift_detected, item.stat_test) for item in summary.features] == [
        ("income", True, "Wasserstein distance (normed)"),
        ("state", False, "Jensen-Shannon distance"),
    ]


def test_feature_whose_score_is_just_the_threshold_has_drifted() -> None:
    score = judge(a_frame(shift=0.3)).features[0].drift_score
    for threshold, drifted in [(score, True), (np.nextafter(score, np.inf), False)]:
        summary = judge(a_frame(shift=0.3), policy=DriftPolicy(threshold=float(threshold)))
        assert summary.features[0].drift_detected is drifted


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
    assert (summary.state, summary.reason, summary.features) == (state, reason, ())
    assert (summary.dataset_drift_detected, summary.drift_share) == (None, None)
    assert summary.excluded_features == ("income", "state")


def test_window_with_just_enough_rows_is_judged() -> None:
    assert judge(a_frame(rows=200)).state is State.OK


UNUSABLE: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "absent": (lambda frame: frame.drop(columns="income"), "has no columns of this name"),
    "there twice": (lambda frame: pd.concat([frame, frame[["income"]]], axis=1), "has 2 columns of this name"),
    "all missing": (lambda frame: frame.assign(income=np.nan), "has 0 values, need 200"),
    "None throughout": (lambda frame: frame.assign(income=None), "has 0 values, need 200"),
    "mostly missing": (lambda frame: frame.assign(income=frame.income.where(frame.index < 199)), "has 199 values"),
    "one infinity": (lambda frame: frame.assign(income=frame.income.where(frame.index > 0, np.inf)), "infinite"),
    "one minus infinity": (lambda frame: frame.assign(income=frame.income.where(frame.index > 0, -np.inf)), "infinite"),
    "infinity as text": (lambda frame: frame.assign(income=["inf"] + ["1"] * (len(frame) - 1)), "infinite"),
    "text": (lambda frame: frame.assign(income="much"), "not numbers"),
    "one text": (lambda frame: frame.assign(income=[1.0] * (len(frame) - 1) + ["much"]), "not numbers"),
    "times": (lambda frame: frame.assign(income=pd.Timestamp("2006-01-02")), "not numbers"),
    "an int past any float": (
        lambda frame: frame.assign(income=pd.Series([10**400] * len(frame), dtype=object)),
        "not numbers",
    ),
    "numbers too far apart for a float": (
        lambda frame: frame.assign(income=[-1.7e308, 1.7e308] * (len(frame) // 2)),
        "too large",
    ),
}


@pytest.mark.parametrize("side", ["reference", "window"])
@pytest.mark.parametrize("flaw", UNUSABLE)
def test_feature_that_cannot_be_judged_is_excluded_with_its_reason_and_the_others_are_judged(
    flaw: str, side: str
) -> None:
    spoil, reason = UNUSABLE[flaw]
    frames = {"reference": a_frame(), "window": a_frame(seed=1)}
    frames[side] = spoil(frames[side])
    summary = judge(frames["window"], frames["reference"])

    assert summary.excluded_features == ("income",)
    assert [item.feature for item in summary.features] == ["state"]
    note = note_on(summary, "income")
    assert reason in str(note.reason)
    assert str(note.reason).startswith(side) or "too large" in reason
    assert summary.to_json() == json.loads(json.dumps(summary.to_json(), allow_nan=False))


def test_feature_that_could_tip_the_verdict_takes_the_calm_away() -> None:
    summary = judge(a_frame(seed=1).assign(income=np.nan))  # one of two: the other is calm, but this one?
    assert (summary.state, summary.dataset_drift_detected, summary.drift_share) == (State.FAILED, None, None)
    assert "could not be judged (income), enough to tip the verdict" in str(summary.reason)


def test_feature_that_could_not_tip_the_verdict_is_named_beside_it() -> None:
    kinds: dict[str, Kind] = {"income": "numeric", "state": "categorical", "region": "categorical"}
    frames = [a_frame(seed=seed).assign(region="west") for seed in (0, 1)]
    summary = judge(frames[1].assign(income=np.nan), frames[0], kinds=kinds)
    assert (summary.state, summary.reason) == (State.OK, "1 of 3 features could not be judged (income)")


def test_window_in_which_nothing_can_be_judged_has_failed_not_passed() -> None:
    summary = judge(a_frame()[[]])
    assert (summary.state, summary.dataset_drift_detected) == (State.FAILED, None)
    assert "2 of 2 features could not be judged" in str(summary.reason)


@pytest.mark.parametrize("kinds", [{}, {"income": "text"}], ids=["none", "unknown kind"])
def test_features_that_make_no_sense_are_the_callers_mistake(kinds: Any) -> None:
    with pytest.raises(ValueError, match="kind"):
        judge(a_frame(), kinds=kinds)


def test_frames_are_left_as_they_were() -> None:
    reference, current = a_frame(), a_frame(shift=1.0)
    judge(current, reference)
    pd.testing.assert_frame_equal(reference, a_frame())
    pd.testing.assert_frame_equal(current, a_frame(shift=1.0))


def test_note_on_numbers_shows_the_movement_in_their_own_unit() -> None:
    values = [10.0, 20.0, 30.0, 40.0] * 100
    current = pd.DataFrame({"income": [value + 5 for value in values] + [None] * 100})
    summary = judge(current, pd.DataFrame({"income": values}), kinds={"income": "numeric"})
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
    summary = judge(current, reference, kinds={"state": "categorical"})
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


CELLS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.complex_numbers(), st.just(pd.NA)
)


@given(reference=st.lists(CELLS, max_size=8), current=st.lists(CELLS, max_size=8), kind=st.sampled_from(Kind.__args__))
def test_whatever_the_frames_hold_nothing_raises_and_no_unjudged_window_reads_as_calm(
    reference: list[Any], current: list[Any], kind: Kind
) -> None:
    frames = [pd.DataFrame({"x": pd.Series(cells, dtype=object)}) for cells in (reference, current)]
    summary = judge(frames[1], frames[0], kinds={"x": kind}, policy=DriftPolicy(min_rows=3))
    text = json.dumps(summary.to_json(), allow_nan=False)
    assert DriftSummary.from_json(json.loads(text)) == summary
    if min(note_on(summary, "x").reference_rows, note_on(summary, "x").current_rows) < 3:
        assert summary.dataset_drift_detected is None
    text.encode()


@given(
    reference=arrays.arrays(np.float64, st.integers(3, 9), elements=st.floats(width=64)),
    current=arrays.arrays(np.float64, st.integers(3, 9), elements=st.floats(width=64)),
)
def test_no_float_however_large_makes_a_score_that_is_not_one(reference: Any, current: Any) -> None:
    frames = [pd.DataFrame({"x": values}) for values in (reference, current)]
    summary = judge(frames[1], frames[0], kinds={"x": "numeric"}, policy=DriftPolicy(min_rows=1))
    assert all(np.isfinite(item.drift_score) for item in summary.features)
    if np.isinf(np.concatenate([reference, current])).any():
        assert summary.dataset_drift_detected is None


# --- real loans --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def loans() -> pd.DataFrame:
    return pd.read_csv(LOANS, dtype={"naics_sector": str}, parse_dates=["application_date"])


@pytest.mark.parametrize(
    ("start", "verdict"),
    [
        pytest.param("2002-01-01", False, id="inside the reference's years"),
        pytest.param("2007-01-01", True, id="on the eve of the crisis"),
        pytest.param("2009-07-01", True, id="after it"),
    ],
)
def test_real_loans_have_drifted_by_the_crisis_and_not_before(loans: pd.DataFrame, start: str, verdict: bool) -> None:
    when = loans["application_date"]
    numeric = ["employees", "jobs_created", "jobs_retained", "loan_amount", "sba_guaranteed_share"]
    category = ["borrower_state", "lender_same_state", "naics_sector", "new_business", "urban_rural", "low_doc"]
    kinds: dict[str, Kind] = {**dict.fromkeys(numeric, "numeric"), **dict.fromkeys(category, "categorical")}
    window = Window(
        start=datetime.fromisoformat(f"{start}T00Z"), end=pd.Timestamp(start, tz="UTC") + pd.Timedelta("180d")
    )
    reference = loans[when.between("2001-01-01", "2003-12-31")]
    current = loans[(when >= window.start.replace(tzinfo=None)) & (when < window.end.replace(tzinfo=None))]
    summary = judge(current, reference, kinds=kinds, window=window, as_of=window.end)
    assert (summary.num_features_evaluated, summary.dataset_drift_detected) == (len(kinds), verdict)
