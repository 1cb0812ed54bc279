"""The end of a cycle: what holds now becomes alerts, alerts become one message to each address, all of it on record."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from pipeline.alerts import rules
from pipeline.alerts.journal import Event, read_state, write_state
from pipeline.alerts.message import Message
from pipeline.alerts.sending import send_owed
from pipeline.alerts.values import Alert, AlertPolicy, Condition, State
from pipeline.clock import wall_clock
from pipeline.errors import InputError, RefusedError
from pipeline.settings import Settings
from pipeline.wiring import Workspace


def alert(
    workspace: Workspace,
    conditions: Sequence[Condition],
    *,
    as_of: datetime,
    say: Callable[[str], None],
    unmeasured: rules.Unmeasured = (),
    silent: bool = False,
) -> None:
    """Open, close and tell. Safe to run again: a cycle on record changes nothing, a message on record is not repeated.

    Trouble with an address is recorded and tried again at the next cycle; it never raises.

    Args:
        workspace: Whose alerts.
        conditions: Everything wrong that holds now.
        as_of: The cycle's moment.
        say: Prints a line.
        unmeasured: (code, subject) that this cycle could not judge, (code, None) for every subject of a code: their
            alerts neither come nearer to their end nor open.
        silent: Record only; no address is told.
    """
    addresses, policy = {} if silent else workspace.settings.alerts.addresses, alert_policy(workspace.settings)
    with workspace.ledger.transaction(recorded_at=wall_clock()) as writer:
        before = read_state(workspace.ledger)
        moved = rules.step(
            before, conditions, as_of=as_of, policy=policy, targets=list(addresses), unmeasured=unmeasured
        )
        events = [Event(event="closed", alert=each.number) for each in moved.closed]
        events += [Event(event="untold", alert=each.number, note="no address took it") for each in moved.given_up]
        state = moved.state
        if replace(state, as_of=before.as_of) != before:  # a cycle without news writes nothing
            state = write_state(writer, state, at=as_of, opened=moved.opened, events=events)
    for each in moved.opened:
        say(f"alert {each.number} ({each.severity}): {each.code} {each.subject}: {each.text}")
    for each in moved.closed:
        say(f"alert {each.number} closed: {each.code} {each.subject}")

    def record(target: str, alerts: Sequence[Alert], message: Message, failure: str | None) -> None:
        with workspace.ledger.transaction(recorded_at=wall_clock()) as writer:
            now = read_state(workspace.ledger)  # a person may have snoozed one while the message was on its way
            after, event = _answered(now, target, alerts, message, failure, as_of, list(addresses))
            write_state(writer, after, at=as_of, events=[event])

    send_owed(
        state, addresses=addresses, model=workspace.settings.model.name, at=as_of, policy=policy, record=record, say=say
    )


def alert_policy(settings: Settings) -> AlertPolicy:
    """The rules' numbers, from the settings."""
    names = {"open_after", "close_after", "remind_after", "max_messages_per_day"}
    return AlertPolicy(**settings.alerts.model_dump(include=names))


def _answered(
    state: State,
    target: str,
    alerts: Sequence[Alert],
    message: Message,
    failure: str | None,
    at: datetime,
    targets: Sequence[str],
) -> tuple[State, Event]:
    about = json.dumps([[alert.number, alert.news] for alert in alerts])
    if failure is not None:
        after = rules.not_told(state, target=target, at=at, why=failure)
        return after, Event(event="failed", target=target, note=failure, told=about)
    after = rules.told(state, alerts, target=target, at=at, targets=targets)
    return after, Event(event="sent", target=target, note=f"{message.title}\n\n{message.body}", told=about)


def snooze(workspace: Workspace, number: int, *, until: datetime, actor: str, reason: str, now: datetime) -> None:
    """Silence for an open alert until a time."""
    _require_person(actor, reason)
    event = Event(event="snoozed", alert=number, actor=actor, until=until, note=reason)
    _act(workspace, event, lambda state: rules.snooze(state, number, until=until), now=now)


def own(workspace: Workspace, number: int, *, actor: str, now: datetime) -> None:
    """Somebody takes an open alert."""
    _require_person(actor, "-")
    event = Event(event="owned", alert=number, actor=actor)
    _act(workspace, event, lambda state: rules.own(state, number, owner=actor), now=now)


def judge(workspace: Workspace, number: int, *, real: bool, actor: str, reason: str, now: datetime) -> None:
    """A person says whether there was something to it; the last word counts."""
    _require_person(actor, reason)
    if workspace.ledger.get("alert", str(number)) is None:
        raise InputError("alert", f"no alert {number} on record; see `mend alerts --all`")
    event = Event(event="judged", alert=number, actor=actor, verdict="real" if real else "false", note=reason)
    _act(workspace, event, lambda state: state, now=now)


def _act(workspace: Workspace, event: Event, change: Callable[[State], State], *, now: datetime) -> None:
    with workspace.ledger.transaction(recorded_at=wall_clock()) as writer:
        try:
            after = change(read_state(workspace.ledger))
        except ValueError as error:
            raise RefusedError(f"{error}; see `mend alerts`") from None
        write_state(writer, after, at=now, events=[event])


def _require_person(actor: str, reason: str) -> None:
    if not actor.strip():
        raise InputError("--as", "expected a name, got nothing")
    if not reason.strip():
        raise InputError("--reason", "expected why, got nothing")
