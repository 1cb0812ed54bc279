"""What comes back: whether the outcomes recorded lately are bad far more, or far less, often than those before."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import fisher_exact

from monitoring.performance import wilson_interval


class Outcomes(NamedTuple):
    """Outcomes recorded in a stretch of time, and how many of them are bad."""

    recorded: int
    bad: int

    @property
    def share(self) -> float:
        """Of bad ones; there is at least one outcome."""
        return self.bad / self.recorded

    @property
    def words(self) -> str:
        """The share with its Wilson 95 % interval and its count."""
        low, high = (f"{100 * end:.1f}" for end in wilson_interval(self.bad, self.recorded))
        return f"{100 * self.share:.1f} % [{low}, {high}] of {self.recorded:,}"


def jumped(before: Outcomes, now: Outcomes, *, factor: float, level: float) -> bool | None:
    """Whether the bad share of incoming outcomes jumped: by a factor that matters, and not by luck.

    A feed that swaps 0 and 1, loses its good ones, or sends one branch alone shows here at once; a portfolio that gets
    worse seldom doubles its bad share within a window.

    Args:
        before: Recorded in the windows before.
        now: Recorded in this window.
        factor: Smallest change that matters, up or down, unitless, > 1.
        level: Chance, in (0, 1), to say so of two windows that differ by luck alone (Fisher's exact test, two-sided).

    Returns:
        None where one of the two has no outcome: that cannot be judged.

    Raises:
        ValueError: A count is negative or exceeds its whole, or factor or level is out of range.

    Source:
        Fisher (1935), "The logic of inductive inference", Journal of the Royal Statistical Society 98(1):39-82.

    >>> jumped(Outcomes(900, 60), Outcomes(200, 55), factor=2.0, level=0.001)
    True
    >>> jumped(Outcomes(900, 60), Outcomes(200, 20), factor=2.0, level=0.001)
    False
    """
    for each in (before, now):
        if not 0 <= each.bad <= each.recorded:
            raise ValueError(f"expected 0 <= bad <= recorded, got {each}")
    if not (factor > 1 and 0 < level < 1):
        raise ValueError(f"expected factor > 1 and a level in (0, 1), got {factor} and {level}")
    if not before.recorded or not now.recorded:
        return None
    high, low = sorted((before.share, now.share), reverse=True)
    if high < factor * low or high == 0:
        return False
    table = np.array([[now.bad, now.recorded - now.bad], [before.bad, before.recorded - before.bad]])
    return float(fisher_exact(table).pvalue) < level
