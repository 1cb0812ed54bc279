from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from monitoring.checks import FEED_CODES, SCORE, Check, Code
from monitoring.diagnosis import (
    CalledBad,
    Change,
    Diagnosis,
    LabelEvidence,
    Recommendation,
    diagnose,
    new_in_feed,
    weighted_share,
)
from monitoring.outcome_metrics import Estimate, Realised, realised
from monitoring.performance_floor import FloorState, FloorVerdict
from monitoring.summary import DriftPolicy, DriftSummary, FeatureDrift
from monitoring.values import State, Window

WINDOW = Window(start=datetime(2006, 1, 2, tzinfo=UTC), end=datetime(2006, 7, 1, tzinfo=UTC))
LENGTH = WINDOW.end - WINDOW.start
NAMES = ("income", "age", "debt")
IMPORTANCE = {"income": 0.5, "age": 0.3, "debt": 0.2}


def a_check(feature: str, code: Code = "psi", *, fold: float = 2.0, days_ago: float = 200, less: bool = False) -> Check:
    """That many times its limit, for so many days; `less`: fewer than the reference has."""
    expected = 0.5 if less else 0.0
    return Check(
        feature=feature,
        code=code,
        rows=500,
        expected=expected,
        observed=expected + fold * (-0.125 if less else 0.125),
        critical=expected + (-0.125 if less else 0.125),
        limit=expected + (-0.125 if less else 0.125),
        drifted=fold >= 1,
        since=WINDOW.end - timedelta(days=days_ago) if fold >= 1 else None,
    )


def a_summary(*drifted: Check, state: State | None = None) -> DriftSummary:
    """A window with these checks past their limits, and a calm one on each of three features."""
    asked = {(check.feature, check.code) for check in drifted}
    calm = [a_check(name, fold=0.5) for name in NAMES if (name, "psi") not in asked]
    made: dict[str, Any] = {
        "timestamp": WINDOW.end,
        "state": State.DRIFT if drifted else State.OK,
        "window": WINDOW,
        "rows": 500,
        "newest_event": WINDOW.end,
        "reference_sha256": "ab" * 32,
        "reference_rows": 3000,
        "policy": DriftPolicy(stale_after=timedelta(days=1)),
        "features": tuple(
            FeatureDrift(feature=name, drift_detected=False, stat_test="", drift_score=0.0, threshold=0.1)
            for name in NAMES
        ),
        "notes": (),
        "excluded_features": (),
        "checks": (*drifted, *calm),
    }
    empty = {"features": (), "checks": (), "excluded_features": NAMES}
    unjudged: dict[State, dict[str, Any]] = {
        State.NO_DATA: {**empty, "rows": 0, "reason": "no rows in the window"},
        State.TOO_FEW_ROWS: {**empty, "rows": 20, "reason": "20 rows in the window, need 200"},
        State.FAILED: {"excluded_features": ("gone",), "reason": "gone: window has no columns of this name"},
        State.STALE: {"newest_event": WINDOW.start, "reason": "the newest row is of 2006-01-02 00:00"},
    }
    return DriftSummary(**made if state is None else made | {"state": state} | unjudged[state])


@cache
def outcomes(shift: float = 0.0, slope: float = 1.0, rows: int = 4_000) -> Realised:
    """What came of applicants whose log-odds are `slope` times what the score says, and `shift` more."""
    rng = np.random.default_rng(5)
    score = expit(rng.normal(-2.0, 1.0, size=rows))
    y = (rng.random(rows) < expit(slope * logit(score) + shift)).astype(np.int8)
    return realised(y, score, (score >= 0.3).astype(np.int8))


def a_floor(state: FloorState = FloorState.OK) -> FloorVerdict:
    low, high = {FloorState.OK: (0.70, 0.76), FloorState.BELOW: (0.55, 0.61), FloorState.UNDECIDED: (0.60, 0.70)}[state]
    return FloorVerdict(
        state=state,
        metric="auc",
        observed=Estimate(metric="auc", value=(low + high) / 2, low=low, high=high),
        promise=0.75,
        floor=0.65,
        mature=5_000,
        rows=4_000,
        bad=600,
        reason="AUC on 4,000 final outcomes (600 bad)",
    )


def labels(
    state: FloorState = FloorState.OK, found: Realised | None = None, *, newest: datetime = WINDOW.end
) -> LabelEvidence:
    return LabelEvidence(newest_event=newest, ranking=a_floor(state), realised=found or outcomes())


