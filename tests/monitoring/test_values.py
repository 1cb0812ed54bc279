from __future__ import annotations

import copy
import json
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.values import DriftPolicy, DriftSummary, FeatureDrift, FeatureNote, State, Window

WINDOW = Window(start=datetime(2006, 1, 2, tzinfo=UTC), end=datetime(2006, 7, 1, tzinfo=UTC))

SCORES = st.floats(0, 1e300)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


def a_feature(name: str = "loan_amount", *, score: float = 0.25, threshold: float = 0.1) -> FeatureDrift:
    return FeatureDrift(
        feature=name,
        drift_detected=score >= threshold,
        stat_test="Wasserstein distance (normed)",
        drift_score=score,
        threshold=threshold,
    )


def a_note(name: str = "loan_amount", *, reason: str | None = None) -> FeatureNote:
    return FeatureNote(
        feature=name,
        kind="numeric",
        evaluated=reason is None,
        reason=reason,
        reference_missing_share=0.0,
        current_missing_share=0.5,
        reference_rows=3000,
        current_rows=250,
        summary={"reference": {"median": 1.5}, "current": {"median": 2.0}} if reason is None else {},
    )


def a_summary(*scores: float, rows: int = 500, excluded: tuple[str, ...] = (), **changes: Any) -> DriftSummary:
    features = tuple(a_feature(f"x{i}", score=score) for i, score in enumerate(scores))
    policy = changes.pop("policy", DriftPolicy())
    counts = {"drifted": sum(item.drift_detected for item in features), "evaluated": len(features)}
    fields: dict[str, Any] = {
        "timestamp": WINDOW.end,
        "state": policy.judge(rows=rows, total=len(features) + len(excluded), **counts),
        "window": WINDOW,
        "rows": rows,
        "reference_sha256": "ab" * 32,
        "reference_rows": 3000,
        "policy": policy,
        "features": features,
        "notes": tuple(
            [a_note(item.feature) for item in features] + [a_note(name, reason="gone") for name in excluded]
        ),
        "excluded_features": excluded,
    }
    return DriftSummary(**fields | changes)


# --- windows and policies ----------------------------------------------------------------------------------------


def test_window_without_timezone_is_refused() -> None:
    with pytest.raises(ValueError, match="timezone-aware"):
        Window(start=datetime(2006, 1, 1), end=WINDOW.end)


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
        a_summary(0.2).rows = 1_000_000  # type: ignore[misc]


@pytest.mark.parametrize(
    "impossible",
    [
        {"threshold": 0.0},
        {"threshold": -0.1},
        {"threshold": float("nan")},
        {"threshold": float("inf")},
        {"threshold": 10**400},
        {"threshold": True},
        {"threshold": "0.1"},
        {"drift_share": 0.0},
        {"drift_share": 1.01},
        {"drift_share": float("nan")},
        {"min_rows": 0},
        {"min_rows": 200.5},
        {"min_rows": True},
    ],
    ids=str,
)
def test_impossible_policy_is_refused_by_name(impossible: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(impossible))):
        DriftPolicy(**impossible)


# --- the verdict -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "drifted", "evaluated", "total", "state"),
    [
        pytest.param(0, 0, 0, 13, State.NO_DATA, id="no rows"),
        pytest.param(199, 0, 0, 13, State.TOO_FEW_ROWS, id="one row short"),
        pytest.param(200, 0, 13, 13, State.OK, id="just enough rows, calm"),
        pytest.param(200, 6, 13, 13, State.OK, id="just below half"),
        pytest.param(200, 6, 12, 12, State.DRIFT, id="exactly half"),
        pytest.param(200, 0, 0, 13, State.FAILED, id="nothing could be judged"),
        pytest.param(200, 5, 12, 13, State.OK, id="the unjudged could not tip it"),
        pytest.param(200, 5, 11, 13, State.FAILED, id="the unjudged could tip it"),
        pytest.param(200, 0, 1, 13, State.FAILED, id="calm in one of thirteen is not calm"),
        pytest.param(200, 6, 11, 13, State.DRIFT, id="the unjudged silence no alarm"),
    ],
)
def test_verdict_counts_the_unjudged_against_calm(
    rows: int, drifted: int, evaluated: int, total: int, state: State
) -> None:
    assert DriftPolicy().judge(rows=rows, drifted=drifted, evaluated=evaluated, total=total) is state


@given(
    rows=st.integers(0, 400),
    total=st.integers(0, 20),
    judged=st.integers(0, 20),
    drifted=st.integers(0, 20),
    share=st.floats(0.01, 1),
)
def test_no_drift_is_said_only_where_no_unjudged_feature_could_deny_it(
    rows: int, total: int, judged: int, drifted: int, share: float
) -> None:
    evaluated = min(judged, total)
    drifted = min(drifted, evaluated)
    state = DriftPolicy(drift_share=share).judge(rows=rows, drifted=drifted, evaluated=evaluated, total=total)
    if state is State.OK:
        assert rows >= 200
        assert evaluated > 0
        assert all((drifted + more) / total < share for more in range(total - evaluated + 1))


