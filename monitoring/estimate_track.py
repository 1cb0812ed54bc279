"""Is an estimate without labels to be trusted? It keeps score: past estimates against what came true.

Trust is the exception. It takes a record of checked estimates, it is lost as soon as that record speaks against the
promise (an interval that misses one time in ten, and no bias), and then it takes new evidence to regain it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from math import comb, sqrt
from statistics import NormalDist
from typing import Any

from monitoring.estimated import Estimate
from monitoring.values import finite, time_text, utc

# We chose: a record that is as promised is spoken against in at most 1 of 20 looks, spread evenly over three tests.
FALSE_ALARM = 0.05
TESTS = 3
# With 4 checks behind it, an estimate that is off by twice its standard error, again and again, is trusted in 1 of 27
# cases; with 3 it would be 1 of 9. Off by three times: less than 1 in 1,000. (Simulated.)
MIN_CHECKS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """An estimate of one metric and what came true, over the same rows, in the window that ended at `end`."""

    end: datetime
    estimate: Estimate
    realised: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "end", utc(self.end, "end"))
        if self.estimate.value is None:
            raise ValueError(f"{self.estimate.metric}: an estimate without a value cannot be checked")
        if not 0 <= finite(self.realised, "realised") <= 1:
            raise ValueError(f"{self.estimate.metric}: realised must be in [0, 1], got {self.realised}")

    @property
    def missed(self) -> bool:
        """What came true lies outside the interval."""
        low, high = self.estimate.low, self.estimate.high
        return not (low is not None and high is not None and low <= self.realised <= high)

    @property
    def error(self) -> float:
        """Realised less estimated."""
        return self.realised - (self.estimate.value or 0.0)

    @property
    def standardised_error(self) -> float:
        """The error in standard errors; > 0: more than was estimated."""
        return self.error / (self.estimate.standard_error or 1.0)

    @property
    def shared(self) -> float:
        """Share of the standard error, in [0, 1], that estimates on the same calibration have in common."""
        return sqrt(max(0.0, 1 - ((self.estimate.sampling_error or 0.0) / (self.estimate.standard_error or 1.0)) ** 2))

    def to_json(self) -> dict[str, Any]:
        """All that a reader needs to see whether it missed."""
        return {
            "end": time_text(self.end),
            "estimate": self.estimate.to_json(),
            "realised": self.realised,
            "missed": self.missed,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Whether a metric's estimate is to be read, and why, in words.

    `checked`: past estimates compared with what came true; `missed`: intervals that did not hold it; `since`: checks
    since the record last spoke against the promise (all of them, if it never did).
    """

    metric: str
    trusted: bool
    reason: str
    checked: int
    missed: int
    since: int

    def __post_init__(self) -> None:
        if not 0 <= self.missed <= self.checked or not 0 <= self.since <= self.checked:
            raise ValueError(f"{self.metric}: {self.missed} missed, {self.since} since, of {self.checked} checked")
        if self.trusted and self.since < MIN_CHECKS:
            raise ValueError(f"{self.metric}: trust takes {MIN_CHECKS} checks, got {self.since}")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def trust(metric: str, checks: Sequence[Checked], *, first_possible: datetime | None = None) -> Trust:
    """Judge a metric's estimate by its record.

    The checks are gone through as they came. After each, three tests ask whether the run so far is as promised: how
    many missed (binomial), whether the newest is far off, and whether all together are to one side. One that says no,
    at 5 % over the three, takes trust away and starts the run anew: what is trusted has at least 4 checks behind it
    since the record last spoke against it. Errors that estimates share through their calibration count once.

    Args:
        metric: Which of `estimated.METRICS`.
        checks: Of windows that do not overlap, in any order, of estimates at one level.
        first_possible: When the first check can be made, for the reason given where there is none yet.

    Returns:
        Trusted or not, with the reason.

    Raises:
        ValueError: A check is of another metric, two windows end together, or levels differ.

    Source:
        Clopper & Pearson (1934), Biometrika 26 (exact binomial test); Bonferroni's inequality over the three tests;
        starting anew after an alarm as in Page (1954), "Continuous inspection schemes", Biometrika 41.

    >>> trust("auc", [], first_possible=datetime.fromisoformat("2007-01-01T00Z")).reason
    'no past estimate could be checked yet: first possible 2007-01-01'
    """
    in_time = _in_time(metric, checks)
    run: list[Checked] = []
    lost: tuple[str, datetime] | None = None
    for check in in_time:
        run.append(check)
        if (against := _spoken_against(run)) is not None:
            lost, run = (against, check.end), []
    trusted = len(run) >= MIN_CHECKS
    return Trust(
        metric=metric,
        trusted=trusted,
        reason=_reason(in_time, run, lost, first_possible),
        checked=len(in_time),
        missed=sum(check.missed for check in in_time),
        since=len(run),
    )


