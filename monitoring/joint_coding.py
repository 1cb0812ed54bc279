"""Features as a few classes each, and the scores of these classes: what products are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from monitoring.bins import Bins, NumericBins, category_bins, numeric_bins
from monitoring.columns import Sample, categories, numbers
from monitoring.values import Kind

Numbers = NDArray[np.float64]
Floats = NDArray[np.float32]
Codes = NDArray[np.int16]

MIN_SHARE = 0.05  # we chose: a category rarer than this in the reference gets no score of its own
MIN_MISSING = 0.01  # we chose: where fewer values, or all but fewer, are missing, being missing gets no score
MAX_LEVELS = 8  # of a categorical feature, most frequent first
TIE_ERRORS = 3.0  # we chose: a frequent value's share moves by less in 369 of 370 windows


@dataclass(frozen=True, slots=True, eq=False)
class Coding:
    """How one feature is cut into classes: its bins, then "missing".

    `scores`: of each class, shape (classes, scores), named by `names`. `below`: share of the reference's present values
    up to and with each class, the missing left out.
    """

    bins: Bins
    scores: Floats
    names: tuple[str, ...]
    below: Numbers

    @property
    def missing(self) -> int:
        """The class of a missing value: the last."""
        return len(self.scores) - 1


@dataclass(frozen=True, slots=True, eq=False)
class PreparedJoint:
    """The reference as classes, shape (rows, features), and how each feature was cut."""

    kinds: Mapping[str, Kind]
    codings: Mapping[str, Coding]
    codes: Codes
    left_out: tuple[tuple[str, str], ...]


def prepare_joint(reference: pd.DataFrame, kinds: Mapping[str, Kind]) -> PreparedJoint:
    """Cut the reference's features into classes, once.

    Args:
        reference: One row per application, a column per feature; not changed.
        kinds: Which features, and how each is read.

    Returns:
        Arrays only; a feature that is absent, not numbers, infinite somewhere or constant is left out and named.

    Raises:
        ValueError: `kinds` is empty.

    >>> frame = pd.DataFrame({"age": [20.0, 30.0, None, 40.0], "country": ["NZ"] * 4})
    >>> prepare_joint(frame, {"age": "numeric", "country": "categorical"}).left_out
    (('country', 'reference holds one value only'),)
    """
    if not kinds:
        raise ValueError("kinds is empty: no feature to judge")
    codings: dict[str, Coding] = {}
    codes = [np.zeros((len(reference), 0), dtype=np.int16)]
    left_out: list[tuple[str, str]] = []
    for feature, kind in kinds.items():
        try:
            values = values_of(reference, feature, kind, "reference")
            codings[feature] = coding = _coding(values, kind)
        except ValueError as error:
            left_out.append((feature, str(error)))
            continue
        codes.append(cut(values, coding)[:, None])
    return PreparedJoint(dict(kinds), codings, np.hstack(codes), tuple(left_out))


def values_of(frame: pd.DataFrame, feature: str, kind: Kind, side: str) -> NDArray[Any]:
    """The column, missing as NaN or None; ValueError with the reason for one that cannot be judged."""
    if reason := Sample.of(frame, feature, kind, side=side, need=1).reason:
        raise ValueError(reason)
    return numbers(frame[feature]) if kind == "numeric" else categories(frame[feature]).to_numpy()


def _coding(values: NDArray[Any], kind: Kind) -> Coding:
    present = values[~pd.isna(values)]
    bins: Bins = numeric_bins(present) if kind == "numeric" else category_bins(present)
    counts = bins.count(present)
    below = np.cumsum(counts) / present.size
    shares = np.append(counts, values.size - present.size) / values.size
    scores: dict[str, Numbers] = {}
    if isinstance(bins, NumericBins):
        ranks = below - counts / present.size / 2 - 0.5
        spread = float(np.sqrt(counts / present.size @ ranks**2))
        if spread:
            scores["rank"] = np.append(ranks / spread, 0.0)
    else:
        common = [k for k in np.argsort(-shares[:-1], kind="stable")[:MAX_LEVELS] if MIN_SHARE <= shares[k] < 1]
        dropped = 1 if len(common) == 2 and shares[common].sum() > 1 - MIN_SHARE else 0  # the second says it all again
        names = bins.names()
        scores |= {f"is {names[k]}": np.eye(bins.size + 1)[k] for k in common[dropped:]}
    if MIN_MISSING <= shares[-1] <= 1 - MIN_MISSING:
        scores["missing"] = np.eye(bins.size + 1)[-1]
    if not scores:
        raise ValueError("reference holds one value only")
    return Coding(bins, np.column_stack(list(scores.values())).astype(np.float32), tuple(scores), below)


def cut(values: NDArray[Any], coding: Coding) -> Codes:
    """Each value's class."""
    present = ~pd.isna(values)
    codes = np.full(len(values), coding.missing, dtype=np.int16)
    codes[present] = coding.bins.place(values[present])
    return codes


def matched(values: NDArray[Any], coding: Coding, before: Codes) -> tuple[Coding, Codes, Codes]:
    """The same, with the classes matched by rank: each value of the window where the reference's of that rank is.

    A cap or rounding in the window ties what had an order: classes that one tied value spans, by more than chance
    moves its ends (`TIE_ERRORS` standard errors), are joined on both sides.
    """
    present = ~pd.isna(values)
    if not isinstance(coding.bins, NumericBins):
        return coding, before, cut(values, coding)
    ends = np.cumsum(np.unique(values[present], return_counts=True)[1]) / present.sum()
    inner = coding.below[:-1]
    tied = np.minimum(ends.searchsorted(inner), len(ends) - 1)
    room = np.minimum(inner - np.append(0, ends)[tied], ends[tied] - inner)
    kept = room <= TIE_ERRORS * np.sqrt(inner * (1 - inner) / present.sum())
    joined = np.append(0, np.cumsum(kept))
    shares = np.diff(coding.below, prepend=0)
    means = [np.bincount(joined, shares * column) / np.bincount(joined, shares) for column in coding.scores[:-1].T]
    scores = np.vstack([np.column_stack(means), coding.scores[-1]]).astype(np.float32)
    matched = replace(coding, scores=scores, below=np.append(inner[kept], 1.0))
    codes = np.full(len(values), matched.missing, dtype=np.int16)
    ranks = (rankdata(values[present]) - 0.5) / present.sum()
    codes[present] = matched.below[:-1].searchsorted(ranks, side="right")
    return matched, np.append(joined, matched.missing).astype(np.int16)[before], codes
