"""Realised performance says nothing of what is not final, and each number with how sure it is."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from builders import REPOSITORY
from hypothesis import given
from hypothesis import strategies as st

from monitoring import performance
from monitoring.bins import NumericBins, numeric_bins
from monitoring.outcome_metrics import FEWEST, METRICS, Estimate, Realised, realised
from monitoring.performance_floor import JUDGED, FloorPolicy, FloorState, FloorVerdict, performance_floor
from monitoring.realised import (
    VintagePerformance,
    performance_by_vintage,
    psi_by_chance,
    recent_final,
    score_bands,
)
from monitoring.scored_rows import UNKNOWN, ScoredRows
from monitoring.vintages import TriangleCell, Vintage, ages_of, triangle, vintages_of
from pipeline.settings import load_settings
from pipeline.traffic.portfolio import read_portfolio

AS_OF = datetime(2006, 7, 1, tzinfo=UTC)
HORIZON = timedelta(days=365)
BINS = NumericBins(edges=(0.1, 0.2, 0.4))
REFERENCE = np.array([40, 30, 20, 10])


def moments(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="datetime64[us]")


def rows_of(
    event_time: np.ndarray,
    y: Any,
    *,
    score: Any = 0.2,
    decision: Any = 0,
    age_when_bad: timedelta = timedelta(days=100),
    as_of: datetime = AS_OF,
    horizon: timedelta = HORIZON,
    **changes: Any,
) -> ScoredRows:
    """Rows with honest delays: bad is known at `age_when_bad`, good at the horizon, and nothing before its time."""
    n, truth = len(event_time), np.broadcast_to(y, len(event_time))
    known_at = event_time + np.where(truth == 1, np.timedelta64(age_when_bad), np.timedelta64(horizon))
    known = (known_at <= np.datetime64(as_of.replace(tzinfo=None))) & (truth != UNKNOWN)
    columns: dict[str, Any] = {
        "event_time": event_time,
        "score": np.broadcast_to(score, n).astype(float),
        "decision": np.broadcast_to(decision, n).astype(np.int8),
        "y": np.where(known, truth, UNKNOWN).astype(np.int8),
        "known_at": np.where(known, known_at, np.datetime64("NaT")),
        "model_version": np.full(n, "1"),
    }
    return ScoredRows(**columns | {"as_of": as_of, "horizon": horizon} | changes)


def some_rows(n: int = 3000, *, bad_share: float = 0.2, days: int = 900, seed: int = 1, **changes: Any) -> ScoredRows:
    """Applications up to `as_of` from a model that ranks somewhat and says what will be."""
    rng = np.random.default_rng(seed)
    log_odds = np.log(bad_share / (1 - bad_share)) + rng.normal(0, 1, n)
    score = 1 / (1 + np.exp(-log_odds))
    as_of = changes.get("as_of", AS_OF)
    start = np.datetime64((as_of - timedelta(days=days)).replace(tzinfo=None), "us")
    event_time = np.sort(start + (rng.random(n) * days * 86_400_000_000).astype("timedelta64[us]"))
    y = (rng.random(n) < score).astype(int)
    return rows_of(event_time, y, score=score, decision=score >= 0.3, **changes)


def performances(rows: ScoredRows, **changes: Any) -> tuple[VintagePerformance, ...]:
    return performance_by_vintage(rows, **{"bins": BINS, "reference": REFERENCE} | changes)


# --- rows ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        pytest.param({"score": np.array([0.1, 1.1])}, "score.*row 2", id="not a probability"),
        pytest.param({"score": np.array([np.nan, 0.1])}, "score.*row 1", id="no score"),
        pytest.param({"decision": np.array([0, 2])}, "decision", id="not a decision"),
        pytest.param({"y": np.array([0, 3])}, "y: ", id="not an outcome"),
        pytest.param({"event_time": moments("2004-01-01", "2006-07-02")}, "event_time", id="from the future"),
        pytest.param({"event_time": moments("2004-01-01", "NaT")}, "event_time", id="no event time"),
        pytest.param({"known_at": moments("2005-01-01", "NaT")}, "known_at", id="an outcome without its time"),
        pytest.param({"known_at": moments("2005-01-01", "2006-07-02")}, "known_at", id="an outcome known tomorrow"),
        pytest.param({"y": np.array([0, UNKNOWN])}, "known_at", id="a time without an outcome"),
        pytest.param({"score": np.array([0.1])}, "one length", id="a short column"),
        pytest.param({"as_of": datetime(2006, 7, 1)}, "timezone", id="a naive moment"),
        pytest.param({"horizon": -HORIZON}, "horizon", id="a horizon in the past"),
    ],
)
def test_rows_that_cannot_be_are_refused(changes: dict[str, Any], complaint: str) -> None:
    event_time = moments("2004-01-01", "2004-02-01")
    with pytest.raises(ValueError, match=complaint):
        dataclasses.replace(rows_of(event_time, [0, 1]), **changes)


def a_frame(**changes: Any) -> pd.DataFrame:
    times = pd.to_datetime(["2004-01-01", "2004-02-01", "2006-06-01"], utc=True)
    known = pd.to_datetime(["2004-12-31", "2004-05-01", None], utc=True)
    columns = {"event_time": times, "score": 0.2, "decision": 0.0, "y": [0.0, 1.0, np.nan], "known_at": known}
    return pd.DataFrame(columns | {"model_version": ["1", "1", "2"]} | changes)


def test_an_outcome_known_later_is_not_known_yet() -> None:
    at = {"horizon": HORIZON, "as_of": datetime(2004, 6, 1, tzinfo=UTC)}
    early = ScoredRows.from_frame(a_frame()[:2], **at)
    assert early.y.tolist() == [UNKNOWN, 1]
    assert early.mature.tolist() == [False, False]
    late = ScoredRows.from_frame(a_frame(), as_of=AS_OF, horizon=HORIZON)
    assert late.y.tolist() == [0, 1, UNKNOWN]
    assert late.labelled.tolist() == [True, True, False]


def test_rows_without_a_usable_score_are_counted_and_not_measured() -> None:
    rows = ScoredRows.from_frame(a_frame(score=[0.2, np.nan, 1.5]), as_of=AS_OF, horizon=HORIZON)
    assert (len(rows.y), rows.unscored) == (1, 2)


def test_half_an_outcome_is_refused() -> None:
    with pytest.raises(ValueError, match="y: expected 0, 1 or nothing"):
        ScoredRows.from_frame(a_frame(y=[0.0, 0.5, np.nan]), as_of=AS_OF, horizon=HORIZON)


def test_naive_times_are_refused() -> None:
    with pytest.raises(ValueError, match="event_time must be timezone-aware"):
        ScoredRows.from_frame(a_frame(event_time=pd.Timestamp("2004-01-01")), as_of=AS_OF, horizon=HORIZON)


# --- vintages ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("as_of", "mature", "is_final"),
    [
        pytest.param("2005-03-30T23:59Z", 1, False, id="the youngest row is a minute short"),
        pytest.param("2005-03-31T00:00Z", 2, True, id="the youngest row is mature"),
    ],
)
def test_a_vintage_is_final_when_its_youngest_row_is(as_of: str, mature: int, is_final: bool) -> None:
    rows = rows_of(moments("2004-01-05", "2004-03-31"), [0, 0], as_of=datetime.fromisoformat(as_of))
    (vintage,) = vintages_of(rows)
    assert (vintage.name, vintage.mature, vintage.is_final) == ("2004 Q1", mature, is_final)
    assert vintage.final_at == datetime(2005, 3, 31, tzinfo=UTC)


def test_a_quarter_that_still_runs_is_never_final() -> None:
    rows = rows_of(moments("2006-04-02"), [0], as_of=datetime(2006, 6, 30, tzinfo=UTC), horizon=timedelta(days=1))
    (vintage,) = vintages_of(rows)
    assert (vintage.mature, vintage.is_final, vintage.final_at) == (1, False, datetime(2006, 7, 2, tzinfo=UTC))
    assert performances(rows)[0].realised is None


@given(st.integers(0, 900), st.integers(0, 700), st.integers(0, 2**32 - 1))
def test_what_is_measured_is_final_and_whole(past: int, horizon: int, seed: int) -> None:
    as_of = AS_OF - timedelta(days=past)
    rows = some_rows(80, seed=seed, as_of=as_of, horizon=timedelta(days=horizon), age_when_bad=timedelta(0))
    for item in performances(rows):
        inside = rows.where((rows.event_time >= np.datetime64(item.vintage.start.replace(tzinfo=None)))
                            & (rows.event_time < np.datetime64(item.vintage.end.replace(tzinfo=None))))  # fmt: skip
        assert len(inside.y) == item.vintage.rows
        if item.realised is None:
            assert item.reason
        else:
            assert inside.mature.all()
            assert item.vintage.end <= as_of
            assert (item.realised.rows, item.realised.bad) == (item.vintage.labelled, item.vintage.bad)
        json.dumps(item.to_json(), allow_nan=False)


def test_a_metric_of_a_vintage_that_is_not_final_cannot_be_written_down() -> None:
    final, *_, waiting = performances(some_rows())
    assert final.realised is not None
    assert waiting.reason is not None
    assert waiting.reason.startswith("not final: bad outcomes are known early and good ones late; final on 2007-")
    values = {name: getattr(waiting, name) for name in ("vintage", "models", "mean_score", "psi", "psi_by_chance")}
    with pytest.raises(ValueError, match="before it is final"):
        VintagePerformance(**values, realised=final.realised, reason=None)


def test_vintages_count_what_there_is() -> None:
    rows = some_rows()
    found = vintages_of(rows)
    for name, mask in ("rows", rows.y < 9), ("mature", rows.mature), ("labelled", rows.labelled):
        assert sum(getattr(vintage, name) for vintage in found) == int(mask.sum())
    assert sum(vintage.bad for vintage in found) == int((rows.labelled & (rows.y == 1)).sum())
    assert [vintage.start for vintage in found] == sorted(vintage.start for vintage in found)
    assert vintages_of(rows.where(rows.y > 9)) == ()


def test_a_vintage_without_labels_says_so() -> None:
    (item,) = performances(rows_of(moments("2004-01-05", "2004-01-06"), UNKNOWN))
    assert (item.realised, item.reason, item.vintage.coverage) == (None, "none of 2 rows has a label", 0.0)


def test_it_is_told_who_scored_a_vintage() -> None:
    rows = rows_of(moments("2004-01-05", "2004-01-06", "2004-02-06"), 0, model_version=np.array(["9", "10", "10"]))
    assert performances(rows)[0].models == (("9", 1), ("10", 2))


@pytest.mark.parametrize(
    "counts",
    [
        pytest.param({"labelled": 4}, id="more labelled than mature"),
        pytest.param({"rows": 2}, id="more mature than there are"),
        pytest.param({"mature": 2, "labelled": 2}, id="final with an immature row"),
    ],
)
def test_a_vintage_that_does_not_add_up_is_refused(counts: dict[str, int]) -> None:
    values: dict[str, Any] = {"rows": 3, "mature": 3, "labelled": 3, "bad": 1} | counts
    with pytest.raises(ValueError, match="vintage 2004 Q1"):
        Vintage(name="2004 Q1", start=AS_OF, end=AS_OF, final_at=AS_OF, is_final=True, **values)


# --- metrics -------------------------------------------------------------------------------------------------------


def outcomes(n: int = 2000, *, seed: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = some_rows(n, seed=seed, horizon=timedelta(0), age_when_bad=timedelta(0))
    return rows.y, rows.score, rows.decision


def test_every_metric_is_the_one_of_its_name_and_lies_in_its_interval() -> None:
    y, p, called = outcomes()
    found = realised(y, p, called)
    expected = {name: getattr(performance, name)(y, p) for name in ("auc", "gini", "ks", "brier")}
    expected |= {"f1": performance.f1(y, called), "default_rate": y.mean()}
    expected |= {"expected_minus_observed": p.mean() - y.mean()}
    for metric, value in expected.items():
        assert found.of(metric).value == pytest.approx(value, abs=1e-12), metric
    for estimate in found.estimates:
        assert estimate.low is not None
        assert estimate.low < estimate.value < estimate.high  # type: ignore[operator]
    assert abs(found.of("calibration_slope").value - 1) < 0.2  # type: ignore[operator]


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    truth = {e.metric: e.value for e in realised(*outcomes(400_000, seed=2)).estimates}
    held = dict.fromkeys(METRICS, 0)
    for seed in range(300):
        for estimate in realised(*outcomes(400, seed=seed)).estimates:
            held[estimate.metric] += estimate.low <= truth[estimate.metric] <= estimate.high  # type: ignore[operator]
    shares = {metric: count / 300 for metric, count in held.items()}
    assert 0.75 < shares.pop("ks") < 0.95  # flattered by its own cut-off, as its docstring says
    assert {metric: share for metric, share in shares.items() if not 0.86 < share < 0.95} == {}


@pytest.mark.parametrize("bad", [0, 1, FEWEST - 1, FEWEST])
def test_few_bad_outcomes_leave_a_default_rate_and_a_reason(bad: int) -> None:
    y = np.zeros(200, dtype=np.int8)
    y[:bad] = 1
    found = realised(y, np.linspace(0.9, 0.1, 200) ** 2, np.zeros(200, dtype=np.int8))
    unknown = {estimate.metric for estimate in found.estimates if estimate.value is None}
    assert unknown >= ({"auc", "gini", "ks", "brier"} if bad < FEWEST else set())
    assert (found.of("auc").value is None) is (bad < FEWEST)
    assert found.of("default_rate").high > bad / 200  # type: ignore[operator]
    if bad < FEWEST:
        assert found.of("brier").reason == f"{bad} bad and {200 - bad} good, {FEWEST} of either needed"


def test_certainty_is_never_drawn_from_rows_that_are_all_alike() -> None:
    y = np.array([1, 0] * 30, dtype=np.int8)
    found = realised(y, y * 0.8 + 0.1, y)  # ranked perfectly, and every row equally wrong
    assert (found.of("auc").value, found.of("auc").low) == (1.0, None)
    assert found.of("auc").reason == found.of("brier").reason == "no interval: every row contributes the same"
    assert found.of("calibration_slope").reason == "one score only, or a cut-off separates the outcomes"
    assert found.of("f1").low < 1 == found.of("f1").high  # type: ignore[operator]


def test_f1_of_nothing_called_bad_is_not_zero_but_unknown_when_nothing_is_bad() -> None:
    none = np.zeros(50, dtype=np.int8)
    assert realised(none, np.full(50, 0.1), none).of("f1").reason == "nothing is bad and nothing was called bad"
    missed = realised(np.arange(50) // 40, np.full(50, 0.1), none).of("f1")
    assert (missed.value, missed.low) == (0.0, 0.0)
    assert missed.high > 0.2  # type: ignore[operator]


def test_ks_is_measured_whichever_way_the_scores_point() -> None:
    y, p, called = outcomes()
    assert realised(y, 1 - p, called).of("ks").value == pytest.approx(performance.ks(y, p))


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"value": None, "low": 0.1, "high": 0.2}, id="limits around nothing"),
        pytest.param({"value": 0.3, "low": 0.1, "high": 0.2}, id="outside its limits"),
        pytest.param({"value": 0.3}, id="no limits and no reason"),
        pytest.param({"value": 0.3, "low": 0.1, "reason": "x"}, id="one limit"),
        pytest.param({"value": float("nan"), "reason": "x"}, id="not a number"),
    ],
)
def test_an_estimate_that_cannot_be_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="auc"):
        Estimate(metric="auc", **values)


def test_realised_has_every_metric_in_order() -> None:
    with pytest.raises(ValueError, match="in this order"):
        Realised(rows=1, bad=0, mean_score=0.1, level=0.9, estimates=())


# --- triangle ------------------------------------------------------------------------------------------------------


def cells(rows: ScoredRows) -> dict[tuple[str, int], TriangleCell]:
    return {(cell.vintage, cell.months): cell for cell in triangle(rows)}


def test_the_triangle_counts_who_went_bad_by_an_age_the_whole_vintage_has_reached() -> None:
    event_time = moments("2005-01-10", "2005-01-20", "2005-03-30", "2005-03-30", "2006-01-01")
    rows = rows_of(event_time, [1, 0, 1, 0, 0], age_when_bad=timedelta(days=100), as_of=AS_OF)
    found = cells(rows)
    assert [found["2005 Q1", months].bad for months in (3, 6, 9, 12)] == [0, 2, 2, 2]
    assert found["2005 Q1", 6].share == 0.5
    assert (found["2005 Q1", 6].low, found["2005 Q1", 6].high) == performance.wilson_interval(2, 4, level=0.90)
    assert [found["2006 Q1", months].share for months in (3, 6, 9, 12)] == [0.0, None, None, None]
    assert len(found) == 8


def test_an_age_waits_for_the_youngest_row() -> None:
    age = ages_of(HORIZON)[0]
    event_time = moments("2006-01-01", "2006-03-01")
    reached = datetime(2006, 3, 1, tzinfo=UTC) + age
    for as_of, known in (reached, True), (reached - timedelta(microseconds=1), False):
        found = cells(rows_of(event_time, [1, 0], age_when_bad=timedelta(days=1), as_of=as_of))
        assert (found["2006 Q1", 3].share is not None) is known


def test_the_running_quarter_has_no_share_at_any_age() -> None:
    rows = rows_of(moments("2006-04-01"), 1, age_when_bad=timedelta(0), horizon=timedelta(days=30),
                   as_of=datetime(2006, 6, 30, tzinfo=UTC))  # fmt: skip
    assert [cell.share for cell in triangle(rows)] == [None]


@given(st.integers(0, 800), st.integers(1, 800), st.integers(0, 2**32 - 1))
def test_shares_never_fall_with_age_and_end_at_the_default_rate(bad_day: int, horizon: int, seed: int) -> None:
    rows = some_rows(60, seed=seed, horizon=timedelta(days=horizon), age_when_bad=timedelta(days=min(bad_day, horizon)))
    found, by_vintage = triangle(rows), {vintage.name: vintage for vintage in vintages_of(rows)}
    for name, vintage in by_vintage.items():
        shares = [cell.share for cell in found if cell.vintage == name]
        known = [share for share in shares if share is not None]
        assert known == sorted(known)
        assert shares == known + [None] * (len(shares) - len(known))
        assert (len(known) == len(shares)) is vintage.is_final
        if vintage.is_final:
            assert known[-1] == vintage.bad / vintage.rows


def test_half_a_triangle_cell_is_refused() -> None:
    with pytest.raises(ValueError, match="expected all of"):
        TriangleCell(vintage="v", age=HORIZON, months=12, rows=5, bad=1, share=None, low=None, high=None)


# --- bands and stability -------------------------------------------------------------------------------------------


def test_bands_hold_expected_and_observed_of_final_outcomes_only() -> None:
    event_time = moments("2005-01-01", "2005-01-02", "2005-01-03", "2006-06-01", "2006-02-01")
    rows = rows_of(event_time, [1, 0, 0, 0, 1], score=[0.1, 0.15, 0.5, 0.15, 0.15])
    assert rows.y.tolist() == [1, 0, 0, UNKNOWN, 1]  # the last one is bad early, and not mature
    found = score_bands(rows, bins=BINS, last=4)
    assert [(band.name, band.rows, band.bad) for band in found] == [
        ("below 0.1", 0, 0),
        ("0.1 to 0.2", 2, 1),
        ("0.2 to 0.4", 0, 0),
        ("0.4 and more", 1, 0),
    ]
    assert (found[1].expected, found[1].observed) == (0.125, 0.5)
    assert (found[1].low, found[1].high) == performance.wilson_interval(1, 2, level=0.90)
    assert (found[0].expected, found[0].observed, found[0].low) == (None, None, None)


def test_bands_read_the_last_vintages() -> None:
    rows = some_rows(as_of=AS_OF, horizon=timedelta(days=90))
    sizes = [sum(band.rows for band in score_bands(rows, bins=BINS, last=last)) for last in (1, 2, 99)]
    labelled = [vintage.labelled for vintage in vintages_of(rows) if vintage.labelled]
    assert sizes == [labelled[-1], sum(labelled[-2:]), sum(labelled)]
    with pytest.raises(ValueError, match="last"):
        score_bands(rows, bins=BINS, last=0)


def test_a_score_that_has_not_moved_stays_below_chance_and_a_moved_one_does_not() -> None:
    rng = np.random.default_rng(4)
    reference = rng.beta(2, 8, 3000)
    bins = numeric_bins(reference)
    quarters = [np.datetime64(f"{year}-{month:02d}-01", "us") for year in range(1996, 2006) for month in (1, 4, 7, 10)]
    event_time = np.repeat(quarters, 250)
    for shift, low, high in (0.0, 0.0, 0.15), (0.08, 0.95, 1.0):
        score = np.clip(rng.beta(2, 8, len(event_time)) + shift, 0, 1)
        found = performances(rows_of(event_time, 0, score=score), bins=bins, reference=bins.count(reference))
        assert low <= np.mean([item.psi > item.psi_by_chance for item in found]) <= high


def test_chance_shrinks_with_rows() -> None:
    assert psi_by_chance(3000, 100, bins=10) > psi_by_chance(3000, 1000, bins=10) > psi_by_chance(9000, 1000, bins=10)


# --- floor ---------------------------------------------------------------------------------------------------------

POLICY = FloorPolicy(metric="auc", tolerance=0.10)


def judge(rows: ScoredRows, promise: float | None, policy: FloorPolicy = POLICY) -> FloorVerdict:
    return performance_floor(rows, promise=promise, policy=policy)


FINAL = some_rows(2000, horizon=timedelta(days=1), age_when_bad=timedelta(0))  # AUC 0.754


@pytest.mark.parametrize(
    ("promise", "state"),
    [
        pytest.param(0.60, FloorState.OK, id="more than was promised"),
        pytest.param(0.78, FloorState.UNDECIDED, id="at the floor"),
        pytest.param(0.90, FloorState.BELOW, id="far below"),
        pytest.param(None, FloorState.UNDECIDED, id="nothing promised"),
        pytest.param(0.50, FloorState.UNDECIDED, id="a coin's promise"),
        pytest.param(0.30, FloorState.UNDECIDED, id="worse than a coin's"),
    ],
)
def test_below_needs_the_whole_interval_below(promise: float | None, state: FloorState) -> None:
    verdict = judge(FINAL, promise)
    assert verdict.state is state, verdict
    assert verdict.reason
    json.dumps(verdict.to_json(), allow_nan=False)


@pytest.mark.parametrize(
    ("rows", "policy", "reason"),
    [
        pytest.param(FINAL.where(np.arange(2000) < 199), {}, "199 final outcomes", id="few rows"),
        pytest.param(some_rows(2000, bad_share=0.01, horizon=timedelta(0), age_when_bad=timedelta(0)), {}, "and 50 needed", id="few bad"),
        pytest.param(FINAL.where(FINAL.y > 9), {}, "no row is mature yet", id="no rows"),
        pytest.param(some_rows(horizon=timedelta(days=9000), age_when_bad=timedelta(0)), {}, "no row is mature yet", id="only early bad ones"),
        pytest.param(rows_of(np.full(300, moments("2004-01-01")[0]), UNKNOWN), {}, "300 mature rows, none labelled", id="no label"),
        pytest.param(rows_of(FINAL.event_time, np.where(np.arange(2000) % 4 == 0, np.maximum(FINAL.y, 0), UNKNOWN), score=FINAL.score), {}, "labelled; a share of 0.3 is needed", id="few labels"),
    ],
)  # fmt: skip
def test_too_little_is_undecided_however_bad_it_looks(rows: ScoredRows, policy: dict[str, Any], reason: str) -> None:
    verdict = judge(rows, 0.99, FloorPolicy(metric="auc", tolerance=0.0, **policy))
    assert verdict.state is FloorState.UNDECIDED
    assert reason in verdict.reason


@given(
    st.sampled_from(JUDGED), st.floats(0, 0.99), st.floats(0.001, 1.0), st.integers(0, 1200), st.integers(0, 2**32 - 1)
)
def test_a_signal_has_enough_rows_and_an_interval_clear_of_the_floor(
    metric: str, tolerance: float, promise: float, n: int, seed: int
) -> None:
    rows = some_rows(n, seed=seed, age_when_bad=timedelta(days=30)) if n else FINAL.where(FINAL.y > 9)
    policy = FloorPolicy(metric=metric, tolerance=tolerance)
    verdict = judge(rows, promise, policy)
    chosen = rows.labelled
    assert (verdict.rows, verdict.mature) == (int(chosen.sum()), int(rows.mature.sum()))
    if verdict.state is FloorState.UNDECIDED:
        return
    assert verdict.rows >= policy.min_rows
    assert verdict.bad >= policy.min_bad
    sure = realised(rows.y[chosen], rows.score[chosen], rows.decision[chosen]).of(metric)
    floor = policy.floor(promise)
    below = sure.low > floor if metric == "brier" else sure.high < floor  # type: ignore[operator]
    assert (verdict.state is FloorState.BELOW) is below
    if not below:
        assert sure.high <= floor if metric == "brier" else sure.low >= floor  # type: ignore[operator]


@given(st.floats(0.51, 0.95), st.floats(0, 0.9))
def test_auc_and_gini_give_one_verdict(promise: float, tolerance: float) -> None:
    by_auc = judge(FINAL, promise, FloorPolicy(metric="auc", tolerance=tolerance))
    by_gini = judge(FINAL, 2 * promise - 1, FloorPolicy(metric="gini", tolerance=tolerance))
    assert by_gini.floor == pytest.approx(2 * by_auc.floor - 1)  # type: ignore[operator]
    assert by_auc.state is by_gini.state


def test_a_higher_brier_score_is_the_worse_one() -> None:
    policy = FloorPolicy(metric="brier", tolerance=0.05)
    assert judge(FINAL, 0.05, policy).state is FloorState.BELOW
    assert judge(FINAL, 0.30, policy).state is FloorState.OK


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"metric": "default_rate"}, id="no better side"),
        pytest.param({"tolerance": 1.0}, id="everything may be lost"),
        pytest.param({"tolerance": float("nan")}, id="not a number"),
        pytest.param({"min_bad": 0}, id="no bad rows needed"),
        pytest.param({"min_coverage": 1.5}, id="more than all labels"),
    ],
)
def test_a_floor_policy_that_cannot_be_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(values))):
        FloorPolicy(**{"metric": "auc", "tolerance": 0.1} | values)


def test_a_verdict_must_follow_from_its_numbers() -> None:
    verdict = judge(FINAL, 0.60)
    values = {name: getattr(verdict, name) for name in verdict.__slots__}
    with pytest.raises(ValueError, match="floor: below"):
        FloorVerdict(**values | {"state": FloorState.BELOW})


def test_only_the_champions_own_latest_rows_are_recent() -> None:
    event_time = moments("2004-02-01", "2004-05-01", "2004-08-01", "2004-11-01", "2006-05-01")
    rows = rows_of(event_time, 0, model_version=np.array(["1", "2", "2", "1", "2"]))
    chosen = recent_final(rows, model_version="2", last=1)
    assert chosen.event_time.astype("datetime64[D]").astype(str).tolist() == ["2004-08-01"]
    assert len(recent_final(rows, model_version="1", last=9).y) == 2
    assert len(recent_final(rows, model_version="3", last=9).y) == 0


# --- the loans that ship -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def loans() -> pd.DataFrame:
    rows = read_portfolio(load_settings(str(REPOSITORY / "mend.toml"))).rows
    return rows.assign(score=0.1, decision=0.0, model_version="1")


def loans_at(loans: pd.DataFrame, as_of: datetime) -> ScoredRows:
    seen = loans[(loans["event_time"] >= "2004-01-01") & (loans["event_time"] < as_of)]
    return ScoredRows.from_frame(seen, as_of=as_of, horizon=timedelta(days=1096))


def test_the_loans_default_as_the_data_card_says(loans: pd.DataFrame) -> None:
    rates: dict[int, list[Vintage]] = {}
    for vintage in vintages_of(loans_at(loans, datetime(2011, 1, 1, tzinfo=UTC))):
        rates.setdefault(vintage.start.year, []).append(vintage)
    found = {year: round(100 * sum(v.bad for v in of) / sum(v.rows for v in of)) for year, of in rates.items()}
    assert {year: found[year] for year in (2004, 2005, 2006, 2007)} == {2004: 11, 2005: 15, 2006: 22, 2007: 35}


def test_the_crisis_shows_in_the_triangle_before_any_of_its_vintages_is_final(loans: pd.DataFrame) -> None:
    as_of = datetime(2009, 1, 2, tzinfo=UTC)
    rows = loans_at(loans, as_of)
    found = cells(rows)
    at_24_months = {name: found[name, 24].share for name in ("2004 Q4", "2005 Q4", "2006 Q4")}
    assert at_24_months["2004 Q4"] < at_24_months["2005 Q4"] < at_24_months["2006 Q4"]  # type: ignore[operator]
    assert found["2006 Q4", 24].low > found["2004 Q4", 24].high  # type: ignore[operator]
    assert found["2007 Q2", 18].low > found["2005 Q2", 18].high  # type: ignore[operator]
    assert found["2007 Q2", 21].share is None
    waiting = [item for item in performances(rows) if item.vintage.start >= datetime(2006, 1, 1, tzinfo=UTC)]
    assert len(waiting) == 12
    assert all(item.realised is None and item.vintage.labelled == 0 for item in waiting[1:])


def test_outcomes_of_immature_rows_would_have_told_a_wrong_default_rate(loans: pd.DataFrame) -> None:
    as_of = datetime(2007, 7, 2, tzinfo=UTC)
    rows, truth = loans_at(loans, as_of), loans_at(loans, datetime(2011, 1, 1, tzinfo=UTC))
    final = {item.vintage.name: item.realised.of("default_rate").value for item in performances(truth) if item.realised}
    measured = misleading = 0
    for item in performances(rows):
        start, end = (np.datetime64(moment.replace(tzinfo=None)) for moment in (item.vintage.start, item.vintage.end))
        known = rows.y[(rows.event_time >= start) & (rows.event_time < end) & (rows.y != UNKNOWN)]
        if item.realised is not None:
            measured += 1
            assert item.realised.of("default_rate").value == final[item.vintage.name]
        elif item.vintage.mature == 0 and len(known) > 20:
            misleading += 1
            assert known.mean() == 1.0  # every outcome known so far is a bad one
            assert final[item.vintage.name] < 0.25
            assert "default_rate" not in json.dumps(item.to_json())
    assert measured == 2  # the first half of 2004
    assert misleading >= 5