def chance_of_misses(missed: int, checked: int, *, rate: float) -> float:
    """Probability of at least so many misses when each happens at this rate, in [0, 1].

    >>> round(chance_of_misses(3, 5, rate=0.1), 5)
    0.00856
    """
    tail = (comb(checked, k) * rate**k * (1 - rate) ** (checked - k) for k in range(missed, checked + 1))
    return min(1.0, sum(tail))


def _spoken_against(run: Sequence[Checked]) -> str | None:
    """Why the run is not as promised; None when it may well be."""
    alpha = FALSE_ALARM / TESTS
    limit = NormalDist().inv_cdf(1 - alpha / 2)
    newest = run[-1].standardised_error
    if abs(newest) > limit:
        return f"the estimate was {_side(newest)} by {abs(newest):.1f} standard errors, promised at most {limit:.1f}"
    missed = sum(check.missed for check in run)
    if chance_of_misses(missed, len(run), rate=1 - run[-1].estimate.level) <= alpha:
        return f"{missed} of {len(run)} past estimates missed"
    apart = sum(1 - check.shared**2 for check in run)
    together = sum(check.shared for check in run) ** 2
    total = sum(check.standardised_error for check in run)
    if abs(total) > limit * sqrt(apart + together):
        return f"the last {len(run)} estimates were {_side(total)}, by {abs(total) / len(run):.1f} standard errors each"
    return None


def _reason(
    checks: Sequence[Checked],
    run: Sequence[Checked],
    lost: tuple[str, datetime] | None,
    first_possible: datetime | None,
) -> str:
    if not checks:
        when = f": first possible {utc(first_possible, 'first_possible'):%Y-%m-%d}" if first_possible else ""
        return f"no past estimate could be checked yet{when}"
    missed = sum(check.missed for check in run)
    if len(run) >= MIN_CHECKS:
        since = f" since trust was lost in the window to {lost[1]:%Y-%m-%d}" if lost else ""
        return f"{missed} of {len(run)} past estimates missed{since}, as promised"
    if lost:
        done = f"{len(run)} of {MIN_CHECKS} new checks that regain trust are done"
        return f"{lost[0]}, in the window to {lost[1]:%Y-%m-%d}; {done}"
    return f"{_count(len(run))} checked so far, trust takes {MIN_CHECKS}"


def _in_time(metric: str, checks: Sequence[Checked]) -> list[Checked]:
    others = [check.estimate.metric for check in checks if check.estimate.metric != metric]
    if others:
        raise ValueError(f"checks: expected only {metric}, got {others[0]}")
    in_time = sorted(checks, key=lambda check: check.end)
    if len({check.end for check in checks}) != len(checks):
        raise ValueError(f"{metric}: two checked windows end at the same time; expected windows that do not overlap")
    if len({check.estimate.level for check in checks}) > 1:
        raise ValueError(f"{metric}: expected estimates at one level")
    return in_time


def _side(error: float) -> str:
    return "too low" if error > 0 else "too high"


def _count(checks: int) -> str:
    return f"{checks} past estimate{'s' if checks != 1 else ''}"
