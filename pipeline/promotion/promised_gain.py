"""Does a new champion gain what its dossier promised? Pure: what was promised and what came true in, numbers out.

What a rollback can mend is a champion that is worse than the version it replaced. So both are held to the same rows,
whose outcomes were not final when the dossier was made, and what has to come true is the *gain* that the dossier
promised: a population that gets harder takes from both, and is no reason to go back.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from math import hypot
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring import influence, performance
from monitoring.skewed_t import Spread, limits, spread
from monitoring.values import finite, whole
from pipeline.promotion.watch_policy import METRICS, WatchPolicy

_NO_ERROR = 1e-12  # a standard error this small is none

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What a dossier said of one metric: both values, the challenger's gain (> 0 is better), its standard error.

    `degrees`: the rarer outcome's count among its rows, less 1.
    """

    metric: str
    value: float
    replaced: float
    gain: float
    error: float
    degrees: int

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise ValueError(f"metric: expected one of {', '.join(METRICS)}, got {self.metric!r}")
        for name in ("value", "replaced", "gain", "error"):
            finite(getattr(self, name), f"{self.metric} {name}")
        if self.error <= 0 or self.degrees < 1:
            raise ValueError(f"{self.metric}: expected error > 0 and degrees >= 1, got {self.error}, {self.degrees}")


