from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.checks import CODES, FEED_CODES, Check

SINCE = datetime(2006, 7, 1, tzinfo=UTC)


def a_check(observed: float = 0.3, *, limit: float | None = 0.1, expected: float = 0.0, **changes: Any) -> Check:
    """A check that knows itself whether it has drifted."""
    past = limit is not None and (observed >= limit if limit >= expected else observed <= limit)
    fields: dict[str, Any] = {
        "feature": "income",
        "code": "missing",
        "rows": 500,
        "expected": expected,
        "observed": observed,
        "critical": limit,
        "limit": limit,
        "drifted": past,
        "since": SINCE if past else None,
    }
    return Check(**fields | changes)


def test_codes_are_permanent_and_a_psi_is_not_the_feeds() -> None:
    assert CODES == ("psi", "missing", "range", "new_category")
    assert set(CODES) - set(FEED_CODES) == {"psi"}


@pytest.mark.parametrize(
    ("observed", "expected", "limit", "drifted"),
    [
        pytest.param(0.1, 0.0, 0.1, True, id="at the limit above"),
        pytest.param(math.nextafter(0.1, 0), 0.0, 0.1, False, id="just short of it"),
        pytest.param(0.2, 0.5, 0.2, True, id="at the limit below"),
        pytest.param(math.nextafter(0.2, 1), 0.5, 0.2, False, id="just short of the limit below"),
        pytest.param(0.9, 0.5, 0.2, False, id="far on the other side"),
        pytest.param(1.0, 0.0, None, False, id="no window of so few rows can tell"),
    ],
)
def test_value_has_drifted_at_its_limit_and_beyond(
    observed: float, expected: float, limit: float | None, drifted: bool
) -> None:
    check = a_check(observed, expected=expected, limit=limit)
    assert check.drifted is drifted
    with pytest.raises(ValueError, match="income missing: drifted must say whether"):
        replace(check, drifted=not drifted, since=None if drifted else SINCE)


@given(expected=st.floats(0, 1), limit=st.floats(0, 1), observed=st.floats(0, 1))
def test_fold_is_one_or_more_just_where_the_limit_is_passed(expected: float, limit: float, observed: float) -> None:
    if abs(limit - expected) < 1e-6 or abs(observed - limit) < 1e-9:
        return  # nothing between expected and limit, or on the limit but for rounding
    check = a_check(observed, expected=expected, limit=limit)
    assert (check.fold >= 1) is check.drifted


@pytest.mark.parametrize(
    ("check", "fault"),
    [
        pytest.param(a_check(), True, id="more is missing"),
        pytest.param(a_check(code="range"), True, id="out of range"),
        pytest.param(a_check(code="new_category"), True, id="never seen"),
        pytest.param(a_check(code="psi"), False, id="bins have moved"),
        pytest.param(a_check(0.05), False, id="within its limit"),
        pytest.param(a_check(0.1, expected=0.5, limit=0.2), False, id="less is missing"),
    ],
)
def test_fault_of_the_feed_is_more_of_what_should_not_be(check: Check, fault: bool) -> None:
    assert check.feed_fault is fault


def test_fold_counts_the_way_to_the_limit_as_one() -> None:
    assert a_check(0.3, limit=0.1).fold == pytest.approx(3)
    assert a_check(0.1, limit=0.3, expected=0.5).fold == pytest.approx(2)
    assert a_check(0.3, limit=None).fold == 0


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        pytest.param({"code": "range of motion"}, "code must be one of psi, missing, range, new_category", id="code"),
        pytest.param({"rows": 3.5}, "income: rows must be a whole number", id="half a row"),
        pytest.param({"observed": math.nan}, "income: observed must be finite", id="NaN seen"),
        pytest.param({"observed": None}, "income: observed must be a number", id="nothing seen"),
        pytest.param({"expected": math.inf}, "income: expected must be finite", id="infinity expected"),
        pytest.param({"limit": math.inf}, "income: limit must be finite", id="infinite limit"),
        pytest.param({"critical": math.nan}, "income: critical must be finite", id="NaN where chance ends"),
        pytest.param({"since": datetime(2006, 7, 1)}, "income: since must be timezone-aware", id="naive since"),
        pytest.param({"since": None}, "says since when", id="drifted since never"),
    ],
)
def test_check_that_makes_no_sense_is_refused_by_name(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        replace(a_check(), **changes)


def test_calm_check_has_no_since() -> None:
    with pytest.raises(ValueError, match="says since when, and only that"):
        replace(a_check(0.05), since=SINCE)


def test_since_is_kept_in_utc() -> None:
    assert a_check(since=SINCE.astimezone(timezone(timedelta(hours=2)))) == a_check()


GOLDEN = {
    "feature": "income",
    "code": "missing",
    "rows": 500,
    "expected": 0.0,
    "observed": 0.3,
    "critical": 0.1,
    "limit": 0.1,
    "drifted": True,
    "since": "2006-07-01T00:00:00Z",
}


def test_json_is_the_documented_one_field_for_field() -> None:
    assert json.dumps(a_check().to_json()) == json.dumps(GOLDEN)
    assert Check.from_json(GOLDEN) == a_check()


@pytest.mark.parametrize("check", [a_check(), a_check(0.05), a_check(limit=None)], ids=["past", "short", "no limit"])
def test_what_was_written_reads_back_as_the_same_value(check: Check) -> None:
    assert Check.from_json(json.loads(json.dumps(check.to_json(), allow_nan=False))) == check


@pytest.mark.parametrize("key", GOLDEN)
def test_json_that_lacks_a_field_is_refused_by_its_name(key: str) -> None:
    with pytest.raises(ValueError, match=f"checks: missing {key}"):
        Check.from_json({name: value for name, value in GOLDEN.items() if name != key})


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        pytest.param({"drifted": False}, "drifted must say whether", id="flipped"),
        pytest.param({"drifted": 1}, "drifted must be bool", id="a 1 for a true"),
        pytest.param({"since": "yesterday"}, "yesterday", id="no time"),
        pytest.param({"note": ""}, "unknown note", id="unknown key"),
        pytest.param({"rows": True}, "rows must be int", id="a true for a count"),
    ],
)
def test_altered_json_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Check.from_json(GOLDEN | changes)
