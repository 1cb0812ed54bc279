"""The frozen reference, got ready once for every look: values, bins, counts, and how far chance moves a window."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from monitoring.bins import Bins, category_bins, numeric_bins
from monitoring.checks import SCORE
from monitoring.columns import Sample
from monitoring.thresholds import DRAWS, FEWEST_VALUES, NullTail, null_tail
from monitoring.values import Kind


@dataclass(frozen=True, kw_only=True)
class PreparedFeature:
    """One feature of the reference. `tail` is None where there is nothing to bin: every value the same, or a reason.

    `values` are the present ones: sorted numbers, or each category once (sorted) with its rows in `category_rows`.
    """

    feature: str
    kind: Kind
    sample: Sample
    values: NDArray[Any]
    category_rows: NDArray[np.int64]
    bins: Bins | None
    counts: NDArray[np.int64]
    tail: NullTail | None

    @property
    def questions(self) -> int:
        """How many checks this feature asks for: missing, then PSI, then range or new categories."""
        if self.sample.reason is not None:
            return 0
        return 2 + (self.tail is not None)

    @cached_property
    def spread(self) -> float:
        """Population standard deviation, in the feature's unit."""
        return float(np.std(self.values))

    @cached_property
    def quartiles(self) -> NDArray[np.float64]:
        """Observed quartiles, in the feature's unit."""
        return np.asarray(np.quantile(self.values, [0.25, 0.5, 0.75], method="inverted_cdf"))


@dataclass(frozen=True, kw_only=True)
class PreparedReference:
    """What looks are measured against. `score` is the champion's score over the reference, where there is one."""

    sha256: str
    rows: int
    features: Mapping[str, PreparedFeature]
    score: PreparedFeature | None

    @property
    def every(self) -> tuple[PreparedFeature, ...]:
        """Features, and the score last."""
        return (*self.features.values(), *([self.score] if self.score else []))

    @property
    def questions(self) -> int:
        """How many checks one look makes at most."""
        return sum(item.questions for item in self.every)

    @property
    def tails(self) -> dict[str, NullTail]:
        """How far chance moves each PSI, by feature: what takes time to prepare, and can be kept."""
        return {item.feature: item.tail for item in self.every if item.tail is not None}


def prepare(
    reference: pd.DataFrame,
    kinds: Mapping[str, Kind],
    *,
    sha256: str,
    score: NDArray[np.float64] | None = None,
    tails: Mapping[str, NullTail] | None = None,
    seed: int = 7,
    draws: int = DRAWS,
    tick: Callable[[str], None] = lambda _feature: None,
) -> PreparedReference:
    """Get a reference ready.

    Args:
        reference: One row per application, a column per feature; not changed.
        kinds: Which features to judge, and how each is to be read; others are ignored.
        sha256: Identity of the reference.
        score: The champion's probabilities of bad over those of these rows that it was not trained on, in [0, 1].
        tails: Those of an earlier preparation of the same reference; what is not there is drawn anew (0.3 s each).
        seed: Of the draws; each feature has its own stream, so that they do not depend on one another.
        draws: Windows drawn per feature and size.
        tick: Told of each feature when it is ready.

    Raises:
        ValueError: `kinds` is empty or has an unknown kind, or a feature is called "score".
    """
    if not kinds:
        raise ValueError("kinds is empty: no feature to judge")
    if SCORE in kinds:
        raise ValueError(f"a feature cannot be called {SCORE!r}: that is the champion's")

    def ready(frame: pd.DataFrame, feature: str, kind: Kind) -> PreparedFeature:
        if kind not in ("numeric", "categorical"):
            raise ValueError(f"{feature}: kind must be numeric or categorical, got {kind!r}")
        rng = np.random.default_rng([seed, *feature.encode()])
        found = _feature(frame, feature, kind, (tails or {}).get(feature), rng, draws)
        tick(feature)
        return found

    return PreparedReference(
        sha256=sha256,
        rows=len(reference),
        features={feature: ready(reference, feature, kind) for feature, kind in kinds.items()},
        score=None if score is None else ready(pd.DataFrame({SCORE: score}), SCORE, "numeric"),
    )


def _feature(
    frame: pd.DataFrame, feature: str, kind: Kind, tail: NullTail | None, rng: np.random.Generator, draws: int
) -> PreparedFeature:
    sample = Sample.of(frame, feature, kind, side="reference", need=FEWEST_VALUES)
    values, category_rows = (
        np.unique(sample.values, return_counts=True)
        if kind == "categorical"
        else (
            np.sort(sample.values),
            np.array([], dtype=np.int64),
        )
    )
    bins: Bins | None = None
    if sample.reason is None:
        bins = numeric_bins(sample.values) if kind == "numeric" else category_bins(sample.values)
    counts = np.array([], dtype=np.int64) if bins is None else bins.count(sample.values)
    if len(counts) < 2:
        tail = None
    elif tail is None:
        tail = null_tail(counts, rng=rng, draws=draws)
    elif tail.reference_rows != counts.sum():
        raise ValueError(f"{feature}: tail is of {tail.reference_rows} values, the reference has {counts.sum()}")
    return PreparedFeature(
        feature=feature,
        kind=kind,
        sample=sample,
        values=values,
        category_rows=category_rows,
        bins=bins,
        counts=counts,
        tail=tail,
    )