def promise(
    metric: str,
    *,
    champion: float | None,
    challenger: float | None,
    interval: tuple[float, float, float] | None,
    degrees: int,
) -> Promise | None:
    """What a dossier promised in a metric, from its paired evidence; None where it did not measure it.

    Args:
        metric: One of `METRICS`.
        champion: Value of the version that was replaced. `challenger`: of the one that was promoted.
        interval: Of challenger less champion: low, high, and its two-sided level.
        degrees: The rarer outcome's count among the judged rows, less 1.

    >>> found = promise("brier", champion=0.20, challenger=0.18, interval=(-0.03, -0.01, 0.9), degrees=99)
    >>> round(found.gain, 3), round(found.error, 5)
    (0.02, 0.00608)
    """
    if champion is None or challenger is None or interval is None or degrees < 1:
        return None
    low, high, level = interval
    change = challenger - champion
    error = max(high - change, change - low) / NormalDist().inv_cdf((1 + level) / 2)  # the wider side: more cautious
    gain = -change if metric == "brier" else change
    if error <= _NO_ERROR:
        return None
    return Promise(metric=metric, value=challenger, replaced=champion, gain=gain, error=error, degrees=degrees)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FreshRows:
    """Rows whose outcome became final after the dossier was made, under both versions.

    Args:
        y: Outcomes, shape (n,), 1 bad and 0 good, of mature rows only.
        score: Probabilities of bad by the champion, shape (n,), in [0, 1].
        replaced: By the version it replaced, likewise.
        mature: Mature rows, labelled or not, >= n.

    Raises:
        ValueError: Any of this does not hold; NaN is not in [0, 1].
    """

    y: NDArray[np.int8]
    score: Numbers
    replaced: Numbers
    mature: int

    def __post_init__(self) -> None:
        if not self.y.ndim == 1 or not self.y.shape == self.score.shape == self.replaced.shape:
            raise ValueError(f"expected columns of one length, got {self.y.shape}, {self.score.shape}")
        if len(self.y) > whole(self.mature, "mature"):
            raise ValueError(f"mature: expected at least {len(self.y)}, got {self.mature}")
        in_range = [bool(((column >= 0) & (column <= 1)).all()) for column in (self.score, self.replaced)]
        if not np.isin(self.y, (0, 1)).all() or not all(in_range):
            raise ValueError("expected outcomes 0 or 1 and scores in [0, 1]")

    @property
    def bad(self) -> int:
        """Rows that went bad."""
        return int(self.y.sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One metric, promised and come true. All of the second half are None with a `reason` where it cannot be told.

    `gain` is of the champion over the version it replaced on the same fresh rows, > 0 is better, with its limits at the
    look's `level`; `low_90` is the lower one of the usual 90 %. `short_high` is the upper limit of that gain less the
    promised one. `harm`: both upper limits lie beyond the margin.
    """

    metric: str
    promised: float | None
    promised_gain: float | None
    margin: float | None
    value: float | None = None
    replaced: float | None = None
    gain: float | None = None
    low: float | None = None
    high: float | None = None
    low_90: float | None = None
    short_high: float | None = None
    level: float
    reason: str | None = None

    def __post_init__(self) -> None:
        measured = (self.value, self.replaced, self.gain, self.low, self.high, self.low_90, self.short_high)
        for number in measured:
            if number is not None:
                finite(number, self.metric)
        if len({number is None for number in measured}) != 1 or (self.gain is None) is not (self.reason is not None):
            raise ValueError(f"{self.metric}: expected all numbers, or a reason")
        if self.gain is not None and (self.margin is None or self.promised_gain is None):
            raise ValueError(f"{self.metric}: held to nothing")

    @property
    def harm(self) -> bool:
        """Worse than the version it replaced, and worse than promised, each by more than the margin and surely."""
        if self.high is None or self.short_high is None or self.margin is None:
            return False
        return self.high < -self.margin and self.short_high < -self.margin

    @property
    def kept(self) -> bool:
        """Not worse than the version it replaced by more than the margin, with 95 % on this side."""
        return self.low_90 is not None and self.margin is not None and self.low_90 >= -self.margin

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self) | {"harm": self.harm, "kept": self.kept}


def held(rows: FreshRows, promised: Promise | None, metric: str, *, policy: WatchPolicy) -> Held:
    """Hold a champion to the gain that was promised in one metric.

    Args:
        rows: Fresh rows under both versions.
        promised: What the dossier said; None if it did not.
        metric: One of `METRICS`.
        policy: How many rows it takes, and how sure.

    Source:
        AUC: DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44; both by `monitoring.skewed_t`. Harm has to be shown
        against two values, each at the look's full error: Berger (1982), "Multiparameter hypothesis testing and
        acceptance sampling", Technometrics 24 (intersection-union test).
    """
    level = 1 - 2 * policy.alpha
    if promised is None:
        told = "the dossier promised nothing in it"
        return Held(metric=metric, promised=None, promised_gain=None, margin=None, level=level, reason=told)
    margin = policy.auc_margin if metric == "auc" else policy.brier_margin * promised.replaced
    said = Held(
        metric=metric,
        promised=promised.value,
        promised_gain=promised.gain,
        margin=margin,
        level=level,
        reason=_obstacle(rows, policy) or "every row says the same of both versions",
    )
    if _obstacle(rows, policy) is not None:
        return said
    values, parts = _measured(rows, metric)
    around = spread(parts, degrees=min(rows.bad, len(rows.y) - rows.bad) - 1)
    if float(np.asarray(around.error)) <= _NO_ERROR:
        return said
    gain = values[0] - values[1] if metric == "auc" else values[1] - values[0]
    low, high = limits(gain, around, alpha=policy.alpha)
    _, short_high = limits(gain - promised.gain, _both(around, promised), alpha=policy.alpha)
    low_90, _ = limits(gain, around, alpha=0.05)
    return replace(
        said,
        value=values[0],
        replaced=values[1],
        gain=gain,
        low=float(low),
        high=float(high),
        low_90=float(low_90),
        short_high=float(short_high),
        reason=None,
    )


def _obstacle(rows: FreshRows, policy: WatchPolicy) -> str | None:
    """What keeps the rows from being measured, in words; None if nothing does."""
    n, rarer = len(rows.y), min(rows.bad, len(rows.y) - rows.bad)
    if not rows.mature:
        return "no outcome has become final since the dossier"
    if n < policy.min_rows or rarer < policy.min_bad:
        return (
            f"{n} outcomes final since the dossier, {rows.bad} bad; {policy.min_rows} and {policy.min_bad} of either "
            "kind needed"
        )
    if n < policy.min_coverage * rows.mature:
        return f"{n} of {rows.mature} mature rows are labelled; a share of {policy.min_coverage:g} is needed"
    return None


def _measured(rows: FreshRows, metric: str) -> tuple[tuple[float, float], Numbers]:
    """The metric of both versions, and what each row contributes to the champion's gain."""
    if metric == "brier":
        squares = [(score - rows.y) ** 2 for score in (rows.score, rows.replaced)]
        return (float(squares[0].mean()), float(squares[1].mean())), influence.of_mean(squares[1] - squares[0])
    first, second = (performance.ranked(score) for score in (rows.score, rows.replaced))
    ours, theirs = influence.of_auc(rows.y, first), influence.of_auc(rows.y, second)
    areas = performance.auc(rows.y, first), performance.auc(rows.y, second)
    assert ours is not None and theirs is not None and areas[0] is not None and areas[1] is not None
    return (areas[0], areas[1]), ours - theirs


def _both(around: Spread, promised: Promise) -> Spread:
    """How a gain less a promised one varies: two samples, each with its error; the dossier tells no skewness."""
    ours = float(np.asarray(around.error))
    error = hypot(ours, promised.error)
    skewness = float(np.asarray(around.skewness)) * (ours / error) ** 3
    return Spread(error, skewness, min(float(np.asarray(around.degrees)), promised.degrees))
