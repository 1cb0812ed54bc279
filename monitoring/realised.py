"""Realised performance: what came of scored applications, by vintage and by score band, once outcomes are final."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

from monitoring.bins import NumericBins
from monitoring.outcome_metrics import Realised, realised
from monitoring.performance import wilson_interval
from monitoring.psi import psi
from monitoring.scored_rows import Flags, ScoredRows
from monitoring.values import finite
from monitoring.vintages import LEVEL, Vintage, quarter_of, vintages_of

CHANCE = 0.05  # how often a score that has not moved has a PSI above `psi_by_chance`

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class VintagePerformance:
    """One vintage: how it was scored, and what came of it once that is final.

    `models`: who scored it, version and rows, oldest first. `mean_score`: of all its rows. `psi`: of its scores against
    the reference's, in nats; one that has not moved stays below `psi_by_chance` 19 times in 20. `realised` is None with
    a `reason` until the vintage is final, and for one without any label.
    """

    vintage: Vintage
    models: tuple[tuple[str, int], ...]
    mean_score: float
    psi: float
    psi_by_chance: float
    realised: Realised | None
    reason: str | None

    def __post_init__(self) -> None:
        for name in ("mean_score", "psi", "psi_by_chance"):
            finite(getattr(self, name), f"{self.vintage.name}: {name}")
        if (self.realised is None) is not (self.reason is not None):
            raise ValueError(f"{self.vintage.name}: expected what was realised, or a reason")
        if self.realised is not None and not self.vintage.is_final:
            raise ValueError(f"{self.vintage.name}: measured before it is final, at {self.vintage.final_at}")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            **self.vintage.to_json(),
            "models": [{"version": version, "rows": rows} for version, rows in self.models],
            **{name: getattr(self, name) for name in ("mean_score", "psi", "psi_by_chance", "reason")},
            "realised": self.realised.to_json() if self.realised else None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreBand:
    """Expected (mean score) and observed share of bad among final outcomes of one score band; None without rows."""

    name: str
    rows: int
    bad: int
    expected: float | None
    observed: float | None
    low: float | None
    high: float | None

    def __post_init__(self) -> None:
        numbers = (self.expected, self.observed, self.low, self.high)
        if not 0 <= self.bad <= self.rows or any((number is None) is (self.rows > 0) for number in numbers):
            raise ValueError(f"band {self.name}: {self.bad} of {self.rows} rows bad, with {numbers}")
        for number in numbers:
            if number is not None:
                finite(number, f"band {self.name}")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def performance_by_vintage(
    rows: ScoredRows, *, bins: NumericBins, reference: Counts, level: float = LEVEL
) -> tuple[VintagePerformance, ...]:
    """Every vintage with its counts, its scores' stability, and what came of it once its youngest row is mature.

    A vintage that is not final has no metric, not even of its mature rows: bad outcomes are known early, good ones
    late, and its first months are not the vintage.

    Args:
        rows: Scored applications.
        bins: Of the score, fixed on the reference.
        reference: Rows of the reference per bin, shape (bins.size,).
        level: Of the two-sided intervals, in (0, 1).

    Raises:
        ValueError: The reference's counts do not fit the bins, or there are fewer than two bins.

    Source:
        Vintage analysis: Siddiqi (2006), "Credit Risk Scorecards", chapter 4. Metrics: `outcome_metrics.realised`.
    """
    quarter = rows.quarter
    return tuple(
        _performance(vintage, rows.where(quarter == quarter_of(vintage.start)), bins, reference, level)
        for vintage in vintages_of(rows)
    )


def psi_by_chance(reference_rows: int, rows: int, *, bins: int) -> float:
    """The PSI that a sample from the reference's own distribution stays below 19 times in 20, in nats.

    Args:
        reference_rows: Rows of the reference, >= 1. `rows`: of the sample. `bins`: >= 2.

    Source:
        Yurdakul & Naranjo (2020), "Statistical properties of the population stability index", Journal of Risk Model
        Validation 14: PSI / (1/n + 1/m) is about chi-squared with bins - 1 degrees of freedom.

    >>> round(psi_by_chance(3000, 200, bins=10), 3)
    0.09
    """
    return float(chdtri(bins - 1, CHANCE)) * (1 / reference_rows + 1 / rows)


def score_bands(rows: ScoredRows, *, bins: NumericBins, last: int, level: float = LEVEL) -> tuple[ScoreBand, ...]:
    """Expected and observed share of bad per score band, over the mature labelled rows of the last vintages.

    Args:
        rows: Scored applications.
        bins: The bands; a score on an edge is in the band above it.
        last: Of how many vintages that hold a mature labelled row, the newest ones; >= 1.
        level: Of Wilson's interval, two-sided, in (0, 1).

    Returns:
        One per bin, rising; those without rows included.

    Source:
        Reliability by bands of the forecast: Hosmer & Lemeshow (1980), "Goodness of fit tests for the multiple
        logistic regression model". Interval: Wilson (1927).
    """
    if last < 1:
        raise ValueError(f"last: expected at least one vintage, got {last}")
    chosen = _of_last_vintages(rows, rows.labelled, last)
    score, y = rows.score[chosen], rows.y[chosen]
    place = bins.place(score)
    sizes, bad = (np.bincount(place[kept], minlength=bins.size).tolist() for kept in (y >= 0, y == 1))
    sums = np.bincount(place, weights=score, minlength=bins.size).tolist()
    return tuple(_band(*band, level) for band in zip(_band_names(bins), sizes, bad, sums, strict=True))


def recent_final(rows: ScoredRows, *, model_version: str, last: int) -> ScoredRows:
    """The mature rows that one model scored, of the newest `last` vintages that hold one; labelled or not."""
    return rows.where(_of_last_vintages(rows, rows.mature & (rows.model_version == model_version), last))


def _performance(
    vintage: Vintage, rows: ScoredRows, bins: NumericBins, reference: Counts, level: float
) -> VintagePerformance:
    chosen = rows.labelled
    measured, reason = None, None
    if not vintage.is_final:
        reason = f"not final: bad outcomes are known early and good ones late; final on {vintage.final_at:%Y-%m-%d}"
    elif not chosen.any():
        reason = f"none of {vintage.rows} rows has a label"
    else:
        measured = realised(rows.y[chosen], rows.score[chosen], rows.decision[chosen], level=level)
    return VintagePerformance(
        vintage=vintage,
        models=_scored_by(rows),
        mean_score=float(rows.score.mean()),
        psi=psi(reference, bins.count(rows.score)),
        psi_by_chance=psi_by_chance(int(reference.sum()), vintage.rows, bins=bins.size),
        realised=measured,
        reason=reason,
    )


def _scored_by(rows: ScoredRows) -> tuple[tuple[str, int], ...]:
    """Versions in the order in which they first scored a row."""
    versions, first, counts = np.unique(
        rows.model_version[np.argsort(rows.event_time, kind="stable")], return_index=True, return_counts=True
    )
    order = np.argsort(first)
    return tuple((str(versions[place]), int(counts[place])) for place in order)


def _of_last_vintages(rows: ScoredRows, chosen: Flags, last: int) -> Flags:
    quarter = rows.quarter
    newest = np.unique(quarter[chosen])[-last:]
    return chosen & np.isin(quarter, newest)


def _band_names(bins: NumericBins) -> list[str]:
    """With two digits, or as many more as it takes to tell the edges apart.

    >>> _band_names(NumericBins(edges=(0.00231, 0.0112, 0.0114)))
    ['below 0.00231', '0.00231 to 0.0112', '0.0112 to 0.0114', '0.0114 and more']
    """
    digits = next(n for n in range(2, 18) if len({f"{edge:.{n}g}" for edge in bins.edges}) == len(bins.edges))
    return NumericBins(edges=tuple(float(f"{edge:.{digits}g}") for edge in bins.edges)).names()


def _band(name: str, rows: int, bad: int, scores: float, level: float) -> ScoreBand:
    if not rows:
        return ScoreBand(name=name, rows=0, bad=0, expected=None, observed=None, low=None, high=None)
    low, high = wilson_interval(bad, rows, level=level)
    return ScoreBand(name=name, rows=rows, bad=bad, expected=scores / rows, observed=bad / rows, low=low, high=high)
