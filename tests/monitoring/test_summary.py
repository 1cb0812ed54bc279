from __future__ import annotations

import copy
import json
import math
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.checks import Check, Code
from monitoring.summary import DriftPolicy, DriftSummary, FeatureDrift, FeatureNote
from monitoring.values import State, Window

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


def a_note(name: str = "loan_amount", *, reason: str | None = None, too_few: bool = False) -> FeatureNote:
    return FeatureNote(
        feature=name,
        kind="numeric",
        evaluated=reason is None,
        reason=reason,
        too_few=too_few,
        reference_missing_share=0.0,
        current_missing_share=0.5,
        reference_rows=3000,
        current_rows=250,
        summary={"reference": {"median": 1.5}, "current": {"median": 2.0}} if reason is None else {},
    )


def a_check(name: str, fold: float, *, code: Code = "psi") -> Check:
    """As many times its limit as `fold` says: drifted from 1 on."""
    return Check(
        feature=name,
        code=code,
        rows=250,
        expected=0.0,
        observed=fold * 0.125,
        critical=0.0625,
        limit=0.125,
        drifted=fold >= 1,
        since=WINDOW.end if fold >= 1 else None,
    )


def a_summary(
    *folds: float, rows: int = 500, gone: tuple[str, ...] = (), thin: tuple[str, ...] = (), **changes: Any
) -> DriftSummary:
    """Features x0, x1, ... with a PSI that many times its limit; `gone` were broken, `thin` had too few values."""
    names, policy = [f"x{i}" for i in range(len(folds))], changes.get("policy", DriftPolicy())
    left = [a_note(name, reason="gone") for name in gone] + [a_note(name, reason="thin", too_few=True) for name in thin]
    checks = changes.get("checks", tuple(a_check(name, fold) for name, fold in zip(names, folds, strict=True)))
    fields: dict[str, Any] = {
        "timestamp": WINDOW.end,
        "state": policy.judge(
            rows=rows,
            stale=False,
            drifted=any(check.drifted for check in checks),
            failed=bool(gone),
            too_few=bool(thin),
        ),
        "window": WINDOW,
        "rows": rows,
        "reference_sha256": "ab" * 32,
        "reference_rows": 3000,
        "policy": policy,
        "features": tuple(a_feature(name, score=fold / 10) for name, fold in zip(names, folds, strict=True)),
        "notes": (*(a_note(name) for name in names), *left),
        "excluded_features": (*gone, *thin),
        "checks": checks,
    }
    return DriftSummary(**fields | changes)


# --- policies ----------------------------------------------------------------------------------------------------


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
        {"look_level": 0.0},
        {"look_level": 0.0101},
        {"look_level": float("nan")},
        {"material_psi": 0.0},
        {"material_psi": 1.01},
        {"material_psi": float("inf")},
        {"stale_after": timedelta(0)},
        {"stale_after": timedelta(days=-1)},
    ],
    ids=str,
)
def test_impossible_policy_is_refused_by_name(impossible: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(impossible))):
        DriftPolicy(**impossible)


def test_default_level_is_one_false_alarm_in_91_days_of_looks_every_five_minutes() -> None:
    assert DriftPolicy().look_level * 91 * 24 * 12 == pytest.approx(1)


@pytest.mark.parametrize("edge", [{"drift_share": 1.0}, {"look_level": 0.01}, {"material_psi": 1.0}, {"min_rows": 1}])
def test_policy_at_the_edge_of_the_possible_is_taken(edge: dict[str, Any]) -> None:
    DriftPolicy(**edge)


# --- the verdict -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "state"),
    [
        pytest.param({"rows": 0}, State.NO_DATA, id="no rows"),
        pytest.param({"rows": 1}, State.TOO_FEW_ROWS, id="one row"),
        pytest.param({"rows": 199}, State.TOO_FEW_ROWS, id="one row short"),
        pytest.param({"rows": 200}, State.OK, id="just enough rows, calm"),
        pytest.param({"drifted": True}, State.DRIFT, id="one check past its limit"),
        pytest.param({"stale": True}, State.STALE, id="stale"),
        pytest.param({"stale": True, "drifted": True, "failed": True}, State.STALE, id="how things were, not are"),
        pytest.param({"drifted": True, "failed": True, "too_few": True}, State.DRIFT, id="unjudged silence no alarm"),
        pytest.param({"failed": True}, State.FAILED, id="a feature that could not be computed"),
        pytest.param({"too_few": True}, State.TOO_FEW_ROWS, id="a feature with too few values"),
        pytest.param({"failed": True, "too_few": True}, State.FAILED, id="broken is worse than thin"),
        pytest.param({"rows": 0, "stale": True, "drifted": True, "failed": True}, State.NO_DATA, id="nothing at all"),
    ],
)
def test_verdict_is_the_worst_that_is_known(found: dict[str, Any], state: State) -> None:
    calm = {"rows": 500, "stale": False, "drifted": False, "failed": False, "too_few": False}
    assert DriftPolicy().judge(**calm | found) is state


