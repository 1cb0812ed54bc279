"""The bootstrap, vectorised: every statistic of a resample from the same weighted sums, so that all stay paired."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, factorial

import numpy as np
from numpy.typing import NDArray

_CHUNK_BYTES = 32_000_000  # of weights at a time: bounds memory whatever the number of rows
_AT_ONCE = 1 << 16  # draws turned into counts at a time: they stay in the processor's cache
_LEVELS = 1 << 16


def resampled_sums(columns: NDArray[np.float64], *, resamples: int, seed: int | Sequence[int]) -> NDArray[np.float64]:
    """Sums of columns over bootstrap samples of the rows.

    Each row is drawn a Poisson(1) number of times. A statistic that is a ratio of such sums (every mean is) has the
    spread it has under drawing n rows with replacement, up to a factor 1 + O(1/n).

    Args:
        columns: Per-row contributions, shape (n, k), finite, n >= 1.
        resamples: Number of bootstrap samples, >= 1.
        seed: The same seed and rows give the same sums, to rounding.

    Returns:
        Shape (resamples, k).

    Raises:
        ValueError: Not two dimensions, or no rows.

    Source:
        Hanley & MacGibbon (2006), "Creating non-parametric bootstrap samples using Poisson frequencies"; Chamandy et
        al. (2012), "Estimating uncertainty for massive data streams", section 3.

    >>> sums = resampled_sums(np.ones((10_000, 1)), resamples=500, seed=1)
    >>> bool(abs(sums.mean() / 10_000 - 1) < 0.002), bool(abs(sums.std() / 100 - 1) < 0.1)
    (True, True)
    """
    if columns.ndim != 2 or not len(columns):
        raise ValueError(f"columns: expected two dimensions and at least one row, got shape {columns.shape}")
    n, rng = len(columns), np.random.default_rng(seed)
    scale = np.maximum(np.abs(columns).max(axis=0), 1e-300)
    values = np.ascontiguousarray(columns / scale, dtype=np.float32)
    at_a_time = max(1, min(resamples, _CHUNK_BYTES // (4 * n)))
    sums, weights = np.empty((resamples, columns.shape[1])), np.empty((at_a_time, n), dtype=np.float32)
    for start in range(0, resamples, at_a_time):
        drawn = weights[: min(at_a_time, resamples - start)]
        _draw_poisson(drawn.reshape(-1), rng)
        sums[start : start + len(drawn)] = drawn @ values
    return np.asarray(sums * scale)


def _draw_poisson(out: NDArray[np.float32], rng: np.random.Generator) -> None:
    """Fill with Poisson(1) counts: of 65,536 equal steps, how many of the thresholds each draw has reached."""
    levels = rng.integers(0, 1 << 64, size=-(-len(out) // 4), dtype=np.uint64).view(np.uint16)
    counts, reached = np.empty(_AT_ONCE, dtype=np.uint8), np.empty(_AT_ONCE, dtype=np.bool_)
    for start in range(0, len(out), _AT_ONCE):
        block = levels[start : min(start + _AT_ONCE, len(out))]
        count, yes = counts[: len(block)], reached[: len(block)]
        count[:] = 0
        for threshold in _REACHED:
            np.greater_equal(block, threshold, out=yes)
            np.add(count, yes.view(np.uint8), out=count)
        out[start : start + len(block)] = count


def percentile_interval(draws: NDArray[np.float64], *, level: float) -> tuple[float, float]:
    """Percentile interval by order statistics, rounded to 6 significant digits (resampling is less exact than that).

    Args:
        draws: Shape (resamples,), finite.
        level: Two-sided, in (0, 1).

    Source:
        Efron & Tibshirani (1993), "An introduction to the bootstrap", chapter 13.

    >>> percentile_interval(np.arange(1001.0), level=0.90)
    (50.0, 950.0)
    """
    ordered = np.sort(draws)
    cut = int((1 - level) / 2 * (len(draws) - 1) + 1e-9)
    low, high = (float(f"{ordered[place]:.6g}") for place in (cut, len(draws) - 1 - cut))
    return low, high


def _thresholds() -> list[np.uint16]:
    """The first of 65,536 equal steps of probability at which Poisson(1) is 1 or more, 2 or more, and so on."""
    below = np.cumsum([exp(-1) / factorial(count) for count in range(12)])
    first = np.ceil(below * _LEVELS - 0.5).astype(np.int64)
    return [np.uint16(step) for step in first if step < _LEVELS]


_REACHED = _thresholds()
