"""Do probabilities mean what they say? Logistic recalibration of scores against outcomes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monitoring.performance import SMALLEST, checked_scores

_STEPS = 50

Numbers = NDArray[np.float64]


class Calibration(NamedTuple):
    """`intercept`: by how much the log-odds are too low everywhere (0 is right; > 0: more went bad than was said).
    `slope`: how far scores should be spread (1 is right; below 1: too extreme)."""

    intercept: float
    slope: float


def log_odds(p: ArrayLike) -> Numbers:
    """Logit of probabilities, those within 1e-6 of 0 or 1 moved there. Shape (n,) in and out.

    >>> log_odds([0.5, 0.0]).round(3).tolist()
    [0.0, -13.816]
    """
    clipped = np.clip(np.asarray(p, dtype=np.float64), SMALLEST, 1 - SMALLEST)
    return np.asarray(np.log(clipped) - np.log1p(-clipped))


def calibration(y: ArrayLike, p: ArrayLike) -> Calibration | None:
    """Calibration in the large, and calibration slope.

    Args:
        y: Outcomes, shape (n,), 0 or 1, n >= 1.
        p: Probabilities of bad, shape (n,), each in [0, 1].

    Returns:
        None when it has no finite answer: one outcome only, one score only, or outcomes that a cut-off separates.

    Raises:
        ValueError: As in `performance.brier`.

    Source:
        Cox (1958), "Two further applications of a model for binary regression", Biometrika 45; as intercept given
        slope 1 and slope, in Van Calster et al. (2019), "Calibration: the Achilles heel of predictive analytics".

    >>> told = calibration([0, 0, 0, 1, 0, 1, 1, 1], [0.5, 0.5, 0.5, 0.5, 0.8, 0.8, 0.8, 0.8])
    >>> round(told.intercept, 3), round(told.slope, 3)
    (-0.693, 1.585)
    """
    fitted = _fitted(*checked_scores(y, p))
    return None if fitted is None else Calibration(fitted[0], fitted[2])


def calibration_influence(y: ArrayLike, p: ArrayLike) -> tuple[Numbers, Numbers] | None:
    """What each row contributes to the intercept and to the slope, each of shape (n,) and mean 0; None as above.

    Source:
        Influence of a row on a maximum-likelihood estimate: inverse information times its score (Huber 1967).
    """
    outcome, scores = checked_scores(y, p)
    fitted = _fitted(outcome, scores)
    if fitted is None:
        return None
    x = log_odds(scores)
    large, line = _expit(x + fitted[0]), _expit(fitted[1] + fitted[2] * x)
    of_intercept = (outcome - large) / np.mean(large * (1 - large))
    weight, residual = line * (1 - line), outcome - line
    centre = np.sum(weight * x) / np.sum(weight)
    of_slope = (x - centre) * residual / np.mean(weight * (x - centre) ** 2)
    return of_intercept, of_slope


def _fitted(y: NDArray[np.int8], p: Numbers) -> tuple[float, float, float] | None:
    """Intercept given slope 1, then intercept and slope of the line; None where Newton's method does not end."""
    x, share = log_odds(p), float(np.mean(y))
    if share in (0, 1) or _separated(x[y == 1], x[y == 0]):
        return None
    offset, b = 0.0, 0.0
    spread = x - x.mean()
    a = float(np.log(share / (1 - share)))  # the line is fitted around the mean log-odds, which keeps Newton steady
    for _ in range(_STEPS):
        large, line = _expit(x + offset), _expit(a + b * spread)
        weight, residual = line * (1 - line), y - line
        s0, s1, s2 = weight.sum(), (weight * spread).sum(), (weight * spread**2).sum()
        determinant = s0 * s2 - s1**2
        if determinant <= 0 or not np.sum(large * (1 - large)) > 0:
            return None
        g0, g1 = residual.sum(), (residual * spread).sum()
        step = float(np.clip(np.sum(y - large) / np.sum(large * (1 - large)), -2, 2))
        da, db = float((s2 * g0 - s1 * g1) / determinant), float((s0 * g1 - s1 * g0) / determinant)
        offset, a, b = offset + step, a + da, b + db
        if not abs(a) + abs(b) < 1e3:
            return None
        if abs(step) + abs(da) + abs(db) < 1e-10:
            return offset, a - b * float(x.mean()), b
    return None


def _separated(bad: Numbers, good: Numbers) -> bool:
    """A cut-off has one outcome on either side, ties on it allowed: then the slope has no finite answer."""
    return bool(max(bad.min(), good.min()) >= min(bad.max(), good.max()))


def _expit(x: Numbers) -> Numbers:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -700, 700))))
