"""One message about several alerts: the worst first, each with since when, and what a person can do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.alerts.values import Alert, News, Severity

_MOST_LINES = 20  # what a phone shows in three screens; the rest is counted and one command away


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """As it is delivered."""

    title: str
    body: str
    severe: bool


def compose(
    alerts: Sequence[Alert], *, model: str, at: datetime, last_of_day: int | None, from_doctor: bool = False
) -> Message:
    """The message about these alerts, which come worst first.

    Args:
        alerts: As `rules.owed` returns them, at least one.
        model: Whose alerts these are.
        at: The cycle's moment, or the doctor's.
        last_of_day: Number of this message if it is the last that its address is sent that day, else None.
        from_doctor: Found by `mend doctor`, whose alerts cannot be owned or snoozed.
    """
    open_now = [alert for alert in alerts if alert.is_open]
    lines = [_line(alert, at, numbered=not from_doctor) for alert in alerts[:_MOST_LINES]]
    if (more := len(alerts) - _MOST_LINES) > 0:
        lines.append(f"... and {more} more")
    what = "mend doctor" if from_doctor else "cycle"
    parts = [f"{model}, {what} of {_time(at)}", "\n\n".join(lines), _what_to_do(open_now, from_doctor)]
    if last_of_day is not None:
        parts.append(
            f"This is message {last_of_day} of at most {last_of_day} on {at:%Y-%m-%d} (UTC): whatever else happens "
            "today is held back until midnight UTC. Look with `mend alerts`."
        )
    severe = any(alert.severity is Severity.PAGE for alert in open_now)
    return Message(title=_title(alerts, model), body="\n\n".join(parts), severe=severe)


def span(length: timedelta) -> str:
    """A duration in the largest unit that keeps it readable.

    >>> [span(timedelta(minutes=5)), span(timedelta(hours=30)), span(timedelta(days=7))]
    ['5 min', '30 h', '7 days']
    """
    minutes = int(length.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // (24 * 60)} days"


def _title(alerts: Sequence[Alert], model: str) -> str:
    worst = alerts[0]
    name = " ".join(part for part in (worst.code, worst.subject) if part)
    open_now = sum(alert.is_open for alert in alerts)
    if not open_now:
        more = f" and {len(alerts) - 1} more" if len(alerts) > 1 else ""
        return f"[mend] {model}: {name}{more} closed"
    return f"[mend] {model}: {name}" + (f" and {len(alerts) - 1} more" if len(alerts) > 1 else "")


def _line(alert: Alert, at: datetime, *, numbered: bool) -> str:
    number = f"#{alert.number} " if numbered else ""
    name = " ".join(part for part in (alert.code, alert.subject) if part)
    match alert.news:
        case News.CLOSED:
            length = span((alert.closed_at or at) - alert.opened_at)
            return f"CLOSED {number}{name}\nOpen since {_time(alert.opened_at)} ({length}). It said: {alert.text}"
        case News.REMINDER:
            head = f"STILL OPEN ({alert.severity}) {number}{name}, for {span(at - alert.opened_at)}"
            head += ", owned by nobody" if numbered else ""
        case News.WORSE:
            head = f"WORSE, now {alert.severity.upper()} {number}{name}"
        case _:
            head = f"{alert.severity.upper()} {number}{name}"
    return f"{head}\n{alert.text}\nSince {_time(alert.since)}."


def _what_to_do(open_now: Sequence[Alert], from_doctor: bool) -> str:
    if from_doctor:
        return "Look with `mend doctor`."
    if not open_now:
        return "All of them: `mend alerts --all`"
    number = open_now[0].number
    return (
        f"Take it: `mend alerts own {number} --as NAME`\n"
        f"Silence it: `mend alerts snooze {number} --for 2d --as NAME --reason WHY`\n"
        "All of them: `mend alerts`"
    )


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