def test_no_drift_is_said_in_one_case_of_all_and_every_state_in_some() -> None:
    cases = [
        dict(zip(("rows", "stale", "drifted", "failed", "too_few"), case, strict=True))
        for case in product([0, 1, 199, 200], *[[True, False]] * 4)
    ]
    states = [DriftPolicy().judge(**case) for case in cases]
    assert set(states) == set(State)
    calm = [case for case, state in zip(cases, states, strict=True) if state is State.OK]
    assert calm == [{"rows": 200, "stale": False, "drifted": False, "failed": False, "too_few": False}]


@pytest.mark.parametrize(
    ("summary", "state", "verdict", "share"),
    [
        pytest.param(a_summary(2, 2, 0.5), State.DRIFT, True, 2 / 3, id="drift"),
        pytest.param(a_summary(2, 0.5, 0.5), State.DRIFT, False, 1 / 3, id="drift of less than other tools ask for"),
        pytest.param(a_summary(0.5, 0.5), State.OK, False, 0.0, id="calm"),
        pytest.param(a_summary(2, 0.5, gone=("y",)), State.DRIFT, True, 0.5, id="drift beside a broken feature"),
        pytest.param(a_summary(rows=0, thin=("y",)), State.NO_DATA, None, None, id="no data"),
        pytest.param(a_summary(rows=20, thin=("y",)), State.TOO_FEW_ROWS, None, None, id="too few rows"),
        pytest.param(a_summary(gone=("y",)), State.FAILED, None, None, id="failed"),
        pytest.param(a_summary(0.5, gone=("y",), thin=("z",)), State.FAILED, None, None, id="failed, one was judged"),
        pytest.param(a_summary(0.5, thin=("y",)), State.TOO_FEW_ROWS, None, None, id="too few values in one"),
    ],
)
def test_only_a_judged_window_has_a_verdict_and_a_share(
    summary: DriftSummary, state: State, verdict: bool | None, share: float | None
) -> None:
    assert summary.state is state
    assert summary.judged is (state in (State.OK, State.DRIFT))
    assert (summary.dataset_drift_detected, summary.drift_share) == (verdict, share)


def test_share_at_its_limit_is_drift_of_the_whole_as_other_tools_have_it() -> None:
    policy = DriftPolicy(drift_share=0.5)
    assert a_summary(2, 0.5, policy=policy).dataset_drift_detected is True
    assert a_summary(2, 0.5, policy=replace(policy, drift_share=0.51)).dataset_drift_detected is False


def test_window_grows_stale_the_moment_its_newest_row_is_older_than_allowed() -> None:
    policy = DriftPolicy(stale_after=timedelta(hours=6))
    fresh = a_summary(0.5, policy=policy, newest_event=WINDOW.end - timedelta(hours=6))
    assert fresh.state is State.OK
    older = WINDOW.end - timedelta(hours=6, microseconds=1)
    with pytest.raises(ValueError, match="make it stale"):
        replace(fresh, newest_event=older)
    stale = replace(fresh, newest_event=older, state=State.STALE)
    assert (stale.judged, stale.dataset_drift_detected, stale.drift_share) == (False, None, None)


def test_what_drifted_is_named_the_farthest_first_and_a_feature_once() -> None:
    checks = (
        a_check("x0", 2),
        a_check("x0", 9, code="missing"),
        a_check("x1", 5),
        a_check("x1", 0.5, code="range"),
        a_check("score", 20),
    )
    summary = a_summary(2, 5, checks=checks)
    assert [(check.feature, check.code) for check in summary.drifted] == [
        ("score", "psi"),
        ("x0", "missing"),
        ("x1", "psi"),
        ("x0", "psi"),
    ]
    assert summary.drifted_features == ("x0", "x1")  # the score is no feature


# --- what contradicts itself -------------------------------------------------------------------------------------


@pytest.mark.parametrize("claimed", [state for state in State if state is not State.DRIFT])
def test_state_that_the_checks_contradict_is_refused(claimed: State) -> None:
    with pytest.raises(ValueError, match="make it drift"):
        replace(a_summary(2, 3), state=claimed)


@pytest.mark.parametrize("claimed", [State.OK, State.TOO_FEW_ROWS, State.DRIFT])
def test_calm_beside_a_feature_that_was_not_judged_is_refused(claimed: State) -> None:
    with pytest.raises(ValueError, match="make it failed"):
        replace(a_summary(0.5, gone=("y",)), state=claimed)


def test_feature_that_is_excluded_without_a_note_counts_as_failed() -> None:
    with pytest.raises(ValueError, match="make it failed"):
        replace(a_summary(0.5), excluded_features=("y",))


