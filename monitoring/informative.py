"""Which feature says most about the outcome, which goes with it, and how it cuts the population in two."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from monitoring.columns import categories, numbers
from monitoring.performance import gini
from monitoring.values import Kind

Numbers = NDArray[np.float64]
Members = NDArray[np.bool_]


def informative(rows: pd.DataFrame, kinds: Mapping[str, Kind]) -> dict[str, float]:
    """|Gini| of each feature alone against `y`, times the share of rows that have it, in [0, 1]; largest first.

    A category is scored by its bad share. That share is learnt on every other row and judged on the rest: judged on
    the rows it was learnt from, a feature with many rare categories would look informative by chance.

    Returns:
        Empty when there is nothing to rank by: no `y`, or one outcome only.

    Raises:
        ValueError: `y` holds something else than 1, 0 or missing, or a numeric feature is no number.

    >>> loans = pd.DataFrame({"income": [1, 2, 3, 4], "age": [30, 20, 20, 30], "y": [1, 1, 0, 0]})
    >>> informative(loans, {"age": "numeric", "income": "numeric"})
    {'income': 1.0, 'age': 0.0}
    """
    if "y" not in rows:
        return {}
    y = outcomes(rows)
    known = np.flatnonzero(~np.isnan(y))
    if len(np.unique(y[known])) < 2:
        return {}
    found = {name: _informs(rows[name].iloc[known], y[known], kind) for name, kind in kinds.items()}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _informs(column: pd.Series[Any], y: Numbers, kind: Kind) -> float:
    if kind == "numeric":
        values = numbers(column)
        present = ~np.isnan(values)
        outcome, score = y[present], rankdata(values[present]) / max(int(present.sum()), 1)
        share = float(present.mean())
    else:
        codes, _ = pd.factorize(categories(column), use_na_sentinel=False)
        learn, judge = slice(None, None, 2), slice(1, None, 2)
        rows, bad = (np.bincount(codes[learn], weights=each, minlength=codes.max() + 1) for each in (None, y[learn]))
        rates = np.where(rows > 0, bad / np.maximum(rows, 1), y[learn].mean())
        outcome, score, share = y[judge], rates[codes[judge]], 1.0
    ranking = gini(outcome, score) if outcome.size else None
    return abs(ranking or 0.0) * share


def spearman(first: pd.Series[Any], second: pd.Series[Any]) -> float:
    """Rank correlation over the rows that have both, in [-1, 1]; 0 where one does not vary.

    Source:
        Spearman (1904), "The proof and measurement of association between two things".

    >>> round(spearman(pd.Series([1, 2, 3]), pd.Series([9, 4, 1])), 6)
    -1.0
    """
    a, b = numbers(first), numbers(second)
    both = ~np.isnan(a) & ~np.isnan(b)
    a, b = rankdata(a[both]), rankdata(b[both])
    if a.size == 0 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def part_of(rows: pd.DataFrame, feature: str, kind: Kind) -> tuple[Members, str]:
    """A part of the population that can grow and shrink, and its name: the upper half, or a common category.

    Of a numeric feature the values above the median, or those at it where nothing is above. Of a categorical one the
    second most common category: it never has more than half of the rows, so that its share has room both ways. Rows
    without the feature are never inside.

    Raises:
        ValueError: The feature does not vary.

    >>> inside, name = part_of(pd.DataFrame({"state": ["NY", "TX", "TX", None]}), "state", "categorical")
    >>> inside.tolist(), name
    ([True, False, False, False], 'state = NY')
    """
    if kind == "numeric":
        values = numbers(rows[feature])
        spread(values, feature)
        middle = float(np.nanmedian(values))
        above = values > middle
        return (
            (above, f"{feature} above {middle:.6g}") if above.any() else (values >= middle, f"{feature} {middle:.6g}")
        )
    texts = categories(rows[feature])
    counts = texts.value_counts()
    if len(counts) < 2:
        raise ValueError(f"{feature}: expected at least two categories, got {len(counts)}")
    second = sorted(counts.index, key=lambda text: (-counts[text], text))[1]
    return (texts == second).to_numpy(dtype=np.bool_), f"{feature} = {second}"


def spread(values: Numbers, feature: str) -> float:
    """Population standard deviation of the values that are present; ValueError if they do not differ."""
    present = values[~np.isnan(values)]
    if present.size == 0 or present.min() == present.max():
        raise ValueError(f"{feature}: expected values that differ")
    return float(present.std())


def outcomes(rows: pd.DataFrame) -> Numbers:
    """`y` as a new array, missing as NaN; ValueError if it is absent or holds anything but 1 and 0."""
    if "y" not in rows:
        raise ValueError("the rows have no column 'y'")
    y = numbers(rows["y"]).copy()
    if not np.isin(y[~np.isnan(y)], (0, 1)).all():
        raise ValueError("y: expected 1 (bad), 0 (good) or missing")
    return y
