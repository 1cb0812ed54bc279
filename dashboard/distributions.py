"""One feature in the reference and in a window, counted on the same bins, ready to draw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

SAMPLES = ("reference", "window")
MOST_CATEGORIES = 12


def numeric_shares(reference: pd.Series, window: pd.Series, *, bins: int = 30, upper: float = 0.99) -> pd.DataFrame:
    """Share of each sample per bin, from the 1 % point of both to their `upper` one: `sample, low, high, share`.

    What lies beyond is counted into the outermost bins, so that shares still add up to one.

    >>> numeric_shares(pd.Series([0.0, 1.0, 2.0, 3.0]), pd.Series([3.0, 3.0]), bins=3)["share"].tolist()
    [0.25, 0.25, 0.5, 0.0, 0.0, 1.0]
    """
    samples = [sample.dropna().to_numpy(dtype=float) for sample in (reference, window)]
    present = [sample for sample in samples if sample.size]
    if not present:
        return pd.DataFrame(columns=["sample", "low", "high", "share"])
    low = min(float(np.quantile(sample, 0.01, method="lower")) for sample in present)
    high = max(float(np.quantile(sample, upper, method="higher")) for sample in present)
    edges = np.linspace(low, high if high > low else low + 1, bins + 1)
    return pd.concat([_binned(name, sample, edges) for name, sample in zip(SAMPLES, samples, strict=True)])


def category_shares(reference: pd.Series, window: pd.Series, *, most: int = MOST_CATEGORIES) -> pd.DataFrame:
    """Share of each sample per category, most frequent in the reference first: `sample, category, share`.

    >>> category_shares(pd.Series(["a", "a", "b"]), pd.Series(["b", "c"]))["category"].tolist()
    ['a', 'b', 'c', 'a', 'b', 'c']
    """
    shares = pd.DataFrame(
        {
            name: sample.dropna().astype(str).value_counts(normalize=True)
            for name, sample in zip(SAMPLES, (reference, window), strict=True)
        }
    ).fillna(0.0)
    shares = shares.sort_values(["reference", "window"], ascending=False)
    kept, others = shares.iloc[:most], shares.iloc[most:]
    if len(others):
        kept = pd.concat([kept, others.sum().to_frame(f"{len(others)} others").T])
    return kept.rename_axis("category").reset_index().melt(id_vars="category", var_name="sample", value_name="share")


def histogram_shares(found: Mapping[str, Any]) -> pd.DataFrame:
    """A `ScoreHistogram` as it stands in a monitoring result: `sample, low, high, share`.

    >>> found = {"edges": [0.0, 0.5, 1.0], "reference": [3, 1], "window": [1, 1]}
    >>> histogram_shares(found)["share"].tolist()
    [0.75, 0.25, 0.5, 0.5]
    """
    edges = found["edges"]
    return pd.concat(
        [
            pd.DataFrame({"sample": name, "low": edges[:-1], "high": edges[1:], "share": counts / counts.sum()})
            for name in SAMPLES
            for counts in [np.asarray(found[name], dtype=float)]
        ],
        ignore_index=True,
    )


def _binned(name: str, sample: np.ndarray, edges: np.ndarray) -> pd.DataFrame:
    counts, _ = np.histogram(np.clip(sample, edges[0], edges[-1]), bins=edges)
    share = counts / sample.size if sample.size else counts.astype(float)
    return pd.DataFrame({"sample": name, "low": edges[:-1], "high": edges[1:], "share": share})
