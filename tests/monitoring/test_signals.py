from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.signals import RetrainSignal, SignalPolicy, drift_signal, explain
from monitoring.values import DriftPolicy, DriftSummary, FeatureDrift, State, Window

FIRST = datetime(2006, 1, 1, tzinfo=UTC)
STEP = timedelta(days=30)
VERDICTS = {"drift": True, "calm": False, "unjudged": None}


def a_summary(number: int, verdict: bool | None, **changes: Any) -> DriftSummary:
    """The window with this number, judged as it ended."""
    window = Window(start=FIRST + number * STEP, end=FIRST + (number + 1) * STEP)
    score = 0.2 if verdict else 0.0
    feature = FeatureDrift(
        feature="x", drift_detected=score >= 0.1, stat_test="Jensen-Shannon distance", drift_score=score, threshold=0.1
    )
    judged = verdict is not None
    fields: dict[str, Any] = {
        "timestamp": window.end,
        "state": {True: State.DRIFT, False: State.OK, None: State.TOO_FEW_ROWS}[verdict],
        "window": window,
        "rows": 500 if judged else 20,
        "reference_sha256": "ab" * 32,
        "reference_rows": 3000,
        "policy": DriftPolicy(),
        "features": (feature,) if judged else (),
        "notes": (),
        "excluded_features": () if judged else ("x",),
    }
    return DriftSummary(**fields | changes)


def a_history(verdicts: str) -> list[DriftSummary]:
    return [a_summary(number, VERDICTS[verdict]) for number, verdict in enumerate(verdicts.split())]


@pytest.mark.parametrize(
    ("verdicts", "fires"),
    [
        pytest.param("calm drift drift", True, id="two of three, latest included"),
        pytest.param("drift calm drift", True, id="with a calm one between"),
        pytest.param("drift drift drift", True, id="all three"),
        pytest.param("drift drift calm", False, id="drift has gone away"),
        pytest.param("calm calm drift", False, id="one bad window is not a trend"),
        pytest.param("drift calm calm drift", False, id="too long ago to count"),
        pytest.param("drift drift", True, id="two windows are enough for two"),
        pytest.param("drift", False, id="one window is not"),
        pytest.param("", False, id="no window"),
        pytest.param("unjudged unjudged drift", False, id="what was not judged did not drift"),
        pytest.param("drift drift unjudged", False, id="latest not judged"),
        pytest.param("drift unjudged drift", True, id="two of three, one not judged between"),
    ],
)
def test_signal_needs_persistence_and_presence(verdicts: str, fires: bool) -> None:
    assert (drift_signal(a_history(verdicts), policy=SignalPolicy()) is not None) is fires


def test_signal_names_the_windows_that_caused_it_and_the_time_of_the_latest_judgement() -> None:
    history = a_history("drift calm drift")
    signal = drift_signal(history, policy=SignalPolicy())
    assert signal == RetrainSignal(
        reason="drift",
        windows=(history[0].window.window_id, history[2].window.window_id),
        as_of=history[2].timestamp,
        note="2 of the last 3 windows drifted, the latest included (a signal needs 2 of 3 and the latest).",
    )


@given(
    verdicts=st.lists(st.sampled_from([True, False, None]), max_size=8),
    violations=st.integers(1, 4),
    more=st.integers(0, 3),
    order=st.randoms(),
)
def test_signal_is_the_same_in_whatever_order_windows_arrive(
    verdicts: list[bool | None], violations: int, more: int, order: Any
) -> None:
    policy = SignalPolicy(min_violations=violations, of_last=violations + more)
    history = [a_summary(number, verdict) for number, verdict in enumerate(verdicts)]
    signal = drift_signal(history, policy=policy)
    assert drift_signal(order.sample(history, len(history)), policy=policy) == signal

    recent = verdicts[-policy.of_last :]
    assert (signal is not None) is (recent.count(True) >= violations and recent[-1] is True)


def test_window_judged_twice_counts_once() -> None:
    again = a_summary(0, True, timestamp=FIRST + 2 * STEP)
    assert drift_signal([a_summary(0, True), again], policy=SignalPolicy()) is None


