"""Limits of a difference from its per-row contributions: Student's t, corrected for skewness on the side that needs it.

Credit data are lopsided: a handful of bad outcomes carries the variance. At the levels a yearly error budget leaves for
one try (below 0.1 %), a plain normal limit let up to five times as many equal models through as it promised.
"""

from __future__ import annotations

from math import frexp, isfinite
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

_SMALLEST_ALPHA = 1e-100  # for one smaller, Student's t with few degrees of freedom leaves the range of a float


class Spread(NamedTuple):
    """How a mean varies: its standard error, the skewness of its contributions over sqrt(n), degrees of freedom.

    Each field is a number or an array of one shape, so that thousands of simulated differences are one call.
    """

    error: ArrayLike
    skewness: ArrayLike
    degrees: ArrayLike


def spread(contributions: ArrayLike, *, degrees: int) -> Spread:
    """Standard error and skewness of the mean of per-row contributions.

    Args:
        contributions: Shape (n,), n >= 1, finite; they need not have mean 0.
        degrees: Degrees of freedom of the t limit: the rarer outcome's count minus 1, since those rows carry it.

    Raises:
        ValueError: Empty, a contribution is not finite, or degrees < 1.

    >>> [round(float(part), 4) for part in spread([0.0, 0.0, 0.0, 4.0], degrees=3)]
    [0.866, 0.5774, 3.0]
    """
    values = np.asarray(contributions, dtype=np.float64)
    if values.ndim != 1 or not values.size or degrees < 1:
        raise ValueError(f"expected one dimension, a row or more, and degrees >= 1, got {values.shape} and {degrees}")
    largest = float(np.abs(values).max())
    if not isfinite(largest):
        raise ValueError("contributions: expected finite numbers")
    scale = 2.0 ** max(frexp(largest)[1] - 1, -1000)  # a power of two loses no digit, and no cube overflows
    centred = values / scale
    centred -= centred.mean()
    squares = centred * centred
    variance = float(squares.mean())
    skewness = float(np.mean(squares * centred)) / variance**1.5 if variance > 1e-200 else 0.0
    return Spread((variance / len(values)) ** 0.5 * scale, skewness / len(values) ** 0.5, degrees)


def limits(difference: ArrayLike, around: Spread, *, alpha: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower and upper limit, each wrong with a chance of about `alpha`: the more cautious of two methods.

    Args:
        difference: The estimate; a number or an array.
        around: How it varies.
        alpha: One-sided error, in (0, 0.5); below 1e-100 it counts as that.

    Returns:
        Arrays of the difference's shape, low <= difference <= high.

    Raises:
        ValueError: alpha outside (0, 0.5).

    Source:
        Student's t, and Hall (1992), "On the removal of skewness by transformation", JRSS B 54: t + a(2t^2 + 1) +
        4/3 a^2 t^3 with a = skewness / (6 sqrt(n)), which is monotone and so turned around in closed form. Corrected
        limits are too narrow where the skewness itself is badly estimated (few rows on which two models disagree),
        plain ones where it is large; the wider of the two held in both (docs/gates.md has the figures).

    >>> low, high = limits(0.1, Spread(0.05, 0.0, 1000), alpha=0.05)
    >>> round(float(low), 4), round(float(high), 4)
    (0.0177, 0.1823)
    """
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha: expected a one-sided error in (0, 0.5), got {alpha}")
    error = np.asarray(around.error, dtype=np.float64)
    degrees = np.asarray(around.degrees, dtype=np.float64)
    student = -np.asarray(stdtrit(degrees, max(alpha, _SMALLEST_ALPHA)), dtype=np.float64)
    skew = np.asarray(around.skewness, dtype=np.float64) / 6
    centre = np.asarray(difference, dtype=np.float64)
    below = np.maximum(student, _untransformed(student, skew))
    above = np.maximum(student, -_untransformed(-student, skew))
    return np.asarray(centre - error * below), np.asarray(centre + error * above)


def _untransformed(target: NDArray[np.float64], a: NDArray[np.float64]) -> NDArray[np.float64]:
    """The t whose transform is `target`; for no skewness the target itself."""
    flat = np.abs(a) < 1e-9
    safe = np.where(flat, 1.0, a)
    return np.where(flat, target, (np.cbrt(1 + 6 * safe * (target - safe)) - 1) / (2 * safe))
