"""Population stability index: how far shares over fixed bins have moved."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

HALF_A_ROW = 0.5  # added to every bin on both sides: Jeffreys' prior, so that an empty bin has no infinite logarithm

Counts = NDArray[np.integer[Any]]


def psi(reference: Counts, current: Counts) -> float:
    """Population stability index between two tables of counts over the same bins.

    It reads like a squared distance: a normal feature that moves by d of its standard deviations gives d², a share that
    moves from p to q about h² with Cohen's h = 2 asin √q − 2 asin √p, if the bins are fine enough.

    Args:
        reference: Rows per bin in the reference, shape (n_bins,), >= 0.
        current: Rows per bin in the window, shape (n_bins,), in the same order.

    Returns:
        Σ (q − p) ln(q / p) in nats, >= 0; p and q are shares after half a row was added to every bin on either side.

    Raises:
        ValueError: Shapes differ, fewer than two bins, a count is negative, or either side is empty.

    Source:
        Kullback & Leibler (1951), "On information and sufficiency" (the divergence J); as a stability index, Yurdakul
        (2018), "Statistical properties of the population stability index". Half a row: Jeffreys (1946).

    >>> round(psi(np.array([900, 100]), np.array([500, 500])), 3)
    0.876
    """
    if reference.shape != current.shape or reference.ndim != 1 or len(reference) < 2:
        raise ValueError(f"expected counts over the same two or more bins, got {reference.shape} and {current.shape}")
    if min(reference.min(), current.min()) < 0 or not (reference.any() and current.any()):
        raise ValueError("counts: expected >= 0 with at least one row on each side")
    return float(psi_rows(reference, current[None, :])[0])


def psi_rows(reference: Counts, current: Counts) -> NDArray[np.float64]:
    """`psi` of many windows at once, unchecked: `current` has shape (n_windows, n_bins), the result (n_windows,)."""
    before, now = reference + HALF_A_ROW, current + HALF_A_ROW
    p, q = before / before.sum(), now / now.sum(axis=1, keepdims=True)
    total: NDArray[np.float64] = np.sum((q - p) * np.log(q / p), axis=1)
    return total
