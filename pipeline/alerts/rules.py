"""How conditions become alerts and alerts become news. Pure: a state and what holds now in, the next state out.

One alert per (code, subject) while the condition lasts. It opens after `open_after` cycles in a row and closes after
`close_after` clear ones; a cycle that could not measure a condition is neither.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline.alerts.values import Alert, AlertPolicy, Condition, Failing, Key, News, Sent, Severity, State

Unmeasured = Collection[tuple[str, str | None]]
"""Conditions that this cycle could not judge: (code, subject), or (code, None) for every subject."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The state after a cycle, and which alerts this cycle opened, closed, or stopped trying to tell."""

    state: State
    opened: tuple[Alert, ...]
    closed: tuple[Alert, ...]
    given_up: tuple[Alert, ...]


def step(
    state: State,
    conditions: Iterable[Condition],
    *,
    as_of: datetime,
    policy: AlertPolicy,
    targets: Sequence[str],
    unmeasured: Unmeasured = (),
) -> Step:
    """What a cycle's conditions do to the alerts. A cycle that is on record already changes nothing.

    Args:
        state: As the last cycle, delivery or person left it.
        conditions: Those that hold now; of two with one key the worse counts.
        as_of: The cycle's moment.
        policy: When to open, close and remind.
        targets: Addresses that want to be told, by name; with none, alerts open and close untold.
        unmeasured: Conditions that could not be judged; their alerts stay as they are.
    """
    if state.as_of is not None and as_of <= state.as_of:
        return Step(state=state, opened=(), closed=(), given_up=())
    present = _worst_by_key(conditions)
    moved = [_moved(alert, present.get(alert.key), as_of, policy, unmeasured) for alert in state.alerts]
    given_up = [alert for alert in moved if _hopeless(alert, as_of, policy, targets)]
    kept = [alert for alert in moved if alert not in given_up and not _finished(alert, targets)]
    counts = _counts(state, present, unmeasured)
    ripe = [condition for key, condition in present.items() if counts.get(key, 0) >= policy.open_after]
    opened = tuple(_opened(condition, state.last_alert + n, as_of) for n, condition in enumerate(ripe, start=1))
    waiting = [(*key, count) for key, count in counts.items() if count < policy.open_after]
    after = replace(
        state,
        as_of=as_of,
        alerts=(*kept, *opened),
        waiting=tuple(sorted(waiting)),
        last_alert=state.last_alert + len(opened),
    )
    closed = tuple(alert for alert in moved if alert.closed_at == as_of)
    return Step(state=after, opened=opened, closed=closed, given_up=tuple(given_up))


def owed(state: State, target: str, *, as_of: datetime) -> tuple[Alert, ...]:
    """Alerts with news that an address has not heard: worst first, endings last. A snooze holds back all but an end."""
    found = [
        alert
        for alert in state.alerts
        if alert.news is not None
        and target not in alert.told
        and (alert.news is News.CLOSED or not alert.snoozed(as_of))
    ]
    return tuple(
        sorted(found, key=lambda alert: (not alert.is_open, alert.severity is not Severity.PAGE, alert.number))
    )


def next_message(state: State, target: str, *, at: datetime, policy: AlertPolicy) -> int | None:
    """Number of the next message to an address on that day (UTC), from 1; None when it was sent the day's most."""
    sent = state.messages(target, at.date())
    return sent + 1 if sent < policy.max_messages_per_day else None


def told(state: State, alerts: Sequence[Alert], *, target: str, at: datetime, targets: Sequence[str]) -> State:
    """The state after a message about these alerts reached an address; news that came since stays owed."""
    heard = {(alert.number, alert.news) for alert in alerts}
    marked = [
        replace(alert, told=(*alert.told, target), told_at=at) if (alert.number, alert.news) in heard else alert
        for alert in state.alerts
    ]
    sent = Sent(target=target, day=at.date(), messages=state.messages(target, at.date()) + 1)
    others = [entry for entry in state.sent if entry.day == at.date() and entry.target != target]
    return replace(
        state,
        alerts=tuple(_settled(alert, targets) for alert in marked if not _finished(alert, targets)),
        sent=(*others, sent),
        failing=tuple(entry for entry in state.failing if entry.target != target),
    )


