"""What values are made of: windows, states, times in UTC, and checks that refuse what is no number."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal

Kind = Literal["numeric", "categorical"]


class State(StrEnum):
    """What became of judging a window. Only `OK` says "no drift"; only `OK` and `DRIFT` are verdicts.

    `STALE`: rows there are, but none of late. `FAILED`: something could not be computed, and the rest is calm.
    """

    OK = "ok"
    DRIFT = "drift"
    NO_DATA = "no_data"
    TOO_FEW_ROWS = "too_few_rows"
    STALE = "stale"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Half-open stretch of traffic, [start, end), UTC.

    >>> Window(start=datetime(2006, 1, 2, tzinfo=UTC), end=datetime(2006, 7, 1, tzinfo=UTC)).window_id
    '2006-01-02T00:00:00Z/2006-07-01T00:00:00Z'
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", utc(self.start, "window start"))
        object.__setattr__(self, "end", utc(self.end, "window end"))
        if self.start >= self.end:
            raise ValueError(f"window is empty: {self.start} >= {self.end}")

    @property
    def window_id(self) -> str:
        return f"{time_text(self.start)}/{time_text(self.end)}"


def utc(value: datetime, name: str) -> datetime:
    """The same instant as a plain datetime in UTC; ValueError for a naive one.

    >>> utc(datetime.fromisoformat("2006-01-02T02:00:00+02:00"), "as_of")
    datetime.datetime(2006, 1, 2, 0, 0, tzinfo=datetime.timezone.utc)
    """
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise ValueError(f"{name} must be timezone-aware, got {value!r}")
    try:
        moment = value.astimezone(UTC)  # a pandas Timestamp stays one, nanoseconds and all: rebuild
    except OverflowError:
        raise ValueError(f"{name} is outside the calendar, got {value!r}") from None
    return datetime.combine(moment.date(), moment.time(), tzinfo=UTC)


def time_text(value: datetime) -> str:
    """ISO 8601 in UTC with Z."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def finite(value: object, name: str) -> float:
    """The number as a float; ValueError for anything that is not a finite real number (a bool is not one)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} must be a number, got {value!r}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite, got {number}")
    return number


def whole(value: object, name: str) -> int:
    """The value, if it is an int (a bool is not one)."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name} must be a whole number, got {value!r}")
    return value


def time_of(value: object) -> datetime:
    """A time from its text, which must be spelt as `time_text` spells it."""
    moment = utc(datetime.fromisoformat(text_of(value)), "time")
    if time_text(moment) != value:
        raise ValueError(f"time must be ISO 8601 in UTC with Z, got {value!r}")
    return moment


def text_of(value: object) -> str:
    """The value, if it is text."""
    if not isinstance(value, str):
        raise ValueError(f"expected text, got {value!r}")
    return value


Types = Mapping[str, tuple[type, ...]]


def fields(document: object, name: str, types: Types) -> dict[str, Any]:
    """The document, if it is an object with exactly these keys, each of its type (True is not a 1)."""
    if not isinstance(document, dict):
        raise ValueError(f"{name}: expected an object, got {type(document).__name__}")
    for problem, keys in ("missing", types.keys() - document.keys()), ("unknown", document.keys() - types.keys()):
        if keys:
            raise ValueError(f"{name}: {problem} {', '.join(sorted(map(str, keys)))}")
    for key, allowed in types.items():
        value = document[key]
        if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
            wanted = " or ".join(kind.__name__ for kind in allowed)
            raise ValueError(f"{name}: {key} must be {wanted}, got {value!r}")
    return document
