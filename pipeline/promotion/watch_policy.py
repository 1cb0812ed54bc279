"""How long a promotion is watched, how often, and how sure a proposal to go back must be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from math import ceil

from monitoring.values import finite, whole

METRICS = ("auc", "brier")  # ranking, and whether the probabilities are right


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchPolicy:
    """How long, how often and how sure.

    The first three are settings; `min_rows`, `min_bad`, `min_coverage` and the two gains are those of the gate policy
    that the dossier was judged by: what was enough to promote is enough to go back, and the smallest gain that was
    worth a new champion is the smallest harm worth the old one. `auc_margin` is absolute, `brier_margin` relative.
    """

    period: timedelta
    every: timedelta
    false_proposals: float
    min_rows: int
    min_bad: int
    min_coverage: float
    auc_margin: float
    brier_margin: float

    def __post_init__(self) -> None:
        if not timedelta(0) < self.every <= self.period:
            raise ValueError(f"expected 0 < every <= period, got {self.every} and {self.period}")
        if not 0 < finite(self.false_proposals, "false_proposals") <= 0.5:
            raise ValueError(f"false_proposals must be in (0, 0.5], got {self.false_proposals}")
        if min(whole(self.min_rows, "min_rows"), whole(self.min_bad, "min_bad")) < 1:
            raise ValueError(f"min_rows and min_bad must be >= 1, got {self.min_rows} and {self.min_bad}")
        if not 0 <= finite(self.min_coverage, "min_coverage") <= 1:
            raise ValueError(f"min_coverage must be in [0, 1], got {self.min_coverage}")
        if min(finite(self.auc_margin, "auc_margin"), finite(self.brier_margin, "brier_margin")) < 0:
            raise ValueError(f"margins must be >= 0, got {self.auc_margin} and {self.brier_margin}")

    @property
    def looks(self) -> int:
        """How often outcomes are looked at in the period, the last time at its end."""
        return looks_in(self.period, self.every)

    @property
    def alpha(self) -> float:
        """One-sided error of each limit of each metric at each look, so that all together hold (Bonferroni).

        >>> day = timedelta(days=1)
        >>> round(WatchPolicy(period=180 * day, every=30 * day, false_proposals=0.06, min_rows=200, min_bad=50,
        ...                   min_coverage=0.3, auc_margin=0.005, brier_margin=0.005).alpha, 6)
        0.005
        """
        return self.false_proposals / (self.looks * len(METRICS))


def looks_in(period: timedelta, every: timedelta) -> int:
    """How many looks a period has, the last one at its end.

    >>> looks_in(timedelta(days=180), timedelta(days=30)), looks_in(timedelta(days=100), timedelta(days=30))
    (6, 4)
    """
    return ceil(period / every)


def look_due(age: timedelta, *, period: timedelta, every: timedelta) -> int:
    """Number of the look that is due at this age: 0 right after the promotion, the last when the period is over.

    >>> [look_due(timedelta(days=n), period=timedelta(days=100), every=timedelta(days=30)) for n in (-1, 0, 29, 30, 99)]
    [0, 0, 0, 1, 3]
    """
    return looks_in(period, every) if age >= period else max(0, age // every)