def answer(summary: DriftSummary, **changes: Any) -> tuple[Change, Recommendation]:
    found = diagnose(summary, **{"importance": IMPORTANCE} | changes)
    return found.change, found.recommendation


BEFORE = WINDOW.end - timedelta(days=400)  # outcomes that end before anything changed
FRESH, OLD = a_check("income", "missing", days_ago=3), a_check("income", "missing", days_ago=400)
INCOME, AGE, DEBT = (a_check(name) for name in NAMES)
SCORED = a_check(SCORE)

ANSWERS: dict[str, tuple[DriftSummary, dict[str, Any], tuple[Change, Recommendation]]] = {
    "nothing has moved": (a_summary(), {}, (Change.NONE, Recommendation.NOTHING)),
    "nothing has moved, and outcomes say so": (
        a_summary(),
        {"labels": labels()},
        (Change.NONE, Recommendation.NOTHING),
    ),
    "nothing has moved, outcomes cannot tell": (
        a_summary(),
        {"labels": labels(FloorState.UNDECIDED)},
        (Change.NONE, Recommendation.NOTHING),
    ),
    "income is half missing since three days ago": (a_summary(FRESH), {}, (Change.FEED, Recommendation.FIX_FEED)),
    "ranking is below its floor": (
        a_summary(),
        {"labels": labels(FloorState.BELOW)},
        (Change.CONCEPT, Recommendation.RETRAIN),
    ),
    "more go bad than the scores say, evenly": (
        a_summary(),
        {"labels": labels(found=outcomes(0.8))},
        (Change.BASE_RATE, Recommendation.RECALIBRATE),
    ),
    "fewer go bad than the scores say, evenly": (
        a_summary(),
        {"labels": labels(found=outcomes(-0.8))},
        (Change.BASE_RATE, Recommendation.RECALIBRATE),
    ),
    "more go bad, and the scores are wrong by different amounts": (
        a_summary(),
        {"labels": labels(found=outcomes(0.2, 0.5))},
        (Change.BASE_RATE, Recommendation.RETRAIN),
    ),
    "more go bad, and ranking cannot be told": (
        a_summary(),
        {"labels": labels(FloorState.UNDECIDED, outcomes(0.8))},
        (Change.NONE, Recommendation.NOTHING),
    ),
    "a little more go bad: more than chance, not material": (
        a_summary(),
        {"labels": labels(found=outcomes(0.2, rows=40_000))},
        (Change.NONE, Recommendation.NOTHING),
    ),
    "many more go bad, but of thirty: material, not more than chance": (
        a_summary(),
        {
            "labels": labels(
                found=realised(np.repeat([1, 0], [7, 23]).astype(np.int8), np.full(30, 0.15), np.zeros(30, np.int8))
            )
        },
        (Change.NONE, Recommendation.NOTHING),
    ),
    "what carries half of the score has moved": (a_summary(INCOME), {}, (Change.POPULATION, Recommendation.RETRAIN)),
    "what carries less has moved": (a_summary(AGE), {}, (Change.POPULATION, Recommendation.NOTHING)),
    "what carries less has moved, and the score": (
        a_summary(AGE, SCORED),
        {},
        (Change.POPULATION, Recommendation.WAIT_FOR_LABELS),
    ),
    "only the score has moved": (a_summary(SCORED), {}, (Change.POPULATION, Recommendation.WAIT_FOR_LABELS)),
    "features hang together differently": (
        a_summary(),
        {"joint_drift": True},
        (Change.POPULATION, Recommendation.WAIT_FOR_LABELS),
    ),
    "what carries less has moved, and the estimate is below the floor": (
        a_summary(AGE),
        {"estimated_below_floor": True},
        (Change.POPULATION, Recommendation.RETRAIN),
    ),
    "the estimate is below the floor, but nothing has moved": (
        a_summary(),
        {"estimated_below_floor": True},
        (Change.NONE, Recommendation.NOTHING),
    ),
    "what has been missing for longer than a window is how applications are": (
        a_summary(OLD),
        {},
        (Change.POPULATION, Recommendation.RETRAIN),
    ),
    "all has moved, and outcomes of later say that the model holds": (
        a_summary(INCOME, AGE, SCORED),
        {"labels": labels(), "joint_drift": True, "estimated_below_floor": True},
        (Change.POPULATION, Recommendation.NOTHING),
    ),
    "so they do, and many more are called bad": (
        a_summary(INCOME, SCORED),
        {"labels": labels(), "called_bad": CalledBad(reference=0.10, window=0.25, rows=500)},
        (Change.POPULATION, Recommendation.MOVE_CUT_OFF),
    ),
    "so they do, and many fewer are called bad": (
        a_summary(INCOME, SCORED),
        {"labels": labels(), "called_bad": CalledBad(reference=0.25, window=0.10, rows=500)},
        (Change.POPULATION, Recommendation.MOVE_CUT_OFF),
    ),
    "so they do, and about as many are called bad": (
        a_summary(INCOME, SCORED),
        {"labels": labels(), "called_bad": CalledBad(reference=0.10, window=0.12, rows=500)},
        (Change.POPULATION, Recommendation.NOTHING),
    ),
    "outcomes from before the change do not say that the model holds": (
        a_summary(INCOME),
        {"labels": labels(newest=BEFORE), "called_bad": CalledBad(reference=0.10, window=0.25, rows=500)},
        (Change.POPULATION, Recommendation.RETRAIN),
    ),
    "outcomes of later that cannot tell do not say so either": (
        a_summary(INCOME),
        {"labels": labels(FloorState.UNDECIDED)},
        (Change.POPULATION, Recommendation.RETRAIN),
    ),
    "no rows": (a_summary(state=State.NO_DATA), {}, (Change.UNKNOWN, Recommendation.FIX_FEED)),
    "rows of long ago": (a_summary(state=State.STALE), {}, (Change.UNKNOWN, Recommendation.FIX_FEED)),
    "a feature that broke": (a_summary(state=State.FAILED), {}, (Change.UNKNOWN, Recommendation.FIX_FEED)),
    "a few rows": (a_summary(state=State.TOO_FEW_ROWS), {}, (Change.UNKNOWN, Recommendation.NOTHING)),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_change_is_told_apart_and_answered(case: str) -> None:
    summary, evidence, expected = ANSWERS[case]
    assert answer(summary, **evidence) == expected


def test_every_kind_of_change_and_every_answer_is_given_in_some_case() -> None:
    assert {change for *_, (change, _) in ANSWERS.values()} == set(Change)
    assert {recommendation for *_, (_, recommendation) in ANSWERS.values()} == set(Recommendation)


# --- order -------------------------------------------------------------------------------------------------------

EVERYTHING: dict[str, Any] = {
    "joint_drift": True,
    "labels": labels(FloorState.BELOW, outcomes(0.8)),
    "called_bad": CalledBad(reference=0.1, window=0.4, rows=500),
    "estimated_below_floor": True,
}


def test_each_kind_of_change_gives_way_to_the_one_before_it() -> None:
    moved = a_summary(FRESH, INCOME, AGE, SCORED)
    unjudged = a_summary(FRESH, INCOME, AGE, SCORED, state=State.STALE)
    ranking_holds = EVERYTHING | {"labels": labels(found=outcomes(0.8))}
    later = a_summary(INCOME, AGE, SCORED)
    found = [
        answer(unjudged, **EVERYTHING)[0],
        answer(moved, **EVERYTHING)[0],
        answer(later, **EVERYTHING)[0],
        answer(later, **ranking_holds)[0],
        answer(later, **EVERYTHING | {"labels": labels()})[0],
        answer(a_summary())[0],
    ]
    assert found == [
        Change.UNKNOWN,
        Change.FEED,
        Change.CONCEPT,
        Change.BASE_RATE,
        Change.POPULATION,
        Change.NONE,
    ]


@given(
    state=st.sampled_from([State.NO_DATA, State.TOO_FEW_ROWS, State.FAILED, State.STALE]),
    drifted=st.lists(st.sampled_from([FRESH, INCOME, AGE, SCORED]), unique=True),
    floor=st.none() | st.sampled_from(FloorState),
    shift=st.sampled_from([-0.8, 0.0, 0.8]),
    joint=st.booleans(),
    below=st.booleans(),
)
def test_window_that_was_not_judged_never_calls_for_a_new_model(
    state: State, drifted: list[Check], floor: FloorState | None, shift: float, joint: bool, below: bool
) -> None:
    summary = a_summary(*drifted if state is State.STALE else (), state=state)
    evidence = None if floor is None else labels(floor, outcomes(shift))
    found = diagnose(summary, importance=IMPORTANCE, labels=evidence, joint_drift=joint, estimated_below_floor=below)
    assert found.change is Change.UNKNOWN
    assert found.recommendation in (Recommendation.NOTHING, Recommendation.FIX_FEED)
    assert found.weighted_share is None
    assert str(summary.reason) in found.reason


@given(
    drifted=st.lists(st.sampled_from([INCOME, AGE, DEBT, SCORED]), unique=True),
    code=st.sampled_from(FEED_CODES),
    days=st.integers(0, LENGTH.days - 1),
    floor=st.none() | st.sampled_from(FloorState),
    joint=st.booleans(),
)
def test_fault_of_the_feed_younger_than_a_window_comes_before_any_retraining(
    drifted: list[Check], code: Code, days: int, floor: FloorState | None, joint: bool
) -> None:
    summary = a_summary(*drifted, a_check("debt", code, days_ago=days))
    evidence = None if floor is None else labels(floor)
    assert answer(summary, labels=evidence, joint_drift=joint) == (Change.FEED, Recommendation.FIX_FEED)


# --- the feed ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "change"),
    [
        pytest.param(timedelta(0), Change.FEED, id="now"),
        pytest.param(LENGTH - timedelta(microseconds=1), Change.FEED, id="a moment less than a window"),
        pytest.param(LENGTH, Change.POPULATION, id="a window"),
        pytest.param(3 * LENGTH, Change.POPULATION, id="long"),
    ],
)
def test_fault_of_the_feed_becomes_the_population_when_it_is_as_old_as_the_window_is_long(
    age: timedelta, change: Change
) -> None:
    check = replace(FRESH, since=WINDOW.end - age)
    assert answer(a_summary(check))[0] is change
    assert new_in_feed(a_summary(check)) == ((check,) if change is Change.FEED else ())


