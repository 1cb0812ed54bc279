from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.performance import wilson_interval
from monitoring.proxy import ProxyMetrics, binary_entropy, duration_text, proxy_metrics

NOW = datetime(2006, 7, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def a_log(*hours_ago: float, **columns: Any) -> pd.DataFrame:
    """A row for each age, scored 0.2 and refused nothing, unless columns are replaced."""
    times = pd.to_datetime([NOW - timedelta(hours=hours) for hours in hours_ago], utc=True)
    frame = pd.DataFrame({"event_time": times, "score": 0.2, "threshold": 0.3, "decision": 0})
    return frame.assign(**{"missing_share": 0.0, "label_known": False} | columns)


def measure(scored: pd.DataFrame, *, as_of: datetime = NOW, lookback: timedelta = DAY) -> ProxyMetrics:
    return proxy_metrics(scored, as_of=as_of, lookback=lookback)


def test_windows_nest_and_end_now() -> None:
    metrics = measure(a_log(0.5, 3, 5, 12, 23, 25))
    assert [(window.label, window.volume) for window in metrics.windows] == [("1h", 1), ("6h", 3), ("24h", 5)]
    assert {window.end for window in metrics.windows} == {NOW}


def test_windows_scale_with_the_lookback() -> None:
    labels = [window.label for window in measure(a_log(1), lookback=timedelta(days=180)).windows]
    assert labels == ["7.5d", "45d", "180d"]


@pytest.mark.parametrize(
    ("hours_ago", "volume"),
    [
        pytest.param(24, 1, id="at the start: inside"),
        pytest.param(24 + 1e-6, 0, id="just before the start: outside"),
        pytest.param(1e-6, 1, id="just before the end: inside"),
        pytest.param(0, 0, id="at the end: outside"),
        pytest.param(-1, 0, id="in the future: outside"),
    ],
)
def test_window_is_half_open(hours_ago: float, volume: int) -> None:
    assert measure(a_log(hours_ago)).windows[-1].volume == volume


@pytest.mark.parametrize(
    ("hours_ago", "seconds"),
    [
        pytest.param([2, 5], 7200, id="newest counts"),
        pytest.param([100], 360_000, id="older than the lookback still tells"),
        pytest.param([-1, 2], 7200, id="the future does not"),
        pytest.param([-1], None, id="nothing but the future"),
        pytest.param([], None, id="no traffic"),
    ],
)
def test_freshness_is_the_age_of_the_newest_event_so_far(hours_ago: list[float], seconds: float | None) -> None:
    assert measure(a_log(*hours_ago)).freshness_s == seconds


def test_statistics_are_those_of_the_window() -> None:
    scores = [0.1, 0.2, 0.3, 0.9]
    log = a_log(
        *[0.1, 0.2, 0.3, 0.4],
        score=scores,
        decision=[0, 0, 0, 1],
        missing_share=[0.0, 0.5, 0.1, 0.2],
        label_known=[True, False, True, True],
    )
    window = measure(log).windows[0]
    assert window.score_mean == pytest.approx(0.375)
    assert window.score_std == pytest.approx(math.sqrt(0.096875))
    assert window.score_quartiles == pytest.approx((0.175, 0.25, 0.45))
    assert window.entropy == pytest.approx(sum(-p * math.log(p) - (1 - p) * math.log(1 - p) for p in scores) / 4)
    assert (window.predicted_positive_rate, window.predicted_positive_interval) == (0.25, wilson_interval(1, 4))
    assert (window.label_coverage, window.label_coverage_interval) == (0.75, wilson_interval(3, 4))
    assert window.missing_share == pytest.approx(0.2)
    assert window.unscored == 0


def test_window_without_traffic_measures_nothing_rather_than_nan() -> None:
    last_hour = measure(a_log(3)).windows[0]
    measured = {key: value for key, value in last_hour.to_json().items() if key not in ("label", "start", "end")}
    assert measured.pop("volume") == measured.pop("unscored") == 0
    assert set(measured.values()) == {None}


@pytest.mark.parametrize(
    "unusable", [{"score": np.nan}, {"score": 1.01}, {"score": -0.1}, {"decision": None}, {"decision": 2}]
)
def test_row_without_a_usable_score_is_counted_and_kept_out_of_the_statistics(unusable: dict[str, Any]) -> None:
    log = pd.concat([a_log(0.1, score=0.4), a_log(0.2, **unusable)])
    window = measure(log).windows[0]
    assert (window.volume, window.unscored, window.score_mean, window.predicted_positive_rate) == (2, 1, 0.4, 0.0)


def test_label_that_is_neither_known_nor_unknown_is_not_known() -> None:
    log = a_log(0.1, 0.2, 0.3, label_known=pd.array([True, None, False], dtype="boolean"))
    assert measure(log).windows[0].label_coverage == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("scored", "complaint"),
    [
        pytest.param(a_log(1).drop(columns=["score", "decision"]), "lacks score, decision", id="columns missing"),
        pytest.param(a_log(1, event_time=pd.Timestamp("2006-06-30")), "timezone-aware", id="naive times"),
        pytest.param(a_log(1, event_time="2006-06-30T00:00:00Z"), "timezone-aware", id="times as text"),
        pytest.param(a_log(1, score="high"), "score holds values that are not numbers", id="score as text"),
    ],
)
def test_traffic_that_is_not_as_promised_is_refused_in_one_line(scored: pd.DataFrame, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        measure(scored)


def test_time_of_judgement_needs_a_zone_and_the_lookback_a_length() -> None:
    with pytest.raises(ValueError, match="as_of must be timezone-aware"):
        measure(a_log(1), as_of=datetime(2006, 7, 1))
    with pytest.raises(ValueError, match="lookback must be > 0"):
        measure(a_log(1), lookback=timedelta(0))


@given(
    rows=st.lists(
        st.tuples(
            st.floats(-2, 30),
            st.floats() | st.none(),
            st.sampled_from([0, 1, None]),
            st.floats() | st.none(),
            st.sampled_from([True, False, None]),
        ),
        max_size=8,
    )
)
def test_whatever_was_logged_every_number_is_finite_and_in_range(rows: list[tuple[Any, ...]]) -> None:
    ages, scores, decisions, gaps, known = zip(*rows, strict=True) if rows else ((),) * 5
    log = a_log(*ages, score=scores, decision=decisions, missing_share=gaps, label_known=known)
    document = json.loads(json.dumps(measure(log).to_json(), allow_nan=False))
    for window in document["windows"]:
        assert 0 <= window["unscored"] <= window["volume"]
        for share in ("score_mean", "predicted_positive_rate", "label_coverage"):
            assert window[share] is None or 0 <= window[share] <= 1
        assert window["entropy"] is None or 0 <= window["entropy"] <= math.log(2) + 1e-12
        if window["label_coverage_interval"]:
            low, high = window["label_coverage_interval"]
            assert 0 <= low <= window["label_coverage"] <= high <= 1


def test_json_is_the_documented_one() -> None:
    document = measure(a_log(0.5, score=0.5, decision=1, label_known=True)).to_json()
    windows = document.pop("windows")
    assert document == {
        "schema_version": 1,
        "timestamp": "2006-07-01T00:00:00Z",
        "lookback_s": 86400.0,
        "freshness_s": 1800.0,
    }
    assert len(windows) == 3
    assert windows[0] == {
        "label": "1h",
        "start": "2006-06-30T23:00:00Z",
        "end": "2006-07-01T00:00:00Z",
        "volume": 1,
        "unscored": 0,
        "score_mean": 0.5,
        "score_std": 0.0,
        "score_quartiles": [0.5, 0.5, 0.5],
        "predicted_positive_rate": 1.0,
        "predicted_positive_interval": [pytest.approx(0.206549, abs=1e-6), 1.0],
        "entropy": pytest.approx(math.log(2)),
        "label_coverage": 1.0,
        "label_coverage_interval": [pytest.approx(0.206549, abs=1e-6), 1.0],
        "missing_share": 0.0,
    }


# --- the formulas ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (-1, 5), (6, 5)])
def test_wilson_interval_of_no_proportion_is_refused(successes: int, trials: int) -> None:
    with pytest.raises(ValueError, match="successes"):
        wilson_interval(successes, trials)


@given(probability=st.floats(0, 1))
def test_entropy_is_the_same_for_good_and_bad_and_largest_at_even_odds(probability: float) -> None:
    bad, good = binary_entropy(np.array([probability, 1 - probability]))
    assert bad == pytest.approx(good, abs=1e-9)
    assert 0 <= bad <= math.log(2) + 1e-15


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(seconds=12.5), "12.5s"),
        (timedelta(minutes=2.5), "2.5m"),
        (timedelta(hours=24), "24h"),
        (timedelta(hours=36), "1.5d"),
        (timedelta(days=365), "365d"),
    ],
)
def test_length_is_named_in_the_unit_that_reads_best(length: timedelta, text: str) -> None:
    assert duration_text(length) == text
