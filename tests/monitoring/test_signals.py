from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.signals import (
    BelowFloor,
    LookedAt,
    RetrainSignal,
    SignalDecision,
    SignalPolicy,
    Trainings,
    decide_signal,
    explain,
)
from monitoring.values import Window

FIRST = datetime(2006, 1, 1, tzinfo=UTC)
STEP = timedelta(days=30)
VERDICTS = {"calls": True, "calm": False, "unjudged": None}
AS_OF = FIRST + 12 * STEP
LONG_AGO = Trainings(last_at=datetime(2000, 1, 1, tzinfo=UTC), last_version="1", last_is_first=True)
BELOW = BelowFloor(champion="3", vintage="2005-12", note="AUC 0.61 [0.58, 0.64] is below its floor of 0.65")


def a_look(number: int, calls: bool | None, **changes: Any) -> LookedAt:
    """The window with this number, judged as it ended."""
    window = Window(start=FIRST + number * STEP, end=FIRST + (number + 1) * STEP)
    return LookedAt(**{"window": window, "as_of": window.end, "calls": calls} | changes)


def a_history(verdicts: str) -> list[LookedAt]:
    return [a_look(number, VERDICTS[verdict]) for number, verdict in enumerate(verdicts.split())]


def decide(looks: list[LookedAt] | str = "", **changes: Any) -> SignalDecision:
    arguments: dict[str, Any] = {"policy": SignalPolicy(), "as_of": AS_OF, "trainings": LONG_AGO}
    return decide_signal(a_history(looks) if isinstance(looks, str) else looks, **arguments | changes)


# --- drift that lasts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdicts", "fires"),
    [
        pytest.param("calm calls calls", True, id="two of three, latest included"),
        pytest.param("calls calm calls", True, id="with a calm one between"),
        pytest.param("calls calls calls", True, id="all three"),
        pytest.param("calls calls calm", False, id="drift has gone away"),
        pytest.param("calm calm calls", False, id="one bad window is not a trend"),
        pytest.param("calls calm calm calls", False, id="too long ago to count"),
        pytest.param("calls calls", True, id="two windows are enough for two"),
        pytest.param("calls", False, id="one window is not"),
        pytest.param("", False, id="no window"),
        pytest.param("unjudged unjudged calls", False, id="what was not judged did not call"),
        pytest.param("calls calls unjudged", False, id="latest not judged"),
        pytest.param("calls unjudged calls", True, id="two of three, one not judged between"),
        pytest.param("calls unjudged unjudged calls", False, id="the unjudged take up their place"),
    ],
)
def test_signal_needs_persistence_and_presence(verdicts: str, fires: bool) -> None:
    decision = decide(verdicts)
    assert decision.fires is fires
    assert (decision.signal is not None) is fires


