"""What an undecided gate waits for: how many more labelled rows, and when they will be there."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from pipeline.gate.measured import Evidence
from pipeline.gate.values import Check, Outcome

_DAY = timedelta(days=1)
_HOPELESS = 1e4  # times wider than it would have to be
_FAR = 36_500  # days: beyond this no date is given
_LAST = datetime.max.replace(tzinfo=UTC)


def more_rows(rows: int, *, half: float, room: float) -> float:
    """Rows missing until an interval reaches no further than `room`, when it narrows with the root of their number."""
    ratio = half / room if room > 0 else math.inf
    return max(rows * (ratio**2 - 1), 1.0) if ratio < _HOPELESS else math.inf


def waiting(
    check: Check,
    more: float,
    *,
    evidence: Evidence,
    as_of: datetime,
    patience: timedelta | None = None,
    not_before: timedelta = timedelta(0),
) -> Check:
    """An undecided check with what it waits for, if waiting can help: rows, and the day at today's rate of labels.

    A comparison that spends of the error budget is not repeated before that has accrued again (`not_before`): an
    earlier look would be a stricter one.
    """
    if check.outcome is not Outcome.UNDECIDED or not 0 < more < 2**40:
        return check
    rows, rate = max(1, math.ceil(more)), evidence.labels_per_day
    days = max(rows / rate, not_before / _DAY) if rate else math.inf  # a rate next to nothing gives infinity, too
    on = as_of + timedelta(days=math.ceil(days)) if days < min(_FAR, (_LAST - as_of).days) else None
    when = f"at today's rate by {on:%Y-%m-%d}" if on else "at today's rate not in sight"
    late = patience is not None and (on is None or on - as_of > patience)
    told = f"cannot tell yet: about {rows:,} more labelled rows, {when}" + ", beyond gate.patience" * late
    return replace(check, more_rows=rows, decidable_at=on, note="; ".join(part for part in (check.note, told) if part))
