"""What final outcomes say about a model: each metric with its interval, or the reason why it has none."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring import influence, performance
from monitoring.calibration import calibration, calibration_influence
from monitoring.performance import Ranked, wilson_interval
from monitoring.skewed_t import limits, spread
from monitoring.values import finite

_LINE = ("calibration_intercept", "calibration_slope")
METRICS = ("auc", "gini", "ks", "f1", "brier", "default_rate", "expected_minus_observed", *_LINE)
LOWER_IS_BETTER = frozenset({"brier"})
# Rows of the rarer outcome. We chose 10, because 90 % intervals from 10 to 20 bad rows held the truth in 90 to 97 % of
# 2,500 simulated draws (AUC 0.71), all but that of KS.
FEWEST = 10
ROUNDING = 1e-12  # a standard error this small is none

Numbers = NDArray[np.float64]
Outcomes = NDArray[np.int8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One metric and where it may lie. What is None has a reason: the value, or only its interval."""

    metric: str
    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        for name in ("value", "low", "high"):
            if (number := getattr(self, name)) is not None:
                object.__setattr__(self, name, finite(number, f"{self.metric} {name}"))
        if (self.low is None) is not (self.high is None) or (self.low is None) is not (self.reason is not None):
            raise ValueError(f"{self.metric}: expected both limits or a reason, got {self}")
        if self.low is not None and not (self.value is not None and self.low <= self.value <= (self.high or 0.0)):
            raise ValueError(f"{self.metric}: {self.value} is not within {self.low} to {self.high}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Realised:
    """What came of rows whose outcome is final: counts, the mean score (what was expected), and every metric."""

    rows: int
    bad: int
    mean_score: float
    level: float
    estimates: tuple[Estimate, ...]

    def __post_init__(self) -> None:
        if not 0 <= self.bad <= self.rows or not self.rows:
            raise ValueError(f"expected 0 <= bad <= rows and a row, got {self.bad} of {self.rows}")
        if tuple(estimate.metric for estimate in self.estimates) != METRICS:
            raise ValueError(f"expected {' '.join(METRICS)}, in this order")
        finite(self.mean_score, "mean_score")

    def of(self, metric: str) -> Estimate:
        """One metric by its name."""
        return self.estimates[METRICS.index(metric)]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        counts = {name: getattr(self, name) for name in ("rows", "bad", "mean_score", "level")}
        return {**counts, "estimates": [asdict(estimate) for estimate in self.estimates]}


def realised(y: Outcomes, score: Numbers, decision: NDArray[np.int8], *, level: float = 0.90) -> Realised:
    """Measure a model on final outcomes.

    Args:
        y: Outcomes, shape (n,), 1 bad and 0 good, n >= 1. All must be of mature rows: among the outcomes known before
            that, bad ones are overrepresented.
        score: Probabilities of bad, shape (n,), each in [0, 1].
        decision: As logged, shape (n,), 1 for called bad.
        level: Of the two-sided intervals, in (0, 1).

    Returns:
        Every metric. `expected_minus_observed` is the mean score less the default rate: above 0 the model was too
        pessimistic. Ranking, Brier and calibration need 10 rows of either outcome. KS is read at the cut-off where it
        is largest, which flatters it: in simulations of 200 to 2,000 rows its 90 % interval lay above the truth in 13
        to 16 % of draws, and below it in 1 %.

    Raises:
        ValueError: As in `performance.brier` and `performance.confusion`.

    Source:
        AUC and Gini: DeLong et al. (1988) with t limits (`monitoring.skewed_t`), as are Brier and calibration
        (`monitoring.influence`, `monitoring.calibration`). Default rate: Wilson (1927); the distance to the mean score
        takes the applicants as given. KS: Newcombe (1998), "Interval estimation for the difference between independent
        proportions", method 10. F1: Wilson's interval of F1 / (2 - F1), the share caught among all that are bad or
        called bad (Hand, Christen & Kirielle 2021, "F*: an interpretable transformation of the F-measure").

    >>> some = realised(np.array([1, 0] * 20, np.int8), np.linspace(0, 1, 40), np.array([1, 0] * 20, np.int8))
    >>> some.rows, some.bad, round(some.of("auc").value, 3), some.of("f1").value
    (40, 20, 0.475, 1.0)
    """
    outcome, p = performance.checked_scores(y, score)
    order, rows, bad = performance.ranked(p), len(outcome), int(outcome.sum())
    found = [*_ranking(outcome, order, level), _ks(outcome, p, order, level), _f1(outcome, decision, level)]
    found.append(_from_rows("brier", float(np.mean((p - outcome) ** 2)), (p - outcome) ** 2, outcome, level, (0, 1)))
    low, high = wilson_interval(bad, rows, level=level)
    mean = float(p.mean())
    found.append(Estimate(metric="default_rate", value=bad / rows, low=low, high=high))
    gap = Estimate(metric="expected_minus_observed", value=mean - bad / rows, low=mean - high, high=mean - low)
    found += [gap, *_calibration(outcome, p, level)]
    return Realised(rows=rows, bad=bad, mean_score=mean, level=level, estimates=tuple(found))


def _too_few(y: Outcomes) -> str | None:
    bad, good = int(y.sum()), len(y) - int(y.sum())
    return None if min(bad, good) >= FEWEST else f"{bad} bad and {good} good, {FEWEST} of either needed"


def _from_rows(
    metric: str, value: float, contributions: Numbers, y: Outcomes, level: float, ends: tuple[float, float]
) -> Estimate:
    """A metric with limits from what each row contributes to it, cut off at the ends of its range."""
    if (reason := _too_few(y)) is not None:
        return Estimate(metric=metric, value=None, reason=reason)
    around = spread(contributions, degrees=min(int(y.sum()), len(y) - int(y.sum())) - 1)
    if float(np.asarray(around.error)) <= ROUNDING:
        return Estimate(metric=metric, value=value, reason="no interval: every row contributes the same")
    low, high = (float(np.clip(limit, *ends)) for limit in limits(value, around, alpha=(1 - level) / 2))
    return Estimate(metric=metric, value=value, low=min(low, value), high=max(high, value))


def _ranking(y: Outcomes, order: Ranked, level: float) -> tuple[Estimate, Estimate]:
    area, contributions = performance.auc(y, order), influence.of_auc(y, order)
    if area is None or contributions is None:
        reason = _too_few(y)
        return Estimate(metric="auc", value=None, reason=reason), Estimate(metric="gini", value=None, reason=reason)
    auc = _from_rows("auc", area, contributions, y, level, (0, 1))
    return auc, _from_rows("gini", 2 * area - 1, 2 * contributions, y, level, (-1, 1))


def _ks(y: Outcomes, p: Numbers, order: Ranked, level: float) -> Estimate:
    """Difference of two shares: of the bad and of the good that score at or beyond the cut-off of KS."""
    cut = influence.ks_cut(y, order)
    if (reason := _too_few(y)) is not None or cut is None:
        return Estimate(metric="ks", value=None, reason=reason or "one outcome only")
    shares = []
    for beyond in (p[y == 1] >= cut, p[y == 0] >= cut):
        reach, size = int(beyond.sum()), len(beyond)
        shares.append((reach / size, *wilson_interval(reach, size, level=level)))
    (less, low0, high0), (more, low1, high1) = sorted(shares)
    value = more - less
    down, up = float(np.hypot(more - low1, high0 - less)), float(np.hypot(high1 - more, less - low0))
    return Estimate(metric="ks", value=value, low=max(0.0, value - down), high=min(1.0, value + up))


def _f1(y: Outcomes, decision: NDArray[np.int8], level: float) -> Estimate:
    counts = performance.confusion(y, decision)
    caught, relevant = counts.true_positive, len(y) - counts.true_negative
    if not relevant:
        return Estimate(metric="f1", value=None, reason="nothing is bad and nothing was called bad")
    low, high = (2 * end / (1 + end) for end in wilson_interval(caught, relevant, level=level))
    return Estimate(metric="f1", value=counts.f1, low=min(low, counts.f1), high=max(high, counts.f1))


def _calibration(y: Outcomes, p: Numbers, level: float) -> tuple[Estimate, Estimate]:
    line, contributions = calibration(y, p), calibration_influence(y, p)
    if line is None or contributions is None:
        reason = _too_few(y) or "one score only, or a cut-off separates the outcomes"
        intercept, slope = (Estimate(metric=name, value=None, reason=reason) for name in _LINE)
        return intercept, slope
    intercept, slope = (
        _from_rows(name, value, of_rows, y, level, (-np.inf, np.inf))
        for name, value, of_rows in zip(_LINE, line, contributions, strict=True)
    )
    return intercept, slope