def test_signal_names_the_windows_that_caused_it_and_the_time_of_the_latest_judgement() -> None:
    history = a_history("calls calm calls")
    assert decide(history).signal == RetrainSignal(
        reason="drift",
        evidence=(history[0].window.window_id, history[2].window.window_id),
        as_of=history[2].as_of,
        note="2 of the last 3 windows called for a new model, the latest included "
        "(a signal needs 2 of 3 and the latest)",
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
    history = [a_look(number, calls) for number, calls in enumerate(verdicts)]
    decision = decide(history, policy=policy)
    assert decide(order.sample(history, len(history)), policy=policy) == decision

    recent = verdicts[-policy.of_last :]
    assert decision.fires is (recent.count(True) >= violations and recent[-1] is True)


def test_window_judged_twice_counts_once() -> None:
    again = a_look(0, True, as_of=FIRST + 2 * STEP)
    assert decide([a_look(0, True), again]).signal is None


def test_later_judgement_of_a_window_replaces_the_earlier() -> None:
    history = a_history("calls calls")
    corrected = a_look(1, False, as_of=history[1].as_of + STEP)
    for order in permutations([*history, corrected]):
        assert decide(list(order)).signal is None


def test_judging_old_windows_late_does_not_make_them_the_latest() -> None:
    history = a_history("calls calls calm")
    rejudged = [replace(look, as_of=FIRST + 99 * STEP) for look in history[:2]]
    assert decide([history[2], *rejudged]).signal is None


def test_look_is_kept_in_utc_and_a_naive_one_is_refused() -> None:
    with pytest.raises(ValueError, match="as_of must be timezone-aware"):
        a_look(0, True, as_of=datetime(2006, 1, 31))


@pytest.mark.parametrize(
    ("verdicts", "sentence"),
    [
        ("", "no window has been judged yet"),
        ("calls", "1 of the last window called for a new model, the latest included"),
        ("calm calls calls", "2 of the last 3 windows called for a new model, the latest included"),
        ("calls calls calm", "2 of the last 3 windows called for a new model, the latest did not"),
        ("calm calm", "0 of the last 2 windows called for a new model, the latest did not"),
        ("calls calls unjudged", "2 of the last 3 windows called for a new model, the latest could not be judged (1 "),
    ],
)
def test_explanation_says_what_was_seen_and_what_is_needed(verdicts: str, sentence: str) -> None:
    text = explain(a_history(verdicts), policy=SignalPolicy())
    assert text.startswith(sentence)
    assert not verdicts or "a signal needs 2 of 3 and the latest)" in text
    assert ("1 not judged; " in text) is ("unjudged" in verdicts)


# --- every trigger, and which comes first ------------------------------------------------------------------------

SCHEDULE = SignalPolicy(schedule=timedelta(days=180))
LAST_YEAR = replace(LONG_AGO, last_at=AS_OF - timedelta(days=200))


@pytest.mark.parametrize(
    ("looks", "changes", "reason"),
    [
        pytest.param("calm calm", {}, None, id="nothing"),
        pytest.param("calm calm", {"policy": SCHEDULE, "trainings": LAST_YEAR}, "schedule", id="the calendar"),
        pytest.param("calls calls", {"policy": SCHEDULE, "trainings": LAST_YEAR}, "drift", id="drift and the calendar"),
        pytest.param("calls calls", {"below": BELOW}, "performance", id="performance and drift"),
        pytest.param(
            "calm calm",
            {"below": BELOW, "policy": SCHEDULE, "trainings": LAST_YEAR},
            "performance",
            id="performance and the calendar",
        ),
    ],
)
def test_performance_comes_before_drift_and_drift_before_the_calendar(
    looks: str, changes: dict[str, Any], reason: str | None
) -> None:
    decision = decide(looks, **changes)
    assert (decision.signal.reason if decision.signal else None) == reason
    assert decision.fires is (reason is not None)
    assert [trigger.reason for trigger in decision.triggers] == ["performance", "drift", "schedule"]


def test_every_trigger_is_asked_though_one_holds_already() -> None:
    decision = decide("calls calls", below=BELOW, policy=SCHEDULE, trainings=LAST_YEAR)
    assert [trigger.holds for trigger in decision.triggers] == [True, True, True]
    calm = decide("calls calm", policy=SCHEDULE, trainings=replace(LAST_YEAR, last_at=AS_OF))
    assert [trigger.holds for trigger in calm.triggers] == [False, False, False]


def test_performance_names_its_champion_and_vintage_and_says_its_sentence() -> None:
    signal = decide(below=BELOW).signal
    expected = RetrainSignal(reason="performance", evidence=("3", "2005-12"), as_of=AS_OF, note=BELOW.note)
    assert signal == expected


@pytest.mark.parametrize(
    ("ago", "due"),
    [
        pytest.param(timedelta(days=180), True, id="to the second"),
        pytest.param(timedelta(days=180) - timedelta(microseconds=1), False, id="a moment early"),
        pytest.param(timedelta(days=500), True, id="long overdue"),
    ],
)
def test_calendar_is_due_a_schedule_after_the_last_training(ago: timedelta, due: bool) -> None:
    decision = decide(policy=SCHEDULE, trainings=replace(LONG_AGO, last_at=AS_OF - ago))
    assert decision.fires is due
    assert f"{ago.days} days since the last training, the schedule says 180" in decision.why


def test_without_a_schedule_no_time_is_too_long() -> None:
    assert decide(trainings=replace(LONG_AGO, last_at=datetime(1970, 1, 1, tzinfo=UTC))).signal is None


# --- what stands in the way --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("looks", "changes"),
    [
        pytest.param("calls calls", {}, id="drift"),
        pytest.param("", {"below": BELOW}, id="performance"),
        pytest.param("", {"policy": SCHEDULE}, id="schedule"),
    ],
)
def test_cause_is_acted_on_once(looks: str, changes: dict[str, Any]) -> None:
    first = decide(looks, **changes)
    assert first.signal is not None
    done = replace(LONG_AGO, causes=(first.signal.key,))
    again = decide(looks, **{**changes, "trainings": done})
    assert (again.fires, again.obstacle, again.signal) == (False, "acted on already", first.signal)
    assert decide(looks, **{**changes, "trainings": replace(done, causes=("another",))}).fires


