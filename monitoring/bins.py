"""Bins of a feature, fixed once on the reference: at most ten of about equal weight, or one per common category."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MOST_BINS = 10  # deciles, as scorecard monitoring has it (Siddiqi 2006, "Credit Risk Scorecards", chapter 8)
SMALLEST_SHARE = 0.01  # a rarer category shares the bin "other": at 200 rows it would hold two applicants
OTHER = "other"

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class NumericBins:
    """Bins between rising inner edges; a value on an edge belongs to the bin above it."""

    edges: tuple[float, ...]

    def __post_init__(self) -> None:
        if not np.isfinite(self.edges).all() or list(self.edges) != sorted(set(self.edges)):
            raise ValueError(f"edges: expected finite numbers that rise, got {self.edges}")

    @property
    def size(self) -> int:
        """How many bins."""
        return len(self.edges) + 1

    def place(self, values: NDArray[np.float64]) -> NDArray[np.intp]:
        """Position of each present value's bin, shape (n,)."""
        return np.searchsorted(np.asarray(self.edges), values, side="right")

    def count(self, values: NDArray[np.float64]) -> Counts:
        """Values per bin, shape (size,); `values` are present and finite, in the feature's unit.

        >>> NumericBins(edges=(1.5, 2.5)).count(np.array([1.0, 2.0, 2.5, 9.0])).tolist()
        [1, 1, 2]
        """
        return np.bincount(self.place(values), minlength=self.size)

    def names(self) -> list[str]:
        """What each bin holds, in words."""
        texts = [f"{edge:,.6g}" for edge in self.edges]
        if not texts:
            return ["all"]
        between = [f"{low} to {high}" for low, high in pairwise(texts)]
        return [f"below {texts[0]}", *between, f"{texts[-1]} and more"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryBins:
    """One bin per listed category, and a last one for every other, the never seen included."""

    categories: tuple[str, ...]

    @property
    def size(self) -> int:
        """How many bins."""
        return len(self.categories) + 1

    def place(self, values: NDArray[Any]) -> NDArray[np.intp]:
        """Position of each present value's bin, shape (n,)."""
        codes, names = pd.factorize(values)
        known = {name: position for position, name in enumerate(self.categories)}
        positions = np.array([known.get(name, len(known)) for name in names], dtype=np.intp)
        return positions[codes]

    def count(self, values: NDArray[Any]) -> Counts:
        """Values per bin, shape (size,); `values` are present, as text.

        >>> CategoryBins(categories=("a", "b")).count(np.array(["b", "x", "b"], dtype=object)).tolist()
        [0, 2, 1]
        """
        return np.bincount(self.place(values), minlength=self.size)

    def names(self) -> list[str]:
        """What each bin holds, in words."""
        return [*self.categories, OTHER]


Bins = NumericBins | CategoryBins


def numeric_bins(values: NDArray[np.float64], *, most: int = MOST_BINS) -> NumericBins:
    """Bins of about equal weight; a value that outweighs a bin has one of its own, and the rest is shared out anew.

    Deciles taken at once would collapse where most rows are zero, and leave one bin for everything that matters. An
    edge lies midway between two values that were seen, so that a change too small to pass a neighbour moves nobody.

    Args:
        values: Finite values of the reference, in the feature's unit, shape (n,), n >= 1.
        most: Most bins, >= 2.

    Raises:
        ValueError: No value, or one that is not finite.

    >>> numeric_bins(np.array([0.0] * 90 + [1.0] * 4 + [2.0] * 3 + [7.0] * 3)).edges
    (0.5, 1.5, 4.5)
    """
    if not values.size or not np.isfinite(values).all():
        raise ValueError("values: expected at least one, all finite")
    seen, weights = np.unique(values, return_counts=True)
    heavy = np.zeros(len(seen), dtype=np.bool_)
    while True:  # a value heavier than what is left for a bin, is one
        left = max(most - int(heavy.sum()), 1)
        more = heavy | (weights >= max(weights[~heavy].sum() / left, 1))
        if (more == heavy).all():
            break
        heavy = more
    target = max(weights[~heavy].sum() / max(most - int(heavy.sum()), 1), SMALLEST_SHARE * values.size)
    edges, filled = [], 0.0
    for position in range(len(seen) - 1):
        filled += weights[position]
        if heavy[position] or heavy[position + 1] or filled >= target:
            edges.append(_midway(seen[position], seen[position + 1]))
            filled = 0.0
    return NumericBins(edges=_merged(tuple(edges), values, most))


def _midway(low: float, high: float) -> float:
    middle = low / 2 + high / 2  # half of either: their distance may be too large for a float
    return float(middle if low < middle else high)  # neighbours in floating point have nothing between them


def _merged(edges: tuple[float, ...], values: NDArray[np.float64], most: int) -> tuple[float, ...]:
    """Without the edges that cut off too few rows to judge, or one bin too many; the smaller neighbour takes them."""
    while len(edges) > 1:  # two bins stay two, however rare the one
        counts = NumericBins(edges=edges).count(values)
        smallest = int(np.argmin(counts))
        if len(counts) <= most and counts[smallest] >= SMALLEST_SHARE * values.size:
            break
        beside = [i for i in (smallest - 1, smallest + 1) if 0 <= i < len(counts)]
        drop = min(smallest, min(beside, key=lambda i: counts[i]))
        edges = edges[:drop] + edges[drop + 1 :]
    return edges


def category_bins(values: NDArray[Any]) -> CategoryBins:
    """A bin per category that at least 1 % of the reference's rows have, most common first.

    >>> category_bins(np.array(["a"] * 150 + ["b"] * 49 + ["c"], dtype=object)).categories
    ('a', 'b')
    """
    counts = pd.Series(values).value_counts()
    common = counts[counts >= SMALLEST_SHARE * len(values)]
    ordered = sorted(common.items(), key=lambda item: (-item[1], str(item[0])))
    return CategoryBins(categories=tuple(str(name) for name, _ in ordered))


def bins_to_json(bins: Bins) -> Mapping[str, Any]:
    """Plain JSON values; reads back with `bins_from_json`."""
    return {"edges": list(bins.edges)} if isinstance(bins, NumericBins) else {"categories": list(bins.categories)}


def bins_from_json(content: Mapping[str, Any]) -> Bins:
    """Bins from their JSON values.

    >>> bins_from_json(bins_to_json(CategoryBins(categories=("a",))))
    CategoryBins(categories=('a',))
    """
    if "edges" in content:
        return NumericBins(edges=tuple(float(edge) for edge in content["edges"]))
    return CategoryBins(categories=tuple(content["categories"]))
