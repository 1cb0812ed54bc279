"""Alerts open once, close for good, and nobody is left untold: whatever the sequence of cycles."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.alerts import rules
from pipeline.alerts.values import AlertPolicy, Condition, News, Severity, State

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
HOUR, WEEK = timedelta(hours=1), timedelta(days=7)
POLICY = AlertPolicy()
KEYS = (("drift.population", "income"), ("drift.population", "age"), ("feed.missing", "income"), ("window.stale", ""))
A, B = "1 json://a", "2 json://b"


def holds(code="drift.population", subject="income", severity=Severity.PAGE, text="it holds"):
    return Condition(code=code, subject=subject, severity=severity, text=text, since=NOON)


def live(*cycles, policy=POLICY, targets=(A,), state=None, unmeasured=(), every=HOUR, start=NOON):
    """The states after each cycle, everybody reached at once."""
    state, states = state or State(), []
    for number, conditions in enumerate(cycles):
        at = start + number * every
        state = rules.step(state, conditions, as_of=at, policy=policy, targets=targets, unmeasured=unmeasured).state
        for target in targets:
            if found := rules.owed(state, target, as_of=at):
                state = rules.told(state, found, target=target, at=at, targets=targets)
        states.append(state)
    return states


def news_of(*cycles, **options):
    """What each cycle has to tell, as (kind of news, subject)."""
    told, state = [], options.pop("state", None) or State()
    for number, conditions in enumerate(cycles):
        at = NOON + number * options.get("every", HOUR)
        step = rules.step(state, conditions, as_of=at, policy=options.get("policy", POLICY), targets=[A])
        found = rules.owed(step.state, A, as_of=at)
        told.append([(alert.news, alert.subject) for alert in found])
        state = rules.told(step.state, found, target=A, at=at, targets=[A]) if found else step.state
    return told


def test_one_condition_is_one_alert_however_long_it_lasts():
    assert news_of(*[[holds()]] * 5) == [[(News.OPENED, "income")], [], [], [], []]


@pytest.mark.parametrize(
    ("seen", "open_after", "opens_at"),
    [
        pytest.param("x", 1, 0, id="at once"),
        pytest.param("xx.xxx", 3, 5, id="three in a row"),
        pytest.param("xx.xx.", 3, None, id="never three in a row"),
    ],
)
def test_an_alert_opens_after_so_many_cycles_in_a_row(seen, open_after, opens_at):
    cycles = [[holds()] if mark == "x" else [] for mark in seen]
    states = live(*cycles, policy=replace(POLICY, open_after=open_after))
    found = [number for number, state in enumerate(states) if state.open]
    assert (found[0] if found else None) == opens_at


@pytest.mark.parametrize(
    ("seen", "alerts"),
    [
        pytest.param("x...", 1, id="closed"),
        pytest.param("x..x..x..x", 1, id="two clear cycles do not close: no flapping"),
        pytest.param("x...x", 2, id="after its end it is another alert"),
    ],
)
def test_an_alert_closes_after_three_clear_cycles_in_a_row(seen, alerts):
    state = live(*[[holds()] if mark == "x" else [] for mark in seen])[-1]
    assert state.last_alert == alerts
    assert bool(state.open) is (seen[-1] == "x")


def test_a_cycle_that_could_not_measure_neither_closes_nor_opens():
    (state,) = live([holds()])
    blind = live(*[[]] * 9, state=state, start=NOON + HOUR, unmeasured={("drift.population", None)})[-1]
    assert [alert.clear for alert in blind.open] == [0]
    one_subject = live(*[[]] * 9, state=state, start=NOON + HOUR, unmeasured={("drift.population", "age")})[-1]
    assert one_subject.open == ()
    twice = replace(POLICY, open_after=2)
    waiting = live([holds()], policy=twice)[-1]
    kept = live([], policy=twice, state=waiting, start=NOON + HOUR, unmeasured={("drift.population", "income")})[-1]
    assert kept.waiting == (("drift.population", "income", 1),)


def test_a_reminder_comes_after_a_week_and_not_to_an_alert_with_an_owner():
    (state,) = live([holds()])
    later = rules.step(state, [holds()], as_of=NOON + WEEK, policy=POLICY, targets=[A]).state
    assert [alert.news for alert in rules.owed(later, A, as_of=NOON + WEEK)] == [News.REMINDER]
    early = rules.step(state, [holds()], as_of=NOON + WEEK - HOUR, policy=POLICY, targets=[A]).state
    assert rules.owed(early, A, as_of=NOON + WEEK) == ()
    owned = rules.own(state, 1, owner="ann")
    for before in (owned, rules.own(later, 1, owner="ann")):  # a reminder on its way falls away
        after = rules.step(before, [holds()], as_of=NOON + 5 * WEEK, policy=POLICY, targets=[A]).state
        assert rules.owed(after, A, as_of=NOON + 5 * WEEK) == ()
    ended = live([], [], [], state=owned, start=NOON + HOUR, targets=())[-1]
    assert ended.open == ()


def test_an_owned_or_snoozed_alert_still_tells_its_end_and_that_it_got_worse():
    (state,) = live([holds(severity=Severity.NOTE)])
    for quiet in (rules.own(state, 1, owner="ann"), rules.snooze(state, 1, until=NOON + WEEK)):
        for number in (1, 2, 3):
            quiet = rules.step(quiet, [], as_of=NOON + number * HOUR, policy=POLICY, targets=[A]).state
        assert [alert.news for alert in rules.owed(quiet, A, as_of=NOON + 3 * HOUR)] == [News.CLOSED]
    worse = rules.step(rules.own(state, 1, owner="ann"), [holds()], as_of=NOON + HOUR, policy=POLICY, targets=[A]).state
    assert [(a.news, a.severity) for a in rules.owed(worse, A, as_of=NOON + HOUR)] == [(News.WORSE, Severity.PAGE)]


def test_a_snooze_is_silent_until_its_time_and_then_reminds():
    (state,) = live([holds()])
    state = rules.snooze(state, 1, until=NOON + 3 * HOUR)
    heard = []
    for number in (1, 2, 3, 4):
        at = NOON + number * HOUR
        state = rules.step(state, [holds()], as_of=at, policy=POLICY, targets=[A]).state
        found = rules.owed(state, A, as_of=at)
        heard.append([alert.news for alert in found])
        state = rules.told(state, found, target=A, at=at, targets=[A]) if found else state
    assert heard == [[], [], [News.REMINDER], []]


def test_what_was_not_delivered_before_a_snooze_waits_for_its_end():
    state = rules.step(State(), [holds()], as_of=NOON, policy=POLICY, targets=[A]).state
    state = rules.snooze(state, 1, until=NOON + 2 * HOUR)
    assert rules.owed(state, A, as_of=NOON + HOUR) == ()
    assert [alert.news for alert in rules.owed(state, A, as_of=NOON + 2 * HOUR)] == [News.OPENED]


def test_the_worst_comes_first_and_ends_come_last():
    notes = [holds(subject="age", severity=Severity.NOTE)]
    state = live([holds(subject="gone"), *notes], [], [], targets=())[-1]
    step = rules.step(
        live([holds(subject="gone")], [], [])[-1],
        [*notes, holds(subject="zip")],
        as_of=NOON + 4 * HOUR,
        policy=POLICY,
        targets=[A],
    )
    assert [alert.subject for alert in rules.owed(step.state, A, as_of=NOON + 4 * HOUR)] == ["zip", "age", "gone"]
    assert len(state.open) == 2


def test_of_two_conditions_with_one_key_the_worse_counts():
    state = live([holds(severity=Severity.NOTE, text="mild"), holds(text="bad")])[-1]
    assert [(alert.severity, alert.text) for alert in state.open] == [(Severity.PAGE, "bad")]


def test_who_was_not_reached_is_told_later_and_who_was_is_not_told_again():
    both = (A, B)
    state = rules.step(State(), [holds()], as_of=NOON, policy=POLICY, targets=both).state
    state = rules.told(state, rules.owed(state, A, as_of=NOON), target=A, at=NOON, targets=both)
    state = rules.not_told(state, target=B, at=NOON, why="refused")
    state = rules.not_told(state, target=B, at=NOON + HOUR, why="refused again")
    assert [(each.since, each.attempts, each.why) for each in state.failing] == [(NOON, 2, "refused again")]
    state = rules.step(state, [holds()], as_of=NOON + 2 * HOUR, policy=POLICY, targets=both).state
    found = {target: rules.owed(state, target, as_of=NOON + 2 * HOUR) for target in both}
    assert (len(found[A]), len(found[B])) == (0, 1)
    state = rules.told(state, found[B], target=B, at=NOON + 2 * HOUR, targets=both)
    assert (state.failing, state.alerts[0].news) == ((), None)


def test_news_that_came_while_a_message_was_on_its_way_stays_owed():
    state = rules.step(State(), [holds(severity=Severity.NOTE)], as_of=NOON, policy=POLICY, targets=[A]).state
    on_its_way = rules.owed(state, A, as_of=NOON)
    worse = rules.step(state, [holds()], as_of=NOON + HOUR, policy=POLICY, targets=[A]).state
    after = rules.told(worse, on_its_way, target=A, at=NOON + HOUR, targets=[A])
    assert [alert.news for alert in rules.owed(after, A, as_of=NOON + HOUR)] == [News.WORSE]


def test_an_end_that_nobody_takes_for_a_week_is_given_up_and_said():
    state = rules.step(State(), [holds()], as_of=NOON, policy=POLICY, targets=[A]).state
    for number in (1, 2, 3):
        state = rules.step(state, [], as_of=NOON + number * HOUR, policy=POLICY, targets=[A]).state
    kept = rules.step(state, [], as_of=NOON + WEEK, policy=POLICY, targets=[A])
    assert (len(kept.state.alerts), kept.given_up) == (1, ())
    late = rules.step(state, [], as_of=NOON + 3 * HOUR + WEEK, policy=POLICY, targets=[A])
    assert (late.state.alerts, [alert.number for alert in late.given_up]) == ((), [1])


def test_with_nobody_to_tell_alerts_open_and_close_and_the_first_address_hears_what_is_open():
    states = live([holds(), holds(subject="age")], [holds()], [holds()], [holds()], targets=())
    assert [alert.subject for alert in states[-1].alerts] == ["income"]
    assert [alert.news for alert in rules.owed(states[-1], A, as_of=NOON + 4 * HOUR)] == [News.OPENED]


@pytest.mark.parametrize("act", [lambda s: rules.own(s, 1, owner="ann"), lambda s: rules.snooze(s, 1, until=NOON)])
def test_only_an_open_alert_can_be_taken_or_silenced(act):
    with pytest.raises(ValueError, match="alert 1 is not open"):
        act(State())


# --- for any sequence --------------------------------------------------------------------------------------------

a_set = st.lists(
    st.builds(
        lambda key, severity: holds(*key, severity=severity), st.sampled_from(KEYS), st.sampled_from(list(Severity))
    ),
    max_size=6,
)
a_cycle = st.tuples(
    a_set,
    st.sets(st.sampled_from([*KEYS, ("drift.population", None)]), max_size=2),  # what it could not measure
    st.tuples(st.booleans(), st.booleans()),  # who can be reached
    st.sampled_from(["", "", "own", "snooze"]),
    st.sampled_from([*[timedelta(minutes=5)] * 4, HOUR, timedelta(days=2), WEEK]),
)
policies = st.builds(
    AlertPolicy,
    open_after=st.integers(1, 3),
    close_after=st.integers(1, 4),
    remind_after=st.sampled_from([HOUR, WEEK]),
    max_messages_per_day=st.integers(1, 3),
)


class Life:
    """Cycles over the rules alone, keeping what was delivered."""

    def __init__(self, policy, targets=(A, B)):
        self.policy, self.targets, self.state, self.at = policy, targets, State(), NOON
        self.sent, self.heard, self.given_up = [], {target: set() for target in targets}, set()

    def cycle(self, conditions, unmeasured=(), reached=(True, True), act="", pause=HOUR):
        self.at += pause
        step = rules.step(
            self.state,
            conditions,
            as_of=self.at,
            policy=self.policy,
            targets=self.targets,
            unmeasured=unmeasured,
        )
        self.given_up |= {alert.number for alert in step.given_up}
        self.state = step.state
        for target, up in zip(self.targets, reached, strict=True):
            found = rules.owed(self.state, target, as_of=self.at)
            if not found or rules.next_message(self.state, target, at=self.at, policy=self.policy) is None:
                continue
            if not up:
                self.state = rules.not_told(self.state, target=target, at=self.at, why="down")
                continue
            self.sent.append((target, self.at.date()))
            self.heard[target] |= {(alert.number, alert.news) for alert in found}
            self.state = rules.told(self.state, found, target=target, at=self.at, targets=self.targets)
        if act and self.state.open:
            number = self.state.open[0].number
            until = self.at + timedelta(days=1)
            acts = {"own": lambda s: rules.own(s, number, owner="ann"), "snooze": lambda s: _snooze(s, number, until)}
            self.state = acts[act](self.state)
        return step


def _snooze(state, number, until):
    return rules.snooze(state, number, until=until)


@given(policies, st.lists(a_cycle, max_size=25))
def test_whatever_happens_there_is_one_open_alert_a_key_and_the_days_most_messages_hold(policy, cycles):
    life = Life(policy)
    for cycle in cycles:
        step = life.cycle(*cycle)
        keys = [alert.key for alert in life.state.open]
        assert len(keys) == len(set(keys))
        again = rules.step(life.state, cycle[0], as_of=life.at, policy=policy, targets=life.targets)
        assert again == rules.Step(state=life.state, opened=(), closed=(), given_up=())
        assert State.from_json(_text(life.state)) == life.state
        if policy.open_after == 1:  # what holds is open
            assert {condition.key for condition in cycle[0]} <= set(keys)
        assert all(alert.key in {c.key for c in cycle[0]} for alert in step.opened)
    assert all(life.sent.count(each) <= policy.max_messages_per_day for each in life.sent)


@given(policies, st.lists(a_cycle, min_size=1, max_size=15))
def test_whatever_happened_clear_cycles_close_everything_and_everybody_hears_of_every_end(policy, cycles):
    life = Life(policy)
    for cycle in cycles:
        life.cycle(*cycle)
    was_open = {alert.number for alert in life.state.open}
    for number in range(policy.close_after):
        assert number == 0 or {alert.number for alert in life.state.open} <= was_open
        life.cycle([])
    assert life.state.open == ()
    life.cycle([], pause=timedelta(days=1) - HOUR)  # a new day: nothing is held back any more
    ended = set(range(1, life.state.last_alert + 1))
    for target in life.targets:
        told_of_the_end = {number for number, news in life.heard[target] if news is News.CLOSED}
        assert told_of_the_end | life.given_up == ended
    assert life.state.alerts == ()


@given(policies, st.lists(a_cycle, max_size=15), a_set)
def test_an_alert_ends_only_by_clear_cycles_in_a_row(policy, cycles, last):
    life, clear = Life(policy), {}
    for cycle in [*cycles, (last, set(), (True, True), "", HOUR)]:
        present, blind = {condition.key for condition in cycle[0]}, cycle[1]
        for alert in life.state.open:
            unmeasured = alert.key in blind or (alert.code, None) in blind
            if alert.key in present:
                clear[alert.number] = 0
            elif not unmeasured:
                clear[alert.number] = clear.get(alert.number, 0) + 1
        step = life.cycle(*cycle)
        assert {alert.number for alert in step.closed} == {
            number for number, count in clear.items() if count == policy.close_after
        }
        for alert in step.closed:
            clear.pop(alert.number)


def _text(state):
    from pipeline.artefacts import canonical_json

    return canonical_json(state.to_json())
