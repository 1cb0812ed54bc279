"""Alerts on the ledger: each act is an entry, and the last one of a transaction carries the state after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from pipeline.alerts.values import Alert, State
from pipeline.artefacts import canonical_json
from pipeline.stores.ledger import Ledger, LedgerWriter

SERVICE = "mend"  # who acts when no person does


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What happened to an alert, or with a message: counted, closed, untold, sent, failed, snoozed, owned, judged."""

    event: str
    alert: int | None = None
    actor: str = SERVICE
    target: str | None = None
    verdict: str | None = None
    until: datetime | None = None
    note: str | None = None
    told: str | None = None


def read_state(ledger: Ledger) -> State:
    """The state after the newest event: one row by index, however long the history is.

    Inside a transaction this reads on a connection of its own. That is the same state, because writers stand in line:
    nobody else can commit before the transaction ends. So read before writing.
    """
    newest = ledger.acts("alert_event", limit=1)
    return State.from_json(newest[0]["state"]) if newest else State()


def write_state(
    writer: LedgerWriter, state: State, *, at: datetime, opened: Sequence[Alert] = (), events: Sequence[Event] = ()
) -> State:
    """Put alerts that opened and events on record, the last one with the state; returns the state as written."""
    for alert in opened:
        names = ("number", "opened_at", "code", "subject", "severity", "text", "since")
        values = {name: getattr(alert, name) for name in names}
        writer.record("alert", str(alert.number), values | {"severity": alert.severity.value}, at=at, actor=SERVICE)
    rows = list(events) or [Event(event="counted")]
    first, written = state.last_event + 1, replace(state, last_event=state.last_event + len(rows))
    for number, event in enumerate(rows, start=first):
        carried = canonical_json(written.to_json()) if number == written.last_event else None
        values = {"number": number, "at": at, **asdict(event), "state": carried}
        if not writer.record("alert_event", str(number), values, at=at, actor=event.actor):
            raise RuntimeError(f"alert event {number} is on record already")
    return written