def not_told(state: State, *, target: str, at: datetime, why: str) -> State:
    """The state after a message did not reach an address: everything stays owed."""
    before = [entry for entry in state.failing if entry.target == target]
    since, attempts = (before[0].since, before[0].attempts) if before else (at, 0)
    failing = Failing(target=target, since=since, attempts=attempts + 1, why=why)
    return replace(state, failing=(*(entry for entry in state.failing if entry.target != target), failing))


def snooze(state: State, number: int, *, until: datetime) -> State:
    """Silence for an open alert until a time; a reminder not delivered yet falls away."""
    return _changed(state, number, lambda alert: replace(_unreminded(alert), snoozed_until=until))


def own(state: State, number: int, *, owner: str) -> State:
    """Somebody takes an open alert: no more reminders, its end is still told."""
    return _changed(state, number, lambda alert: replace(_unreminded(alert), owner=owner))


def _changed(state: State, number: int, change: Callable[[Alert], Alert]) -> State:
    if number not in {alert.number for alert in state.open}:
        raise ValueError(f"alert {number} is not open")
    return replace(state, alerts=tuple(change(a) if a.number == number and a.is_open else a for a in state.alerts))


def _unreminded(alert: Alert) -> Alert:
    return replace(alert, news=None, told=()) if alert.news is News.REMINDER else alert


def _worst_by_key(conditions: Iterable[Condition]) -> dict[Key, Condition]:
    found: dict[Key, Condition] = {}
    for condition in sorted(conditions, key=lambda each: each.severity is not Severity.PAGE):
        found.setdefault(condition.key, condition)
    return found


def _is_unmeasured(key: Key, unmeasured: Unmeasured) -> bool:
    return key in unmeasured or (key[0], None) in unmeasured


def _moved(
    alert: Alert, condition: Condition | None, as_of: datetime, policy: AlertPolicy, unmeasured: Unmeasured
) -> Alert:
    """One alert, a cycle later."""
    if not alert.is_open:
        return alert
    if condition is not None:
        alert = replace(alert, clear=0)
        if (condition.severity, alert.severity) == (Severity.PAGE, Severity.NOTE):
            return replace(alert, severity=Severity.PAGE, text=condition.text, news=News.WORSE, told=())
    elif not _is_unmeasured(alert.key, unmeasured):
        alert = replace(alert, clear=alert.clear + 1)
        if alert.clear >= policy.close_after:
            return replace(alert, closed_at=as_of, news=News.CLOSED, told=())
    if _reminder_due(alert, as_of, policy):
        text = alert.text if condition is None else condition.text
        return replace(alert, text=text, news=News.REMINDER, told=())
    return alert


def _reminder_due(alert: Alert, as_of: datetime, policy: AlertPolicy) -> bool:
    """Told long ago, or told before a snooze that is over; never while somebody owns it, or while it may be ending."""
    if alert.owner is not None or alert.snoozed(as_of) or alert.clear > 0:
        return False
    if alert.told_at is None or alert.news is News.REMINDER:
        return False
    woken = alert.snoozed_until is not None and alert.told_at < alert.snoozed_until
    return woken or as_of - alert.told_at >= policy.remind_after


def _counts(state: State, present: dict[Key, Condition], unmeasured: Unmeasured) -> dict[Key, int]:
    """How many cycles in a row each condition without an open alert has held; one not measured keeps its count."""
    opened = {alert.key for alert in state.open}
    before = {(code, subject): count for code, subject, count in state.waiting}
    held = {key: count for key, count in before.items() if _is_unmeasured(key, unmeasured)}
    return held | {key: before.get(key, 0) + 1 for key in present if key not in opened}


def _opened(condition: Condition, number: int, as_of: datetime) -> Alert:
    return Alert(
        number=number,
        code=condition.code,
        subject=condition.subject,
        severity=condition.severity,
        text=condition.text,
        since=condition.since,
        opened_at=as_of,
    )


def _finished(alert: Alert, targets: Sequence[str]) -> bool:
    """Closed, and everybody knows."""
    return not alert.is_open and set(targets) <= set(alert.told)


def _settled(alert: Alert, targets: Sequence[str]) -> Alert:
    """Without its news once everybody has heard it."""
    return replace(alert, news=None, told=()) if alert.news and set(targets) <= set(alert.told) else alert


def _hopeless(alert: Alert, as_of: datetime, policy: AlertPolicy, targets: Sequence[str]) -> bool:
    """Closed so long ago that its end is no news, and an address never took it: kept for ever, the state would grow."""
    if alert.closed_at is None or _finished(alert, targets):
        return False
    return as_of - alert.closed_at >= policy.remind_after
