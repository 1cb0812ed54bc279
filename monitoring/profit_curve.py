"""What booking everybody below a cut-off would have earned: profit as a function of the cut-off, on final outcomes."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
LEVEL = 0.90


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfitPoint:
    """One cut-off: the share approved, and money per application with its 90 % interval; None of fewer than 2 rows."""

    cutoff: float
    approved: float
    profit: float
    low: float | None
    high: float | None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def profit_at(score: Numbers, worth: Numbers, cutoff: float) -> ProfitPoint:
    """Profit per application where everybody below a cut-off is booked.

    Args:
        score: Probability of default per row, shape (n,), in [0, 1], n >= 1.
        worth: Money that booking the row earned (+) or lost (-), shape (n,), finite.
        cutoff: A score at or above it is declined, in [0, 1] or above to book everybody.

    Returns:
        Mean money per application, those not booked counting 0, with the normal 90 % interval of a mean.

    Raises:
        ValueError: No rows, shapes differ, or something is not finite.

    >>> found = profit_at(np.array([0.1, 0.2, 0.9]), np.array([3.0, 3.0, -30.0]), 0.5)
    >>> found.profit, round(found.approved, 2)
    (2.0, 0.67)
    """
    if score.ndim != 1 or score.shape != worth.shape or not len(score):
        raise ValueError(f"expected one score and one worth per row, got {score.shape} and {worth.shape}")
    if not (np.isfinite(score).all() and np.isfinite(worth).all()):
        raise ValueError("expected finite scores and money")
    booked = score < cutoff
    earned = np.where(booked, worth, 0.0)
    mean, half = float(earned.mean()), None
    if len(earned) > 1:
        half = NormalDist().inv_cdf(0.5 + LEVEL / 2) * float(earned.std(ddof=1)) / math.sqrt(len(earned))
    return ProfitPoint(
        cutoff=cutoff,
        approved=float(booked.mean()),
        profit=mean + 0.0,
        low=None if half is None else mean - half,
        high=None if half is None else mean + half,
    )


def profit_curve(score: Numbers, worth: Numbers, *, points: int = 40) -> tuple[ProfitPoint, ...]:
    """The same at cut-offs that approve evenly spaced shares, from nobody to everybody, rising.

    >>> curve = profit_curve(np.linspace(0.05, 0.95, 19), np.linspace(5.0, -5.0, 19), points=4)
    >>> [round(point.approved, 1) for point in curve]
    [0.0, 0.3, 0.5, 0.7, 1.0]
    """
    inner = np.quantile(score, np.linspace(0, 1, points + 1)[:-1])
    found = (profit_at(score, worth, cutoff) for cutoff in (*inner.tolist(), math.nextafter(1.0, 2.0)))
    return tuple({point.approved: point for point in found}.values())  # the same people approved is the same point