@pytest.mark.parametrize(
    ("summary", "verdict", "share"),
    [
        pytest.param(a_summary(0.2, 0.2, 0.05), True, 2 / 3, id="drift"),
        pytest.param(a_summary(0.2, 0.05, 0.05), False, 1 / 3, id="calm"),
        pytest.param(a_summary(rows=0, excluded=("x",)), None, None, id="no data"),
        pytest.param(a_summary(rows=20, excluded=("x",)), None, None, id="too few rows"),
        pytest.param(a_summary(excluded=("x",)), None, None, id="failed"),
        pytest.param(a_summary(0.05, excluded=("x", "y")), None, None, id="failed, though one was judged"),
    ],
)
def test_only_a_judged_window_has_a_verdict_and_a_share(
    summary: DriftSummary, verdict: bool | None, share: float | None
) -> None:
    assert (summary.dataset_drift_detected, summary.drift_share) == (verdict, share)


@pytest.mark.parametrize("claimed", [state for state in State if state is not State.DRIFT])
def test_state_that_the_features_contradict_is_refused(claimed: State) -> None:
    with pytest.raises(ValueError, match="make it drift"):
        replace(a_summary(0.2, 0.3), state=claimed)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        pytest.param({"features": (a_feature("x"), a_feature("x"))}, "named twice", id="judged twice"),
        pytest.param({"excluded_features": ("x0",)}, "named twice", id="judged and excluded"),
        pytest.param({"notes": (a_note("x0"), a_note("x0"))}, "named twice", id="noted twice"),
        pytest.param({"notes": (a_note("x9"),)}, "disagree", id="note on a stranger"),
        pytest.param({"notes": (a_note("x0", reason="gone"),)}, "disagree", id="judged, and noted as not"),
        pytest.param({"rows": -1}, ">= 0", id="negative rows"),
        pytest.param({"rows": 150}, "make it too_few_rows", id="judged on too few rows"),
        pytest.param({"rows": 150, "state": State.TOO_FEW_ROWS}, "make it", id="features on too few rows"),
        pytest.param({"timestamp": datetime(2006, 7, 1)}, "timezone-aware", id="naive timestamp"),
    ],
)
def test_summary_that_contradicts_itself_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        replace(a_summary(0.2), **changes)


@pytest.mark.parametrize("score", [float("nan"), float("inf"), True, "0.2", None])
def test_feature_score_is_a_finite_number(score: Any) -> None:
    with pytest.raises(ValueError, match="loan_amount: drift_score"):
        replace(a_feature(), drift_score=score)


@pytest.mark.parametrize(("score", "claimed"), [(0.1, False), (0.0999, True)])
def test_feature_that_misreports_its_own_threshold_is_refused(score: float, claimed: bool) -> None:
    with pytest.raises(ValueError, match="drift_detected"):
        replace(a_feature(), drift_score=score, drift_detected=claimed)


@pytest.mark.parametrize(
    "changes",
    [
        {"current_missing_share": 1.5},
        {"reference_missing_share": float("nan")},
        {"kind": "text"},
        {"reason": "but it was judged"},
        {"summary": {"current": {"median": float("nan")}}},
    ],
    ids=str,
)
def test_impossible_note_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"share|kind|reason|Out of range"):
        replace(a_note(), **changes)


# --- JSON --------------------------------------------------------------------------------------------------------

GOLDEN = {
    "timestamp": "2006-07-01T00:00:00Z",
    "dataset_drift_detected": True,
    "drift_share": 0.5,
    "num_drifted_features": 1,
    "num_features_total": 3,
    "num_features_evaluated": 2,
    "excluded_features": ["gone"],
    "features": [
        {
            "feature": "x0",
            "drift_detected": True,
            "stat_test": "Wasserstein distance (normed)",
            "drift_score": 0.25,
            "threshold": 0.1,
        },
        {
            "feature": "x1",
            "drift_detected": False,
            "stat_test": "Wasserstein distance (normed)",
            "drift_score": 0.0,
            "threshold": 0.1,
        },
    ],
    "schema_version": 1,
    "state": "drift",
    "reason": "1 of 3 features could not be judged (gone)",
    "window": {"start": "2006-01-02T00:00:00Z", "end": "2006-07-01T00:00:00Z", "rows": 500},
    "reference": {"sha256": "ab" * 32, "rows": 3000},
    "threshold": 0.1,
    "drift_share_threshold": 0.5,
    "min_rows": 200,
    "feature_notes": [
        {
            "feature": "gone",
            "kind": "numeric",
            "evaluated": False,
            "reason": "window has no columns of this name",
            "reference_missing_share": 0.0,
            "current_missing_share": 0.5,
            "reference_rows": 3000,
            "current_rows": 250,
            "summary": {},
        }
    ],
}


