"""Telling every address what it is owed: one message each, within the day's number, and no failure in silence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from pipeline.alerts import rules
from pipeline.alerts.delivery_apprise import deliver
from pipeline.alerts.message import Message, compose
from pipeline.alerts.values import Alert, AlertPolicy, State

Record = Callable[[str, Sequence[Alert], Message, str | None], None]
"""Puts on record what came of a message to a target; the last argument is None when it was delivered, else why not."""


def send_owed(
    state: State,
    *,
    addresses: Mapping[str, str],
    model: str,
    at: datetime,
    policy: AlertPolicy,
    record: Record,
    say: Callable[[str], None],
    from_doctor: bool = False,
) -> None:
    """Deliver what is owed and record each answer after it came.

    A crash between a delivery and its record makes the next cycle send that message again: at least once, never lost.
    """
    for target, url in addresses.items():
        alerts = rules.owed(state, target, as_of=at)
        if not alerts:
            continue
        number = rules.next_message(state, target, at=at, policy=policy)
        if number is None:
            say(
                f"alerts: {len(alerts)} held back for {target}: {policy.max_messages_per_day} messages on {at:%Y-%m-%d}"
            )
            continue
        last = number if number == policy.max_messages_per_day else None
        message = compose(alerts, model=model, at=at, last_of_day=last, from_doctor=from_doctor)
        failure = deliver(url, title=message.title, body=message.body, severe=message.severe)
        record(target, alerts, message, failure)
        outcome = "told" if failure is None else f"NOT delivered, tried again next time ({failure})"
        say(f"alerts: {len(alerts)} for {target}: {outcome}")