def test_window_that_goes_on_calling_is_a_cause_of_its_own() -> None:
    first = decide("calls calls")
    assert first.signal is not None
    assert decide("calls calls calls", trainings=replace(LONG_AGO, causes=(first.signal.key,))).fires


@pytest.mark.parametrize(
    ("gap_days", "ago_days", "first", "fires"),
    [
        pytest.param(90, 89, False, False, id="a day too soon"),
        pytest.param(90, 90, False, True, id="to the day"),
        pytest.param(90, 10, True, True, id="the first champion's does not count"),
        pytest.param(0, 0, False, True, id="no gap is asked for"),
    ],
)
def test_between_two_trainings_lies_the_least_gap(gap_days: int, ago_days: int, first: bool, fires: bool) -> None:
    trainings = Trainings(last_at=AS_OF - timedelta(days=ago_days), last_version="7", last_is_first=first)
    decision = decide("calls calls", policy=SignalPolicy(min_gap=timedelta(days=gap_days)), trainings=trainings)
    assert decision.fires is fires
    if not fires:
        assert decision.obstacle == "version 7 was trained 89 days ago, retrain.min_gap is 90 days"


def test_challenger_that_is_still_open_stands_in_the_way() -> None:
    waiting = replace(LONG_AGO, in_the_way="version 4 waits for a signature")
    decision = decide("calls calls", trainings=waiting)
    assert (decision.fires, decision.obstacle) == (False, "version 4 waits for a signature")
    assert decision.signal is not None


def test_without_a_cause_nothing_stands_in_the_way_of_it() -> None:
    busy = replace(LONG_AGO, last_is_first=False, last_at=AS_OF, in_the_way="version 4 waits for a signature")
    decision = decide("calm", trainings=busy, policy=SignalPolicy(min_gap=STEP))
    assert (decision.fires, decision.obstacle) == (False, None)


@given(
    verdicts=st.lists(st.sampled_from([True, False, None]), max_size=5),
    below=st.booleans(),
    schedule=st.none() | st.integers(1, 400),
    gap=st.integers(0, 400),
    ago=st.integers(0, 400),
    first=st.booleans(),
    acted=st.booleans(),
    is_open=st.booleans(),
)
def test_nothing_fires_without_a_cause_nor_against_an_obstacle(
    verdicts: list[bool | None],
    below: bool,
    schedule: int | None,
    gap: int,
    ago: int,
    first: bool,
    acted: bool,
    is_open: bool,
) -> None:
    policy = SignalPolicy(min_gap=timedelta(days=gap), schedule=None if schedule is None else timedelta(days=schedule))
    trainings = Trainings(
        last_at=AS_OF - timedelta(days=ago),
        last_version="7",
        last_is_first=first,
        in_the_way="open" if is_open else None,
    )
    looks = [a_look(number, calls) for number, calls in enumerate(verdicts)]
    arguments: dict[str, Any] = {"policy": policy, "below": BELOW if below else None}
    while acted and (signal := decide(looks, trainings=trainings, **arguments).signal) is not None:
        if signal.key in trainings.causes:
            break
        trainings = replace(trainings, causes=[*trainings.causes, signal.key])
    decision = decide(looks, trainings=trainings, **arguments)

    lasts = verdicts[-3:].count(True) >= 2 and verdicts[-1] is True
    due = schedule is not None and ago >= schedule
    assert decision == decide(looks, trainings=trainings, **arguments)
    assert (decision.signal is not None) is (below or lasts or due)
    in_the_way = acted or is_open or (gap > ago and not first)
    assert decision.fires is ((below or lasts or due) and not in_the_way)
    json.dumps(decision.to_json(), allow_nan=False)


def test_why_tells_the_trigger_that_holds_or_all_that_do_not() -> None:
    quiet = decide("calm").why
    assert quiet.startswith("realised performance is not below its floor; 0 of the last window called for a new model")
    assert quiet.endswith("no schedule is set")
    told = decide("calm", below=BELOW, trainings=replace(LONG_AGO, in_the_way="version 4 waits")).why
    assert told == f"{BELOW.note}; version 4 waits"


def test_json_is_the_documented_one() -> None:
    decision = decide("calls calls")
    assert decision.signal is not None
    said = "2 of the last 2 windows called for a new model, the latest included (a signal needs 2 of 3 and the latest)"
    assert decision.to_json() == {
        "fires": True,
        "why": said,
        "signal": {"reason": "drift", "key": decision.signal.key},
        "obstacle": None,
        "triggers": [
            {"reason": "performance", "holds": False, "why": "realised performance is not below its floor"},
            {"reason": "drift", "holds": True, "why": said},
            {"reason": "schedule", "holds": False, "why": "no schedule is set"},
        ],
    }
    assert decide().to_json()["signal"] is None