def test_fault_of_the_feed_in_the_score_counts_too() -> None:
    assert answer(a_summary(a_check(SCORE, "missing", days_ago=1))) == (Change.FEED, Recommendation.FIX_FEED)


def test_psi_that_is_new_is_no_fault_of_the_feed() -> None:
    assert answer(a_summary(a_check("income", days_ago=1)))[0] is Change.POPULATION


def test_gaps_that_are_gone_are_no_fault_of_the_feed() -> None:
    filled = a_summary(a_check("age", "missing", days_ago=1, less=True))
    assert answer(filled) == (Change.POPULATION, Recommendation.NOTHING)


def test_faults_are_named_the_farthest_first_each_once() -> None:
    summary = a_summary(
        a_check("age", "range", days_ago=1, fold=3),
        a_check("income", "missing", days_ago=1, fold=5),
        a_check("debt", "new_category", days_ago=1, fold=2),
        a_check("debt", "missing", days_ago=500, fold=9),
    )
    reason = diagnose(summary, importance=IMPORTANCE).reason
    assert reason.startswith(
        "The feed has changed: income (missing share), age (values out of range), debt (new categories). "
    )


# --- outcomes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("newest", "recommendation"),
    [
        pytest.param(INCOME.since, Recommendation.NOTHING, id="up to the change"),
        pytest.param(WINDOW.end - timedelta(days=200, microseconds=1), Recommendation.RETRAIN, id="a moment short"),
    ],
)
def test_outcomes_speak_for_the_model_from_the_change_on(newest: datetime, recommendation: Recommendation) -> None:
    assert answer(a_summary(INCOME), labels=labels(newest=newest))[1] is recommendation