@pytest.mark.parametrize(
    ("too_few", "state"), [(True, State.TOO_FEW_ROWS), (False, State.FAILED)], ids=["thin", "broken"]
)
def test_score_that_could_not_be_judged_takes_the_calm_away_like_a_feature(too_few: bool, state: State) -> None:
    summary, note = a_summary(0.5), a_note("score", reason="window has no columns of this name", too_few=too_few)
    with pytest.raises(ValueError, match=f"make it {state}"):
        replace(summary, score_note=note)
    assert replace(summary, score_note=note, state=state).judged is False
    assert replace(summary, score_note=a_note("score")).judged is True


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        pytest.param({"features": (a_feature("x0"), a_feature("x0"))}, "named twice", id="judged twice"),
        pytest.param({"excluded_features": ("x0",)}, "named twice", id="judged and excluded"),
        pytest.param({"notes": (a_note("x0"), a_note("x0"))}, "named twice", id="noted twice"),
        pytest.param({"notes": (a_note("x9"),)}, "disagree", id="note on a stranger"),
        pytest.param({"notes": (a_note("x0", reason="gone"),)}, "disagree", id="judged, and noted as not"),
        pytest.param({"checks": ()}, "x0: judged, but no check was made", id="judged without a check"),
        pytest.param({"checks": (a_check("x0", 2), a_check("x0", 3))}, "check is named twice", id="checked twice"),
        pytest.param({"checks": (a_check("x0", 2), a_check("x9", 2))}, "checks name x9", id="check of a stranger"),
        pytest.param({"rows": -1}, ">= 0", id="negative rows"),
        pytest.param({"reference_rows": -1}, ">= 0", id="negative rows of the reference"),
        pytest.param({"rows": 0.5}, "rows must be a whole number", id="half a row"),
        pytest.param({"rows": 150}, "make it too_few_rows", id="judged on too few rows"),
        pytest.param({"rows": 150, "state": State.TOO_FEW_ROWS}, "make it", id="features on too few rows"),
        pytest.param(
            {"rows": 150, "state": State.TOO_FEW_ROWS, "features": (), "notes": (), "excluded_features": ("x0",)},
            "make it",
            id="checks on too few rows",
        ),
        pytest.param({"timestamp": datetime(2006, 7, 1)}, "timestamp must be timezone-aware", id="naive timestamp"),
        pytest.param({"newest_event": datetime(2006, 7, 1)}, "newest_event must be timezone-aware", id="naive event"),
    ],
)
def test_summary_that_contradicts_itself_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        replace(a_summary(2), **changes)


def test_summary_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        a_summary(2).rows = 1_000_000  # type: ignore[misc]


@pytest.mark.parametrize("score", [float("nan"), float("inf"), True, "0.2", None])
def test_feature_score_is_a_finite_number(score: Any) -> None:
    with pytest.raises(ValueError, match="loan_amount: drift_score"):
        replace(a_feature(), drift_score=score)


@pytest.mark.parametrize(("score", "claimed"), [(0.1, False), (0.0999, True)])
def test_feature_that_misreports_its_own_threshold_is_refused(score: float, claimed: bool) -> None:
    with pytest.raises(ValueError, match="drift_detected"):
        replace(a_feature(), drift_score=score, drift_detected=claimed)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"current_missing_share": 1.5}, "missing share must be in"),
        ({"current_missing_share": -0.1}, "missing share must be in"),
        ({"reference_missing_share": float("nan")}, "missing share must be finite"),
        ({"kind": "text"}, "kind must be"),
        ({"reason": "but it was judged"}, "has a reason"),
        ({"evaluated": False}, "has a reason"),
        ({"too_few": True}, "did not have too few values"),
        ({"summary": {"current": {"median": float("nan")}}}, "Out of range"),
    ],
    ids=str,
)
def test_impossible_note_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
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
    "schema_version": 2,
    "state": "drift",
    "reason": "1 of 3 could not be judged (gone: window has no columns of this name)",
    "window": {
        "start": "2006-01-02T00:00:00Z",
        "end": "2006-07-01T00:00:00Z",
        "rows": 500,
        "newest_event": "2006-06-30T12:00:00Z",
    },
    "reference": {"sha256": "ab" * 32, "rows": 3000},
    "threshold": 0.1,
    "drift_share_threshold": 0.5,
    "min_rows": 200,
    "look_level": 0.001,
    "material_psi": 0.04,
    "stale_after_s": 86400.0,
    "checks": [
        {
            "feature": "x0",
            "code": "psi",
            "rows": 250,
            "expected": 0.0,
            "observed": 0.3125,
            "critical": 0.0625,
            "limit": 0.125,
            "drifted": True,
            "since": "2006-07-01T00:00:00Z",
        },
        {
            "feature": "x1",
            "code": "psi",
            "rows": 250,
            "expected": 0.0,
            "observed": 0.0,
            "critical": 0.0625,
            "limit": 0.125,
            "drifted": False,
            "since": None,
        },
    ],
    "feature_notes": [
        {
            "feature": "gone",
            "kind": "numeric",
            "evaluated": False,
            "reason": "window has no columns of this name",
            "too_few": False,
            "reference_missing_share": 0.0,
            "current_missing_share": 0.5,
            "reference_rows": 3000,
            "current_rows": 250,
            "summary": {},
        }
    ],
    "score_note": {
        "feature": "score",
        "kind": "numeric",
        "evaluated": True,
        "reason": None,
        "too_few": False,
        "reference_missing_share": 0.0,
        "current_missing_share": 0.5,
        "reference_rows": 3000,
        "current_rows": 250,
        "summary": {"reference": {"median": 1.5}, "current": {"median": 2.0}},
    },
}


