"""Kinds of values that settings are made of, each refused in one line: durations with a unit, days, shares, counts."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

_LONGEST = timedelta(days=36_500)
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def parse_duration(text: object) -> timedelta:
    """A whole number with a unit: s, m, h, d or w.

    >>> parse_duration("1096d")
    datetime.timedelta(days=1096)
    >>> parse_duration("5")
    Traceback (most recent call last):
    ...
    ValueError: a duration needs a unit (s, m, h, d, w), as in '5m' or '1096d', got '5'
    """
    if isinstance(text, timedelta):
        return text
    match = re.fullmatch(r"(\d{1,6})\s*([smhdw])", str(text).strip())
    if match is None:
        raise ValueError(f"a duration needs a unit (s, m, h, d, w), as in '5m' or '1096d', got {text!r}")
    length = timedelta(seconds=int(match[1]) * _UNIT_SECONDS[match[2]])
    if length > _LONGEST:
        raise ValueError(f"expected a duration of at most {_LONGEST.days}d, got {text!r}")
    return length


def parse_day(value: object) -> datetime:
    """A date or time as UTC; a bare date is its midnight.

    >>> parse_day("2004-01-01").isoformat()
    '2004-01-01T00:00:00+00:00'
    """
    try:
        moment = value if isinstance(value, (date, datetime)) else datetime.fromisoformat(str(value))
    except ValueError:
        raise ValueError(f"expected a date as in '2004-01-01' (UTC), got {value!r}") from None
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time.min)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("must be longer than nothing")
    return value


def _not_a_flag(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError(f"expected a number, got {str(value).lower()}")
    return value


Number = BeforeValidator(_not_a_flag)  # true would be read as 1
Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
PositiveDuration = Annotated[Duration, AfterValidator(_positive)]
Day = Annotated[datetime, BeforeValidator(parse_day)]
Share = Annotated[float, Number, Field(gt=0, le=1, allow_inf_nan=False)]
Margin = Annotated[float, Number, Field(ge=0, lt=1, allow_inf_nan=False)]
Amount = Annotated[float, Number, Field(ge=0, le=1e15, allow_inf_nan=False)]
Multiple = Annotated[float, Number, Field(gt=0, le=1000, allow_inf_nan=False)]
Count = Annotated[int, Number, Field(ge=1, le=2**53)]


class Section(BaseModel):
    """One table of the file. A field's `title` is the unit that follows its value, with `%` first for a share; its
    `description` says in one line what it is and why the default is what it is. Documents and pages show these words.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