def test_change_is_as_old_as_the_oldest_check_that_lasts() -> None:
    summary = a_summary(INCOME, a_check("age", days_ago=1))
    between = labels(newest=WINDOW.end - timedelta(days=100))
    assert answer(summary, labels=between)[1] is Recommendation.NOTHING


def test_joint_drift_alone_is_as_old_as_the_judgement() -> None:
    recent = WINDOW.end - timedelta(microseconds=1)
    assert answer(a_summary(), joint_drift=True, labels=labels())[1] is Recommendation.NOTHING
    assert answer(a_summary(), joint_drift=True, labels=labels(newest=recent))[1] is Recommendation.WAIT_FOR_LABELS


def test_share_called_bad_is_material_by_cohens_h() -> None:
    """0.10 to 0.1676 is h = 0.2."""
    for window, recommendation in ((0.167, Recommendation.NOTHING), (0.168, Recommendation.MOVE_CUT_OFF)):
        called = CalledBad(reference=0.10, window=window, rows=500)
        assert answer(a_summary(INCOME), labels=labels(), called_bad=called)[1] is recommendation


# --- what the features carry -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("drifted", "importance", "share"),
    [
        pytest.param((), IMPORTANCE, 0.0, id="none"),
        pytest.param((INCOME,), IMPORTANCE, 0.5, id="one"),
        pytest.param((AGE, DEBT), IMPORTANCE, 0.5, id="two"),
        pytest.param((INCOME, OLD), IMPORTANCE, 0.5, id="one, in two ways"),
        pytest.param((AGE, SCORED), IMPORTANCE, 0.3, id="the score carries none of itself"),
        pytest.param((AGE,), {"income": 1.0}, 0.0, id="not in the model"),
        pytest.param((INCOME, AGE, DEBT), {"income": 0.5, "age": 0.5, "debt": 0.1}, 1.0, id="rounding past one"),
        pytest.param((INCOME,), {}, None, id="not known"),
    ],
)
def test_weight_of_what_moved_is_what_it_carries_of_the_score(
    drifted: tuple[Check, ...], importance: dict[str, float], share: float | None
) -> None:
    assert weighted_share(a_summary(*drifted), importance) == share
    assert diagnose(a_summary(*drifted), importance=importance).weighted_share == share