@pytest.mark.parametrize("impossible", [(0, 3), (4, 3), (-1, 3), (1, 0), (True, 3), (2, 3.0)], ids=str)
def test_policy_that_could_never_or_always_fire_is_refused(impossible: tuple[Any, Any]) -> None:
    with pytest.raises(ValueError, match=r"min_violations|of_last"):
        SignalPolicy(min_violations=impossible[0], of_last=impossible[1])


@pytest.mark.parametrize(
    "impossible",
    [{"min_gap": timedelta(-1)}, {"schedule": timedelta(0)}, {"schedule": timedelta(-1)}],
    ids=str,
)
def test_policy_with_a_time_that_runs_backwards_is_refused(impossible: dict[str, timedelta]) -> None:
    with pytest.raises(ValueError, match="min_gap >= 0 and schedule > 0"):
        SignalPolicy(**impossible)


# --- the signal's identity ---------------------------------------------------------------------------------------

EVIDENCE = {
    "drift": ("2006-01-02T00:00:00Z/2006-07-01T00:00:00Z",),
    "performance": ("3", "2005-12"),
    "schedule": (),
    "person": (),
}


def a_signal(reason: Any = "drift", **changes: Any) -> RetrainSignal:
    return RetrainSignal(
        **{"reason": reason, "evidence": EVIDENCE.get(reason, ()), "as_of": FIRST, "note": "why"} | changes
    )


def test_key_does_not_change_from_release_to_release() -> None:
    assert {reason: a_signal(reason).key for reason in EVIDENCE} == {  # of the JSON texts, by sha256sum
        "drift": "12a9faa3b513b209",
        "performance": "b965588eaf5d052a",
        "schedule": "fa0d67b109f15c1c",
        "person": "b542ba72bafa1a3a",
    }


@pytest.mark.parametrize(
    ("reason", "changes", "same"),
    [
        pytest.param("drift", {"as_of": FIRST + STEP}, True, id="drift judged again later"),
        pytest.param("drift", {"note": "in other words"}, True, id="drift in other words"),
        pytest.param("drift", {"evidence": ("another",)}, False, id="drift elsewhere"),
        pytest.param("performance", {"as_of": FIRST + STEP}, True, id="performance read again later"),
        pytest.param("performance", {"note": "in other words"}, True, id="performance in other words"),
        pytest.param("performance", {"evidence": ("3", "2006-01")}, False, id="the next vintage"),
        pytest.param("performance", {"evidence": ("4", "2005-12")}, False, id="the next champion"),
        pytest.param("schedule", {"note": "in other words"}, True, id="schedule in other words"),
        pytest.param("schedule", {"as_of": FIRST + STEP}, False, id="the next date of the schedule"),
        pytest.param("person", {"note": "another wish"}, False, id="another wish"),
        pytest.param("person", {"as_of": FIRST + STEP}, False, id="the same wish, later"),
    ],
)
def test_key_is_the_cause_and_nothing_else(reason: str, changes: dict[str, Any], same: bool) -> None:
    assert (a_signal(reason).key == a_signal(reason, **changes).key) is same


def test_different_reasons_never_share_a_key() -> None:
    assert len({a_signal(reason).key for reason in EVIDENCE}) == 4
    assert a_signal("performance", evidence=EVIDENCE["drift"]).key != a_signal("drift").key


@pytest.mark.parametrize(
    ("reason", "changes", "complaint"),
    [
        pytest.param("drift", {"evidence": ()}, "name their evidence", id="drift without windows"),
        pytest.param("performance", {"evidence": ()}, "name their evidence", id="performance of nobody"),
        pytest.param("person", {"evidence": ("w",)}, "name their evidence", id="a person with windows"),
        pytest.param("boredom", {}, "reason must be", id="no reason"),
        pytest.param("schedule", {"as_of": datetime(2006, 1, 1)}, "timezone-aware", id="naive time"),
    ],
)
def test_signal_that_makes_no_sense_is_refused(reason: str, changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        a_signal(reason, **changes)


def test_a_cause_acted_on_does_not_hide_another() -> None:
    lasting = [a_look(number, True) for number in range(2)]
    spent = decide(lasting, below=BELOW).signal
    assert spent is not None
    assert spent.reason == "performance"
    again = decide(lasting, below=BELOW, trainings=replace(LONG_AGO, causes=[spent.key]))
    assert again.fires
    assert again.signal is not None
    assert again.signal.reason == "drift"
