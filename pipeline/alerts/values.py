"""What an alert is made of: conditions that hold, alerts that are open, and the state of both between two cycles."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from pydantic import TypeAdapter

from monitoring.values import utc

Key = tuple[str, str]
_CODE = re.compile(r"[a-z][a-z_]*(\.[a-z][a-z_]*)+")


class Severity(StrEnum):
    """How much it matters: a page wants somebody now, a note can wait for the morning."""

    PAGE = "page"
    NOTE = "note"


class News(StrEnum):
    """What is to be told about an alert."""

    OPENED = "opened"
    WORSE = "worse"
    REMINDER = "reminder"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Something wrong that holds in this cycle: a permanent code, what it is about, and a sentence with numbers."""

    code: str
    subject: str
    severity: Severity
    text: str
    since: datetime

    def __post_init__(self) -> None:
        if not _CODE.fullmatch(self.code) or len(self.code) > 50:
            raise ValueError(
                f"code: expected words with dots of at most 50 letters, as in feed.missing, got {self.code!r}"
            )
        if len(self.subject) > 200 or not self.subject.isprintable():
            raise ValueError(f"subject: expected one line of at most 200 letters, got {self.subject!r}")
        if not self.text.strip():
            raise ValueError(f"text of {self.code}: expected a sentence, got nothing")
        object.__setattr__(self, "severity", Severity(self.severity))
        object.__setattr__(self, "text", " ".join(self.text.split()))
        object.__setattr__(self, "since", utc(self.since, "since"))

    @property
    def key(self) -> Key:
        """What makes two conditions the same one."""
        return self.code, self.subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert, open or closed and not told yet. `told` names who has heard the `news`; nobody heard of it: empty."""

    number: int
    code: str
    subject: str
    severity: Severity
    text: str
    since: datetime
    opened_at: datetime
    clear: int = 0
    closed_at: datetime | None = None
    news: News | None = News.OPENED
    told: tuple[str, ...] = ()
    told_at: datetime | None = None
    owner: str | None = None
    snoozed_until: datetime | None = None

    @property
    def key(self) -> Key:
        """What makes two conditions the same one."""
        return self.code, self.subject

    @property
    def is_open(self) -> bool:
        """The condition has not been seen to end."""
        return self.closed_at is None

    def snoozed(self, at: datetime) -> bool:
        """Somebody asked for silence, and it lasts."""
        return self.snoozed_until is not None and at < self.snoozed_until


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """How many messages an address was sent on a day (UTC)."""

    target: str
    day: date
    messages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Failing:
    """An address that could not be reached: since when, how often, and what was heard last."""

    target: str
    since: datetime
    attempts: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Everything the next cycle needs to know, so that none ever reads the past. As large as what is open."""

    as_of: datetime | None = None
    alerts: tuple[Alert, ...] = ()
    waiting: tuple[tuple[str, str, int], ...] = ()
    sent: tuple[Sent, ...] = ()
    failing: tuple[Failing, ...] = ()
    last_alert: int = 0
    last_event: int = 0

    @property
    def open(self) -> tuple[Alert, ...]:
        """Alerts whose condition has not been seen to end."""
        return tuple(alert for alert in self.alerts if alert.is_open)

    def messages(self, target: str, day: date) -> int:
        """How many messages an address was sent on a day."""
        return sum(entry.messages for entry in self.sent if (entry.target, entry.day) == (target, day))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        plain: dict[str, Any] = _STATE.dump_python(self, mode="json")
        return plain

    @staticmethod
    def from_json(text: str) -> State:
        """The state that was written."""
        return _STATE.validate_json(text)


_STATE = TypeAdapter(State)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertPolicy:
    """When an alert opens, closes and is repeated. Cycles are counted, except in `remind_after`."""

    open_after: int = 1
    close_after: int = 3
    remind_after: timedelta = field(default=timedelta(days=7))
    max_messages_per_day: int = 24