@pytest.mark.parametrize(
    ("retrain_share", "recommendation"),
    [(0.3, Recommendation.RETRAIN), (0.31, Recommendation.NOTHING)],
    ids=["just as much", "a little more"],
)
def test_new_model_is_asked_for_from_the_share_of_importance_that_policy_says(
    retrain_share: float, recommendation: Recommendation
) -> None:
    assert answer(a_summary(AGE), retrain_share=retrain_share)[1] is recommendation


# --- words -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("summary", "changes", "words"),
    [
        pytest.param(a_summary(INCOME), {}, "Features that carry 50 % of the score have moved", id="share"),
        pytest.param(
            a_summary(AGE),
            {"importance": {}},
            "how much of the score they carry is not known",
            id="importance not known",
        ),
        pytest.param(a_summary(SCORED), {}, "No single feature has moved; the score has moved.", id="score alone"),
        pytest.param(
            a_summary(),
            {"joint_drift": True},
            "No single feature has moved; features hang together differently.",
            id="jointly",
        ),
        pytest.param(
            a_summary(INCOME),
            {"labels": labels(), "called_bad": CalledBad(reference=0.1, window=0.25, rows=1500)},
            "outcomes up to 2006-07-01 say that the model holds. But the share called bad went from "
            "10.0 % to 25.0 % of 1,500",
            id="cut-off",
        ),
        pytest.param(
            a_summary(), {"labels": labels(FloorState.BELOW)}, "AUC on 4,000 final outcomes (600 bad)", id="concept"
        ),
        pytest.param(
            a_summary(state=State.STALE), {}, "No verdict: the newest row is of 2006-01-02 00:00.", id="unjudged"
        ),
    ],
)
def test_reason_says_what_was_seen(summary: DriftSummary, changes: dict[str, Any], words: str) -> None:
    assert words in diagnose(summary, **{"importance": IMPORTANCE} | changes).reason


def test_base_rate_says_its_counts_and_the_slope_its_interval() -> None:
    found = outcomes(0.2, 0.5)
    reason = diagnose(a_summary(), importance=IMPORTANCE, labels=labels(found=found)).reason
    slope = found.of("calibration_slope")
    assert reason.startswith(f"Of 4,000 with a final outcome {found.bad / 40:.1f} % went bad, the scores said ")
    assert f"slope {slope.value:.2f} [{slope.low:.2f}, {slope.high:.2f}]" in reason


def test_json_is_the_documented_one() -> None:
    found = diagnose(a_summary(FRESH), importance=IMPORTANCE)
    assert isinstance(found, Diagnosis)
    assert json.loads(json.dumps(found.to_json())) == {
        "change": "feed",
        "recommendation": "fix_feed",
        "reason": "The feed has changed: income (missing share). A model trained on it would learn it.",
        "weighted_share": 0.5,
    }
