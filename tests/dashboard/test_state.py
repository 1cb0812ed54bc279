"""Is the model well? What is not known never reads as well, and the worst that holds is said first."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from builders import AS_OF
from dashboard_builders import a_summary
from look_builders import a_result, scored, some_outcomes, some_realised

from dashboard import state
from dashboard.state import Known, state_of
from monitoring.diagnosis import Change, Recommendation
from monitoring.values import State


def known(found: State | None = State.OK, **changes: Any) -> Known:
    summary = None if found is None else a_summary(found)
    values: dict[str, Any] = {
        "champion": "1",
        "silence": None,
        "looked": True,
        "summary": summary,
        "result": None if summary is None else a_result(summary),
        "waiting": (),
        "watch": None,
    }
    return Known(**values | changes)


def with_diagnosis(recommendation: Recommendation, found: State = State.DRIFT) -> Known:
    summary = a_summary(found)
    return known(found, result=a_result(summary, diagnosis=(Change.POPULATION, recommendation, "It moved.")))


WAITS = [("2", AS_OF + timedelta(days=14))]
PROPOSES = {"state": "proposes", "version": "2", "replaced": "1", "until": AS_OF.isoformat(),
            "proposed_at": AS_OF.isoformat()}  # fmt: skip


@pytest.mark.parametrize(
    ("given", "label", "said"),
    [
        pytest.param(
            known(silence="the last cycle is 3 h old", waiting=WAITS), state.UNWATCHED, "3 h old", id="silent"
        ),
        pytest.param(known(None, looked=False), state.NOT_LOOKED, "No cycle has looked", id="never looked"),
        pytest.param(known(None, waiting=WAITS), state.NOT_KNOWN, "the last look failed", id="failed"),
        pytest.param(known(State.TOO_FEW_ROWS), state.NOT_KNOWN, "20 rows", id="too few rows"),
        pytest.param(known(State.NO_DATA), state.NOT_KNOWN, "not the same as no drift", id="no data"),
        pytest.param(known(State.STALE), state.NOT_KNOWN, "only old rows", id="stale"),
        pytest.param(known(result=None), state.NOT_KNOWN, "No diagnosis", id="no diagnosis"),
        pytest.param(known(watch=PROPOSES, waiting=WAITS), state.NEEDS_YOU, "Going back to version 1", id="rollback"),
        pytest.param(known(waiting=WAITS), state.NEEDS_YOU, "signature until 15 Jul 2006", id="waits"),
        pytest.param(known(waiting=[*WAITS, ("3", AS_OF)]), state.NEEDS_YOU, "and 1 more", id="two wait"),
        pytest.param(with_diagnosis(Recommendation.RETRAIN), state.NOT_WELL, "Train a challenger", id="retrain"),
        pytest.param(with_diagnosis(Recommendation.FIX_FEED), state.LOOK_AT_IT, "look at the feed", id="feed"),
        pytest.param(
            with_diagnosis(Recommendation.NOTHING), state.WELL, "although applicants have moved", id="harmless"
        ),
        pytest.param(known(), state.WELL, "Version 1 is well: no drift", id="well"),
    ],
)
def test_the_worst_that_holds_is_said_first(given: Known, label: Any, said: str) -> None:
    found, sentence = state_of(given)
    assert found == label
    assert said in sentence


def test_a_promise_that_is_not_kept_is_not_well_though_nothing_moved() -> None:
    summary = a_summary(State.OK)
    outcomes = some_outcomes(some_realised(scored(sharpness=0.1), promise=0.9))
    found, sentence = state_of(known(result=a_result(summary, outcomes=outcomes)))
    assert found == state.NOT_WELL
    assert "does not keep its promise" in sentence


def test_only_what_was_judged_and_needs_nothing_is_well() -> None:
    unjudged = (State.NO_DATA, State.TOO_FEW_ROWS, State.STALE, State.FAILED)
    assert all(state_of(known(each))[0] != state.WELL for each in unjudged)
    asked = [each for each in Recommendation if each is not Recommendation.NOTHING]
    assert all(state_of(with_diagnosis(each))[0] != state.WELL for each in asked)
