"""A stretch of time cut into equal parts at round moments: few enough to draw, and the same ones when time goes on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import chain, count

_EPOCH = datetime(1970, 1, 5, tzinfo=UTC)  # a Monday: parts of a week begin with one
_ROUND_S = (1, 5, 15, 30, 60, 300, 900, 1800, 3600, 10_800, 21_600, 43_200)
_ROUND_DAYS = (1, 2, 4, 7, 14, 28, 91, 182, 364)


def buckets(start: datetime, end: datetime, *, most: int) -> list[tuple[datetime, datetime]]:
    """Half-open parts [from, to) of one round width, in order, that cover [start, end]: the narrowest that are so few.

    Their bounds are multiples of the width whatever `start` and `end` are, so that a part that is over stays as it is
    while `end` moves on.

    Args:
        start: Aware time.
        end: Aware time, not before `start`.
        most: How many parts there may be, >= 1.

    >>> first = datetime(2026, 1, 1, tzinfo=UTC)
    >>> year = buckets(first, first + timedelta(days=365), most=200)
    >>> len(year), year[0][1] - year[0][0]
    (183, datetime.timedelta(days=2))
    >>> [f"{low:%H:%M:%S}" for low, _ in buckets(first, first + timedelta(minutes=9), most=2)]
    ['00:00:00', '00:05:00']
    """
    if start > end or most < 1:
        raise ValueError(f"expected start <= end and most >= 1, got {start}, {end} and {most}")
    days = chain(_ROUND_DAYS, (364 * 2**power for power in count(1)))
    for width in chain((timedelta(seconds=s) for s in _ROUND_S), (timedelta(days=d) for d in days)):
        first, last = ((moment - _EPOCH) // width for moment in (start, end))
        if last - first < most:
            return [(_EPOCH + n * width, _EPOCH + (n + 1) * width) for n in range(first, last + 1)]
    raise AssertionError  # the widths never end