def test_json_is_the_documented_one_field_for_field() -> None:
    summary = a_summary(
        2.5,
        0.0,
        gone=("gone",),
        policy=DriftPolicy(look_level=0.001, stale_after=timedelta(days=1)),
        newest_event=datetime(2006, 6, 30, 12, tzinfo=UTC),
        reason="1 of 3 could not be judged (gone: window has no columns of this name)",
        notes=(a_note("gone", reason="window has no columns of this name"),),
        score_note=a_note("score"),
    )
    assert json.dumps(summary.to_json()) == json.dumps(GOLDEN)  # the order of the fields, too
    assert DriftSummary.from_json(GOLDEN) == summary


@given(
    folds=st.lists(SCORES, max_size=6),
    gone=st.lists(NAMES.map("gone {}".format), max_size=3, unique=True),
    thin=st.lists(NAMES.map("thin {}".format), max_size=3, unique=True),
    rows=st.integers(200, 10**9),
    when=st.datetimes(datetime(2006, 7, 1), datetime(2106, 7, 1), timezones=st.just(UTC)),
    reason=st.none() | NAMES,
    score=st.booleans(),
    stale_after=st.none() | st.timedeltas(timedelta(microseconds=1), timedelta(days=3650)),
)
def test_what_was_written_reads_back_as_the_same_value(
    folds: list[float],
    gone: list[str],
    thin: list[str],
    rows: int,
    when: datetime,
    reason: str | None,
    score: bool,
    stale_after: timedelta | None,
) -> None:
    summary = a_summary(
        *folds,
        rows=rows,
        gone=tuple(gone),
        thin=tuple(thin),
        timestamp=when,
        newest_event=when,
        reason=reason,
        policy=DriftPolicy(stale_after=stale_after),
        score_note=a_note("score") if score else None,
    )
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
        pytest.param(["schema_version"], 1, "schema_version 1", id="an older version"),
        pytest.param(["schema_version"], 3, "schema_version 3", id="a version to come"),
        pytest.param(["state"], "ok", "make it drift", id="another state"),
        pytest.param(["state"], "fine", "'fine' is not known", id="unknown state"),
        pytest.param(["window", "rows"], 12.0, "rows must be int", id="float rows"),
        pytest.param(["window", "start"], "2006-01-02T00:00:00", "timezone-aware", id="naive time"),
        pytest.param(["window", "start"], "2006-01-02T01:00:00+01:00", "with Z", id="another zone"),
        pytest.param(["window", "start"], "yesterday", "yesterday", id="no time"),
        pytest.param(["window", "newest_event"], 3, "newest_event must be", id="a number for a time"),
        pytest.param(["window", "newest_event"], "2006-06-29T00:00:00Z", "make it stale", id="an older newest row"),
        pytest.param(["timestamp"], "2006-07-01", "timezone-aware", id="a day for a time"),
        pytest.param(["checks", 0, "limit"], 0.5, "x0 psi: drifted must say", id="a limit moved out of the way"),
        pytest.param(["checks", 0, "limit"], None, "x0 psi: drifted must say", id="a limit taken away"),
        pytest.param(["checks", 0, "observed"], math.nan, "x0: observed must be finite", id="NaN seen"),
        pytest.param(["checks", 0, "feature"], "x7", "checks name x7", id="check of a stranger"),
        pytest.param(["checks"], [], "x0, x1: judged, but no check was made", id="checks taken away"),
        pytest.param(["look_level"], 0.5, "look_level must be in", id="a level that alarms every other look"),
        pytest.param(["stale_after_s"], 0, "stale_after must be longer than nothing", id="stale at once"),
        pytest.param(["stale_after_s"], 1e300, "stale_after_s is longer than time", id="stale never"),
        pytest.param(["stale_after_s"], math.nan, "stale_after_s must be finite", id="stale after NaN"),
        pytest.param(["score_note", "evaluated"], False, "has a reason", id="score not judged, without a reason"),
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
