"""Wasserstein and Kolmogorov-Smirnov distance of many windows from one reference, exactly, without merging the two.

What `monitoring.distances` does by merging 30,000 and 2,000 values at every look, this does from areas under the
reference's distribution function that are summed up once. The tests hold it equal to `distances` and to scipy.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kstwo

Numbers = NDArray[np.float64]


@dataclass(eq=False)
class Ecdf:
    """The reference's distribution function: its values sorted, and the area under it up to each of them."""

    values: Numbers
    area: Numbers = field(init=False)
    spread: float = field(init=False)
    _ks_limits: dict[tuple[int, float], float] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        rows = len(self.values)
        steps = np.arange(1, rows) / rows * np.diff(self.values)
        self.area = np.append(0.0, np.cumsum(steps))
        self.spread = float(np.std(self.values))

    def wasserstein(self, window: Numbers) -> float:
        """`distances.sorted_wasserstein` in standard deviations of the reference; `window` is sorted and finite.

        Between two neighbours of the window its own function is constant, c; the reference's crosses c at one value,
        its quantile. Up to there the gap is c - F, from there F - c: both are differences of areas.

        >>> Ecdf(np.array([0.0, 2.0])).wasserstein(np.array([3.0, 5.0]))
        3.0
        """
        rows, of = len(window), len(self.values)
        place = self.values.searchsorted(window, side="right")
        area = self._area_at(window, place)
        step = np.arange(1, rows)
        cross = (step * of + rows - 1) // rows - 1  # the first value at which the reference has reached step / rows
        low, high, low_area, high_area = window[:-1], window[1:], area[:-1], area[1:]
        at = np.clip(self.values[cross], low, high)
        before, after = self.values[cross] <= low, self.values[cross] >= high
        at_area = np.where(before, low_area, np.where(after, high_area, self.area[cross]))
        level = step / rows
        inside = level * (at - low) - (at_area - low_area) + (high_area - at_area) - level * (high - at)
        beyond = max(self.values[-1] - window[-1], 0.0)
        tail = beyond - (self.area[-1] - area[-1]) if beyond else 0.0
        return float(area[0] + inside.sum() + tail) / max(self.spread, 0.001)

    def _area_at(self, window: Numbers, place: NDArray[np.intp]) -> Numbers:
        last = np.maximum(place - 1, 0)
        return np.where(place > 0, self.area[last] + place / len(self.values) * (window - self.values[last]), 0.0)

    def ks(self, window: Numbers) -> float:
        """Largest gap between the two distribution functions, in [0, 1]; `window` is sorted.

        >>> Ecdf(np.array([1.0, 2.0, 3.0, 4.0])).ks(np.array([3.0, 4.0]))
        0.5
        """
        rows, of = len(window), len(self.values)
        upto = self.values.searchsorted(window, side="right") / of
        below = np.append(self.values.searchsorted(window, side="left") / of, 1.0)
        level = np.arange(1, rows + 1) / rows
        steps = np.append(window[1:] > window[:-1], True)  # between equal values the window's function is not there
        return float(max(below[0], np.abs(level - upto)[steps].max(), np.abs(level - below[1:])[steps].max()))

    def ks_limit(self, rows: int, level: float) -> float:
        """Distance above which the two-sided p-value is below `level`: scipy's `ks_2samp(method="asymp")`."""
        effective = max(1, round(rows * len(self.values) / (rows + len(self.values))))
        if (effective, level) not in self._ks_limits:
            self._ks_limits[effective, level] = float(kstwo.isf(level, effective))
        return self._ks_limits[effective, level]