def test_json_is_the_documented_one_field_for_field() -> None:
    summary = a_summary(
        0.25,
        0.0,
        excluded=("gone",),
        reason="1 of 3 features could not be judged (gone)",
        notes=(a_note("gone", reason="window has no columns of this name"),),
    )
    assert json.dumps(summary.to_json()) == json.dumps(GOLDEN)  # the order of the fields, too
    assert DriftSummary.from_json(GOLDEN) == summary


@given(
    scores=st.lists(SCORES, max_size=6),
    excluded=st.lists(NAMES.map("gone {}".format), max_size=3, unique=True),
    rows=st.integers(200, 10**9),
    when=st.datetimes(timezones=st.just(UTC)),
    reason=st.none() | NAMES,
)
def test_what_was_written_reads_back_as_the_same_value(
    scores: list[float], excluded: list[str], rows: int, when: datetime, reason: str | None
) -> None:
    summary = a_summary(*scores, rows=rows, excluded=tuple(excluded), timestamp=when, reason=reason)
    text = json.dumps(summary.to_json(), allow_nan=False)
    assert DriftSummary.from_json(json.loads(text)) == summary


def test_time_is_written_to_the_microsecond() -> None:
    summary = a_summary(0.25, timestamp=WINDOW.end + timedelta(microseconds=7))
    assert summary.to_json()["timestamp"] == "2006-07-01T00:00:00.000007Z"


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        pytest.param(["dataset_drift_detected"], False, "dataset_drift_detected is False", id="flipped verdict"),
        pytest.param(["dataset_drift_detected"], None, "dataset_drift_detected is None", id="verdict withdrawn"),
        pytest.param(["dataset_drift_detected"], 1, "must be bool", id="a 1 for a true"),
        pytest.param(["drift_share"], 0.4, "drift_share is 0.4", id="another share"),
        pytest.param(["drift_share"], float("nan"), "drift_share is nan", id="NaN share"),
        pytest.param(["num_drifted_features"], 2, "num_drifted_features is 2", id="another count"),
        pytest.param(["num_drifted_features"], True, "num_drifted_features must be int", id="a true for a 1"),
        pytest.param(["num_features_total"], 2, "num_features_total is 2", id="another total"),
        pytest.param(["num_features_evaluated"], 3, "num_features_evaluated is 3", id="another number judged"),
        pytest.param(["features", 0, "drift_score"], float("inf"), "x0: drift_score must be finite", id="infinite"),
        pytest.param(["features", 0, "drift_score"], "0.25", "drift_score must be", id="text for a number"),
        pytest.param(["features", 0, "drift_score"], 10**400, "x0: drift_score must be finite", id="too large an int"),
        pytest.param(["features", 0, "drift_score"], 0.01, "x0: drift_detected", id="score that did not drift"),
        pytest.param(["features", 0, "p_value"], 0.01, "features: unknown p_value", id="unknown key in a feature"),
        pytest.param(["features"], {}, "features must be list", id="an object for a list"),
        pytest.param(["features", 0], None, "features: expected an object", id="no feature"),
        pytest.param(["excluded_features"], [3], "expected text", id="a number for a name"),
        pytest.param(["schema_version"], 2, "schema_version 2", id="another version"),
        pytest.param(["state"], "ok", "make it drift", id="another state"),
        pytest.param(["state"], "fine", "'fine' is not known", id="unknown state"),
        pytest.param(["window", "rows"], 12.0, "rows must be int", id="float rows"),
        pytest.param(["window", "start"], "2006-01-02T00:00:00", "timezone-aware", id="naive time"),
        pytest.param(["window", "start"], "2006-01-02T01:00:00+01:00", "with Z", id="another zone"),
        pytest.param(["window", "start"], "yesterday", "yesterday", id="no time"),
        pytest.param(["timestamp"], "2006-07-01", "timezone-aware", id="a day for a time"),
        pytest.param(["surprise"], 1, "unknown surprise", id="unknown key"),
    ],
)
def test_altered_json_is_refused_in_one_line(path: list[Any], value: Any, complaint: str) -> None:
    document = copy.deepcopy(GOLDEN)
    place: Any = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(ValueError, match=complaint) as refusal:
        DriftSummary.from_json(document)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("key", GOLDEN)
def test_json_that_lacks_a_field_is_refused_by_its_name(key: str) -> None:
    with pytest.raises(ValueError, match=f"missing {key}"):
        DriftSummary.from_json({name: value for name, value in GOLDEN.items() if name != key})


@pytest.mark.parametrize("document", [None, [], "{}", 3])
def test_what_is_no_object_is_refused(document: object) -> None:
    with pytest.raises(ValueError, match="expected an object"):
        DriftSummary.from_json(document)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(key=st.sampled_from(sorted(GOLDEN)), value=JSON)
def test_no_field_can_hold_anything_that_raises_other_than_value_error(key: str, value: Any) -> None:
    try:
        summary = DriftSummary.from_json(GOLDEN | {key: value})
    except ValueError:
        return
    assert summary.to_json()[key] == value
