"""A line of the table, and how its figures are written: each with the interval of a share, and how much was drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass

from monitoring.performance import wilson_interval


@dataclass(frozen=True, kw_only=True)
class Line:
    """One row of the table."""

    portfolio: str
    part: str
    case: str
    rows: str
    mend: str
    plain: str
    drawn: str
    promise: str = ""


def percent(happened: int, of: int) -> str:
    """A share with its Wilson interval.

    >>> percent(5, 100)
    '5.0 % [2.2, 11.2]'
    """
    low, high = wilson_interval(happened, of)
    digits = 2 if 0 < happened / of < 0.01 else 1
    return f"{happened / of:.{digits}%} [{low * 100:.{digits}f}, {high * 100:.{digits}f}]".replace("%", " %")


def median_tries(happened: int, of: int) -> str:
    """Tries until half of such challengers are passed, from the chance of one try.

    >>> median_tries(10, 100), median_tries(0, 100)
    ('7', '–')
    """
    if happened == 0:
        return "–"
    return "1" if happened >= of / 2 else f"{math.ceil(math.log(0.5) / math.log1p(-happened / of)):,}"


def promise(happened: int, of: int, *, at_most: float) -> str:
    """Whether a share is what was promised; broken only where its whole interval says so.

    >>> promise(4, 100, at_most=0.05), promise(6, 100, at_most=0.05), promise(20, 100, at_most=0.05)
    ('kept', 'within noise', 'BROKEN')
    """
    if happened / of <= at_most:
        return "kept"
    return "BROKEN" if wilson_interval(happened, of)[0] > at_most else "within noise"
