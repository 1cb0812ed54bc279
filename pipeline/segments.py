"""Segments: how the settings cut a portfolio into groups that must not be harmed."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.settings_data import Segment

MISSING = "missing"


def segment_values(rows: pd.DataFrame, segments: Mapping[str, Segment]) -> dict[str, NDArray[np.str_]]:
    """Each row's segment value, per segment column; a missing value is a segment of its own.

    >>> rows = pd.DataFrame({"amount": [10.0, 50.0, None], "new": ["1.0", None, "0.0"]})
    >>> cut = segment_values(rows, {"amount": Segment(bins=(50,)), "new": Segment()})
    >>> cut["amount"].tolist(), cut["new"].tolist()
    (['below 50', '50 and more', 'missing'], ['1.0', 'missing', '0.0'])
    """
    return {name: _cut(rows[name], segment.bins) for name, segment in segments.items()}


def _cut(column: pd.Series, bins: tuple[float, ...]) -> NDArray[np.str_]:
    if not bins:
        return column.where(column.notna(), MISSING).astype(str).to_numpy(dtype=np.str_)
    names = np.array(bin_names(bins))
    position = np.searchsorted(np.array(bins), column.to_numpy(dtype=float), side="right")
    return np.where(column.isna(), MISSING, names[np.minimum(position, len(bins))]).astype(np.str_)


def bin_names(bins: tuple[float, ...]) -> list[str]:
    """Names of the bins in rising order; an edge belongs to the bin above it.

    >>> bin_names((50_000, 150_000))
    ['below 50,000', '50,000 to 150,000', '150,000 and more']
    """
    edges = [f"{edge:,g}" if edge != int(edge) else f"{int(edge):,}" for edge in bins]
    between = [f"{low} to {high}" for low, high in pairwise(edges)]
    return [f"below {edges[0]}", *between, f"{edges[-1]} and more"]
