"""Vintages: scored applications by quarter of application, what is final of each, and how it went bad with age.

Bad outcomes are known early and good ones late: a loan that defaults says so that day, one that is sound only at the
horizon. Of a vintage that is not final, the outcomes known so far are therefore mostly bad ones, and nothing but
counts is said about it. What can be said early and honestly is the triangle: the share gone bad by an age that the
whole vintage has reached.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring.performance import wilson_interval
from monitoring.scored_rows import ScoredRows
from monitoring.values import finite, time_text, utc

AGE_STEP = timedelta(days=365.25 / 4)  # ages are counted in quarters, as vintages are
LEVEL = 0.90  # of two-sided intervals, as the gates have it


@dataclass(frozen=True, slots=True, kw_only=True)
class Vintage:
    """One quarter's applications, and how many of them can be judged.

    `mature`: old enough. `labelled`: mature and the outcome is known. `bad`: labelled and bad. `final_at`: when its
    youngest application is mature; while the quarter lasts, that of one that would come at its end.
    """

    name: str
    start: datetime
    end: datetime
    rows: int
    mature: int
    labelled: int
    bad: int
    final_at: datetime
    is_final: bool

    def __post_init__(self) -> None:
        if not 0 <= self.bad <= self.labelled <= self.mature <= self.rows or not self.rows:
            counts = f"{self.bad}, {self.labelled}, {self.mature}, {self.rows}"
            raise ValueError(f"vintage {self.name}: expected bad <= labelled <= mature <= rows, got {counts}")
        if self.is_final and self.mature != self.rows:
            raise ValueError(f"vintage {self.name}: final, but {self.mature} of {self.rows} rows are mature")

    @property
    def coverage(self) -> float | None:
        """Labelled share of the mature rows, in [0, 1]; None while no row is mature."""
        return self.labelled / self.mature if self.mature else None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        counts = {name: getattr(self, name) for name in ("rows", "mature", "labelled", "bad", "coverage", "is_final")}
        times = {name: time_text(getattr(self, name)) for name in ("start", "end", "final_at")}
        return {"vintage": self.name, **times, **counts}


@dataclass(frozen=True, slots=True, kw_only=True)
class TriangleCell:
    """Share of a vintage gone bad by an age. `bad`, `share` and its Wilson interval are None before all are that old.

    `months` is the age in calendar words, rounded.
    """

    vintage: str
    age: timedelta
    months: int
    rows: int
    bad: int | None
    share: float | None
    low: float | None
    high: float | None

    def __post_init__(self) -> None:
        numbers = (self.bad, self.share, self.low, self.high)
        if len({number is None for number in numbers}) != 1:
            raise ValueError(f"vintage {self.vintage} at {self.months} months: expected all of {numbers}, or none")
        for number in numbers[1:]:
            if number is not None:
                finite(number, f"vintage {self.vintage}")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        numbers = {name: getattr(self, name) for name in ("months", "rows", "bad", "share", "low", "high")}
        return {"vintage": self.vintage, "age_days": self.age / timedelta(days=1), **numbers}


def vintages_of(rows: ScoredRows) -> tuple[Vintage, ...]:
    """Count every vintage that has a row, oldest first.

    >>> two = ScoredRows(
    ...     event_time=np.array(["2004-02-01", "2004-05-01"], dtype="datetime64[us]"), score=np.array([0.1, 0.2]),
    ...     decision=np.zeros(2, np.int8), y=np.array([0, -1], np.int8), model_version=np.array(["1", "1"]),
    ...     known_at=np.array(["2004-05-01", "NaT"], dtype="datetime64[us]"),
    ...     as_of=datetime(2004, 6, 1, tzinfo=UTC), horizon=timedelta(days=90),
    ... )
    >>> [(v.name, v.rows, v.labelled, v.is_final, v.final_at.date().isoformat()) for v in vintages_of(two)]
    [('2004 Q1', 1, 1, True, '2004-05-01'), ('2004 Q2', 1, 0, False, '2004-09-29')]
    """
    quarters, position = np.unique(rows.quarter, return_inverse=True)
    groups = (np.ones(len(position), np.bool_), rows.mature, rows.labelled, rows.labelled & (rows.y == 1))
    counts = [np.bincount(position[chosen], minlength=len(quarters)).tolist() for chosen in groups]
    complete = _complete_at(rows, quarters, position)
    found = []
    for quarter, complete_at, n, mature, labelled, bad in zip(quarters.tolist(), complete, *counts, strict=True):
        final_at = complete_at + rows.horizon
        found.append(
            Vintage(
                name=quarter_name(quarter),
                start=quarter_start(quarter),
                end=quarter_start(quarter + 1),
                rows=n,
                mature=mature,
                labelled=labelled,
                bad=bad,
                final_at=final_at,
                is_final=final_at <= rows.as_of,
            )
        )
    return tuple(found)


def triangle(rows: ScoredRows, *, level: float = LEVEL) -> tuple[TriangleCell, ...]:
    """Cumulative share of each vintage gone bad by each age, in equal steps of about a quarter up to the horizon.

    An age is filled in once the *whole* vintage has reached it: with younger rows in it, the share would be that of
    loans which had no time to go bad. The share is of all the vintage's rows, so that one whose outcome never becomes
    known counts as not gone bad: where coverage is below 1 the shares are lower bounds. A row goes bad on the day that
    this is known.

    Args:
        rows: Scored applications.
        level: Of Wilson's interval, two-sided, in (0, 1).

    Returns:
        One cell per vintage and age, vintages oldest first, ages rising.

    Source:
        The default curve by time on book: Siddiqi (2006), "Credit Risk Scorecards", chapter 4 (cohort analysis).
        Interval: Wilson (1927).
    """
    quarters, position = np.unique(rows.quarter, return_inverse=True)
    ages = ages_of(rows.horizon)
    bad = rows.y == 1
    waited = (rows.known_at - rows.event_time)[bad]
    reached = np.searchsorted(np.array(ages, dtype="timedelta64[us]"), waited, side="left")  # later than all: beyond
    table = np.zeros((len(quarters), len(ages) + 1), dtype=np.int64)
    np.add.at(table, (position[bad], reached), 1)
    gone_bad, sizes = table.cumsum(axis=1).tolist(), np.bincount(position, minlength=len(quarters)).tolist()
    complete = _complete_at(rows, quarters, position)
    return tuple(
        _cell(quarter_name(quarter), age, size, gone if complete_at + age <= rows.as_of else None, level)
        for quarter, complete_at, size, row in zip(quarters.tolist(), complete, sizes, gone_bad, strict=True)
        for age, gone in zip(ages, row, strict=False)  # the last column is beyond the horizon
    )


def ages_of(horizon: timedelta) -> tuple[timedelta, ...]:
    """The horizon in equal steps of about a quarter, at least one.

    >>> [age.days for age in ages_of(timedelta(days=365))], len(ages_of(timedelta(days=1096)))
    ([91, 182, 273, 365], 12)
    """
    steps = max(1, round(horizon / AGE_STEP))
    return tuple(horizon * step / steps for step in range(1, steps + 1))


def quarter_of(moment: datetime) -> int:
    """Calendar quarters from the first of 1970 to a moment.

    >>> quarter_name(quarter_of(datetime(2004, 4, 1, tzinfo=UTC)))
    '2004 Q2'
    """
    day = utc(moment, "moment")
    return (day.year - 1970) * 4 + (day.month - 1) // 3


def quarter_start(quarter: int) -> datetime:
    """First moment of a quarter counted from 1970."""
    return datetime(1970 + quarter // 4, 1 + quarter % 4 * 3, 1, tzinfo=UTC)


def quarter_name(quarter: int) -> str:
    """A quarter counted from 1970, as people write it."""
    return f"{1970 + quarter // 4:04d} Q{1 + quarter % 4}"


def _complete_at(rows: ScoredRows, quarters: NDArray[np.int64], position: NDArray[np.int64]) -> list[datetime]:
    """When each vintage's youngest application came; while its quarter lasts, the quarter's end."""
    youngest = np.full(len(quarters), np.datetime64("0001-01-01", "us"))
    np.maximum.at(youngest, position, rows.event_time)
    ends = [quarter_start(quarter + 1) for quarter in quarters.tolist()]
    latest = [moment.replace(tzinfo=UTC) for moment in youngest.tolist()]
    return [last if end <= rows.as_of else end for last, end in zip(latest, ends, strict=True)]


def _cell(vintage: str, age: timedelta, rows: int, bad: int | None, level: float) -> TriangleCell:
    low, high = (None, None) if bad is None else wilson_interval(bad, rows, level=level)
    return TriangleCell(
        vintage=vintage,
        age=age,
        months=round(age / AGE_STEP * 3),
        rows=rows,
        bad=bad,
        share=None if bad is None else bad / rows,
        low=low,
        high=high,
    )