def test_later_judgement_of_a_window_replaces_the_earlier() -> None:
    history = a_history("drift drift")
    corrected = a_summary(1, False, timestamp=history[1].timestamp + STEP)
    for order in permutations([*history, corrected]):
        assert drift_signal(order, policy=SignalPolicy()) is None


def test_judging_old_windows_late_does_not_make_them_the_latest() -> None:
    history = a_history("drift drift calm")
    rejudged = [replace(summary, timestamp=FIRST + 99 * STEP) for summary in history[:2]]
    assert drift_signal([history[2], *rejudged], policy=SignalPolicy()) is None


@pytest.mark.parametrize(
    ("verdicts", "sentence"),
    [
        ("", "No window has been judged yet."),
        ("drift", "1 of the last window drifted, the latest included"),
        ("calm drift drift", "2 of the last 3 windows drifted, the latest included"),
        ("drift drift calm", "2 of the last 3 windows drifted, the latest did not"),
        ("calm calm", "0 of the last 2 windows drifted, the latest did not"),
        ("drift drift unjudged", "2 of the last 3 windows drifted, the latest could not be judged (1 not judged; "),
    ],
)
def test_explanation_says_what_was_seen_and_what_is_needed(verdicts: str, sentence: str) -> None:
    text = explain(a_history(verdicts), policy=SignalPolicy())
    assert text.startswith(sentence)
    assert not verdicts or "a signal needs 2 of 3 and the latest)" in text


@pytest.mark.parametrize("impossible", [(0, 3), (4, 3), (-1, 3), (1, 0), (True, 3), (2, 3.0)], ids=str)
def test_policy_that_could_never_or_always_fire_is_refused(impossible: tuple[Any, Any]) -> None:
    with pytest.raises(ValueError, match=r"min_violations|of_last"):
        SignalPolicy(min_violations=impossible[0], of_last=impossible[1])


# --- the signal's identity ---------------------------------------------------------------------------------------


def a_signal(reason: Any = "drift", **changes: Any) -> RetrainSignal:
    windows = ("2006-01-02T00:00:00Z/2006-07-01T00:00:00Z",) if reason == "drift" else ()
    return RetrainSignal(**{"reason": reason, "windows": windows, "as_of": FIRST, "note": "why"} | changes)


def test_key_does_not_change_from_release_to_release() -> None:
    keys = [a_signal(reason).key for reason in ("drift", "schedule", "person")]
    assert keys == ["12a9faa3b513b209", "fa0d67b109f15c1c", "b542ba72bafa1a3a"]  # of the JSON texts, by sha256sum


@pytest.mark.parametrize(
    ("reason", "changes", "same"),
    [
        pytest.param("drift", {"as_of": FIRST + STEP}, True, id="drift judged again later"),
        pytest.param("drift", {"note": "in other words"}, True, id="drift in other words"),
        pytest.param("drift", {"windows": ("another",)}, False, id="drift elsewhere"),
        pytest.param("schedule", {"note": "in other words"}, True, id="schedule in other words"),
        pytest.param("schedule", {"as_of": FIRST + STEP}, False, id="the next date of the schedule"),
        pytest.param("person", {"note": "another wish"}, False, id="another wish"),
        pytest.param("person", {"as_of": FIRST + STEP}, False, id="the same wish, later"),
    ],
)
def test_key_is_the_cause_and_nothing_else(reason: str, changes: dict[str, Any], same: bool) -> None:
    assert (a_signal(reason).key == a_signal(reason, **changes).key) is same


def test_different_reasons_never_share_a_key() -> None:
    assert len({a_signal("drift").key, a_signal("schedule").key, a_signal("person").key}) == 3


@pytest.mark.parametrize(
    ("reason", "changes", "complaint"),
    [
        pytest.param("drift", {"windows": ()}, "names its windows", id="drift without windows"),
        pytest.param("person", {"windows": ("w",)}, "names its windows", id="a person with windows"),
        pytest.param("boredom", {}, "reason must be", id="no reason"),
        pytest.param("schedule", {"as_of": datetime(2006, 1, 1)}, "timezone-aware", id="naive time"),
    ],
)
def test_signal_that_makes_no_sense_is_refused(reason: str, changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        a_signal(reason, **changes)
