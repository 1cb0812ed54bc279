"""Evidently's two drift scores, by our own exact code.

Evidently itself takes 9 CPU s to import and 2 s to run; these take milliseconds, and the tests hold them equal to
Evidently's to 1e-12.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring.values import Kind

Numbers = NDArray[np.float64]
Counts = NDArray[np.integer[Any]]

STAT_TEST: Mapping[Kind, str] = {"numeric": "Wasserstein distance (normed)", "categorical": "Jensen-Shannon distance"}


def wasserstein_normed(reference: Numbers, current: Numbers) -> float:
    """First Wasserstein distance between two samples, in standard deviations of the reference.

    Args:
        reference: Finite values in the feature's unit, shape (n_reference,), n_reference >= 1.
        current: Finite values in the same unit, shape (n_current,), n_current >= 1.

    Returns:
        Area between the two empirical distribution functions, divided by the population standard deviation of the
        reference or by 0.001 if that is larger: unitless, >= 0, and 0 only for equal distributions.

    Raises:
        ValueError: Either side is empty or not finite, or the spread is too large for a float.

    Source:
        Vallender (1974), "Calculation of the Wasserstein distance between probability distributions on the line",
        Theory Probab. Appl. 18(4):784-786; norm and floor as in Evidently 0.7.23 (wasserstein_distance_norm.py).

    >>> wasserstein_normed(np.array([0.0, 2.0]), np.array([3.0, 5.0]))
    3.0
    """
    if not (reference.size and current.size and np.isfinite(reference).all() and np.isfinite(current).all()):
        raise ValueError("both samples need at least one value, all finite")
    with np.errstate(over="ignore", invalid="ignore"):
        spread = float(np.std(reference))
    return sorted_wasserstein(np.sort(reference), np.sort(current), spread=spread)


def sorted_wasserstein(reference: Numbers, current: Numbers, *, spread: float) -> float:
    """`wasserstein_normed` of samples that are sorted and finite already; `spread` is the reference's."""
    points = np.concatenate([reference, current])
    points.sort(kind="stable")  # merges the two sorted runs
    with np.errstate(over="ignore", invalid="ignore"):
        gaps = np.diff(points)
        below_reference = reference.searchsorted(points[:-1], side="right") / reference.size
        below_current = current.searchsorted(points[:-1], side="right") / current.size
        area = np.sum(np.abs(below_reference - below_current) * gaps)  # not `@`: BLAS threads cost more CPU than it
        score = float(area) / max(spread, 0.001)
    if not np.isfinite([spread, score]).all():  # an infinite spread would divide any shift down to "no drift"
        raise ValueError("values are too large: their spread or the score is not finite")
    return score


def jensen_shannon(reference_counts: Counts, current_counts: Counts) -> float:
    """Jensen-Shannon distance between two tables of counts over the same categories.

    Args:
        reference_counts: Rows per category, shape (n_categories,), >= 0, at least one > 0.
        current_counts: The same categories in the same order.

    Returns:
        Square root of the divergence in nats, in [0, sqrt(ln 2)]; 0 for equal shares, symmetric.

    Raises:
        ValueError: Shapes differ, a count is negative, or either side is empty.

    Source:
        Endres & Schindelin (2003), "A new metric for probability distributions", IEEE Transactions on Information
        Theory 49(7):1858-1860; natural logarithm as in Evidently 0.7.23 (jensenshannon.py).

    >>> round(jensen_shannon(np.array([90, 10]), np.array([50, 50])), 6)
    0.318982
    """
    if reference_counts.shape != current_counts.shape or reference_counts.ndim != 1:
        raise ValueError(f"counts must be over the same categories: {reference_counts.shape}, {current_counts.shape}")
    if not (
        reference_counts.sum() > 0
        and current_counts.sum() > 0
        and min(reference_counts.min(), current_counts.min()) >= 0
    ):
        raise ValueError("counts must be >= 0, with at least one row on each side")
    reference, current = reference_counts / reference_counts.sum(), current_counts / current_counts.sum()
    middle = (reference + current) / 2
    divergence = (_relative_entropy(reference, middle) + _relative_entropy(current, middle)) / 2
    return float(np.sqrt(max(divergence, 0.0)))  # rounding can leave -1e-17, whose root is NaN


def _relative_entropy(shares: Numbers, middle: Numbers) -> float:
    seen = shares > 0
    return float(np.sum(shares[seen] * np.log(shares[seen] / middle[seen])))
