"""Mend's verdict at very many looks at one stream: the same limits and counts, by differences of running sums.

`psi_rows`, `NullTail.critical`, `material_psi`, `share_limits` and `surely_material` are Mend's own; what is repeated
here is only which counts go into them. The tests, and the benchmark itself at a sample of looks, hold the verdicts
equal to `drift_summary`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from monitoring.columns import categories, numbers
from monitoring.prepared import PreparedFeature, PreparedReference
from monitoring.psi import psi_rows
from monitoring.summary import DriftPolicy
from monitoring.thresholds import FEWEST_VALUES, material_psi, share_limits, surely_material

Flags = NDArray[np.bool_]
Counts = NDArray[np.int64]


def looks(total: int, rows: int, *, a_window: int) -> Counts:
    """Ends of windows of `rows` rows, `a_window` looks while one window's worth of rows arrives."""
    ends = np.floor(np.arange(rows, total + 1e-9, rows / a_window)).astype(np.int64)
    return ends[ends <= total]


class Sliding:
    """Looks at a stream through windows of a fixed number of rows. Limits are kept from one stream to the next."""

    def __init__(self, reference: PreparedReference, policy: DriftPolicy) -> None:
        self.reference, self.policy = reference, policy
        self.level = policy.look_level / max(reference.questions, 1)
        self._limit = cache(self._psi_limit)
        self._range = cache(self._share_range)

    def alarms(
        self, stream: pd.DataFrame, ends: Counts, rows: int, *, only: Iterable[str] | None = None
    ) -> Mapping[str, Flags]:
        """Which looks flag which column, each of shape (looks,); `only` these columns.

        Raises:
            ValueError: Fewer rows than the policy judges.
        """
        if rows < self.policy.min_rows:
            raise ValueError(f"windows of {rows} rows are not judged, need {self.policy.min_rows}")
        wanted = None if only is None else set(only)
        return {
            item.feature: self._alarms(item, stream[item.feature], ends, rows)
            for item in self.reference.every
            if wanted is None or item.feature in wanted
        }

    def _alarms(self, item: PreparedFeature, column: pd.Series, ends: Counts, rows: int) -> Flags:
        values = numbers(column) if item.kind == "numeric" else categories(column).to_numpy()
        there = ~pd.isna(values)

        def counted(hit: Flags) -> Counts:
            total = np.append(0, np.cumsum(hit))
            return total[ends] - total[ends - rows]

        present = counted(there)
        judged = present >= FEWEST_VALUES
        missing = counted(~there)
        past = self._beyond((item.sample.missing or 0, item.sample.rows), missing, np.full(len(ends), rows))
        outside = np.zeros(len(values), dtype=np.bool_)
        if item.kind == "numeric":
            outside[there] = (values[there] < item.values[0]) | (values[there] > item.values[-1])
        else:
            outside[there] = ~np.isin(values[there], item.values)
        past |= judged & self._beyond((0, item.sample.values.size), counted(outside), present)
        if item.tail is not None and item.bins is not None:
            place = np.full(len(values), -1)
            place[there] = item.bins.place(values[there])
            counts = np.column_stack([counted(place == number) for number in range(item.bins.size)])
            sizes, which = np.unique(np.maximum(present, FEWEST_VALUES), return_inverse=True)
            limits = np.array([self._limit(item.feature, int(size)) for size in sizes])[which]
            past |= judged & (psi_rows(item.counts, counts) >= limits)
        return past

    def _psi_limit(self, feature: str, rows: int) -> float:
        tail = self.reference.tails[feature]
        item = next(item for item in self.reference.every if item.feature == feature)
        floor, bins = self.policy.material_psi, len(item.counts)
        material = material_psi(floor, bins=bins, rows=rows, reference_rows=tail.reference_rows)
        return max(tail.critical(rows, self.level), material)

    def _beyond(self, known: tuple[int, int], now: Counts, of: Counts) -> Flags:
        """Shares past their limit, on the side that they are on; with no rows there is no question."""
        sizes, which = np.unique(np.maximum(of, 1), return_inverse=True)
        low, high = np.array([self._range(*known, int(size)) for size in sizes])[which].T
        share = now / np.maximum(of, 1)
        up = share >= known[0] / known[1]
        return (of > 0) & np.where(up, share >= high, share <= low)

    def _share_range(self, seen: int, of: int, rows: int) -> tuple[float, float]:
        low, high = share_limits([seen], [of], rows, level=self.level)
        floor = surely_material(seen / of, rows=rows, psi=self.policy.material_psi)
        return min(float(low[0]), floor[0]), max(float(high[0]), floor[1])
