from __future__ import annotations

import math
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.values import State, Window, fields, finite, text_of, time_of, time_text, utc, whole

WINDOW = Window(start=datetime(2006, 1, 2, tzinfo=UTC), end=datetime(2006, 7, 1, tzinfo=UTC))
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TIMES = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=OFFSETS)


def test_there_are_six_states_and_their_spelling_is_in_files() -> None:
    assert [state.value for state in State] == ["ok", "drift", "no_data", "too_few_rows", "stale", "failed"]


# --- windows -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["start", "end"])
def test_window_without_timezone_is_refused_by_the_name_of_its_bound(side: str) -> None:
    bounds = {"start": WINDOW.start, "end": WINDOW.end}
    with pytest.raises(ValueError, match=f"window {side} must be timezone-aware"):
        Window(**bounds | {side: bounds[side].replace(tzinfo=None)})


@pytest.mark.parametrize("length", [timedelta(0), timedelta(days=-1)])
def test_window_that_holds_no_time_is_refused(length: timedelta) -> None:
    with pytest.raises(ValueError, match="empty"):
        Window(start=WINDOW.start, end=WINDOW.start + length)


def test_window_is_the_same_window_in_whatever_zone_it_was_written() -> None:
    berlin = timezone(timedelta(hours=1))
    elsewhere = Window(start=WINDOW.start.astimezone(berlin), end=pd.Timestamp(WINDOW.end).as_unit("ns"))
    assert (elsewhere, elsewhere.window_id) == (WINDOW, "2006-01-02T00:00:00Z/2006-07-01T00:00:00Z")
    assert type(elsewhere.end) is datetime


def test_values_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        WINDOW.start = WINDOW.end  # type: ignore[misc]


# --- times -------------------------------------------------------------------------------------------------------


@given(when=TIMES)
def test_time_is_the_same_instant_in_utc_and_its_text_reads_back(when: datetime) -> None:
    moment = utc(when, "when")
    assert moment == when
    assert moment.tzinfo is UTC
    assert time_of(time_text(when)) == moment
    assert time_text(when).endswith("Z")


@pytest.mark.parametrize("value", [datetime(2006, 1, 2), "2006-01-02T00:00:00Z", None, 3], ids=str)
def test_what_is_no_time_with_a_zone_is_refused_by_name(value: Any) -> None:
    with pytest.raises(ValueError, match="as_of must be timezone-aware"):
        utc(value, "as_of")


def test_time_is_written_to_the_microsecond() -> None:
    assert time_text(WINDOW.end + timedelta(microseconds=7)) == "2006-07-01T00:00:00.000007Z"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param("2006-01-02T00:00:00", "timezone-aware", id="naive"),
        pytest.param("2006-01-02T01:00:00+01:00", "with Z", id="another zone"),
        pytest.param("2006-01-02T00:00:00+00:00", "with Z", id="UTC, spelt otherwise"),
        pytest.param("2006-01-02T00:00Z", "with Z", id="without seconds"),
        pytest.param("2006-01-02", "timezone-aware", id="a day"),
        pytest.param("yesterday", "yesterday", id="no time"),
        pytest.param("9999-12-31T23:59:59-05:00", "time", id="past the end of the calendar"),
        pytest.param(20060102, "expected text", id="a number"),
    ],
)
def test_time_is_read_in_one_spelling_only(text: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        time_of(text)


# --- numbers and texts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        pytest.param(math.nan, "finite", id="NaN"),
        pytest.param(math.inf, "finite", id="infinity"),
        pytest.param(-math.inf, "finite", id="minus infinity"),
        pytest.param(10**400, "finite", id="an int past any float"),
        pytest.param(True, "a number", id="a truth"),
        pytest.param("0.1", "a number", id="text"),
        pytest.param(None, "a number", id="nothing"),
        pytest.param(1j, "a number", id="a complex number"),
    ],
)
def test_what_is_no_finite_number_is_refused_by_name(value: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=f"threshold must be {complaint}"):
        finite(value, "threshold")


@pytest.mark.parametrize("value", [0, -3, 0.5, 1e308, np.float64(0.5)], ids=str)
def test_finite_numbers_become_floats(value: Any) -> None:
    assert finite(value, "threshold") == value
    assert isinstance(finite(value, "threshold"), float)


@pytest.mark.parametrize("value", [True, 3.0, "3", None], ids=str)
def test_what_is_no_whole_number_is_refused_by_name(value: Any) -> None:
    with pytest.raises(ValueError, match="rows must be a whole number"):
        whole(value, "rows")


def test_whole_numbers_and_texts_pass_unchanged() -> None:
    assert (whole(-3, "rows"), text_of("")) == (-3, "")


@pytest.mark.parametrize("value", [None, 3, b"x", ["x"]], ids=str)
def test_what_is_no_text_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="expected text"):
        text_of(value)


# --- objects -----------------------------------------------------------------------------------------------------

TYPES = {"rows": (int,), "share": (int, float, type(None)), "judged": (bool,)}
GOOD = {"rows": 3, "share": None, "judged": True}


def test_object_with_just_its_keys_passes_unchanged() -> None:
    assert fields(GOOD, "window", TYPES) is GOOD


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        pytest.param(None, "window: expected an object, got NoneType", id="nothing"),
        pytest.param([GOOD], "window: expected an object, got list", id="a list"),
        pytest.param({"rows": 3}, "window: missing judged, share", id="keys missing"),
        pytest.param(GOOD | {"b": 1, "a": 2}, "window: unknown a, b", id="keys nobody asked for"),
        pytest.param(GOOD | {3: 1}, "window: unknown 3", id="a key that is no text"),
        pytest.param(GOOD | {"rows": 3.0}, "window: rows must be int, got 3.0", id="a float for an int"),
        pytest.param(GOOD | {"rows": True}, "window: rows must be int, got True", id="a truth for an int"),
        pytest.param(GOOD | {"share": False}, "share must be int or float or NoneType, got False", id="a truth"),
        pytest.param(GOOD | {"judged": 1}, "window: judged must be bool, got 1", id="a 1 for a truth"),
    ],
)
def test_object_with_other_keys_or_types_is_refused_in_one_line(document: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as refusal:
        fields(document, "window", TYPES)
    assert "\n" not in str(refusal.value)
