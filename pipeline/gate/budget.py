"""The yearly budget for false promotions: what one try may spend of it, so that trying often does not win."""

from __future__ import annotations

from datetime import datetime, timedelta

from pipeline.errors import InputError
from pipeline.gate.values import GatePolicy

YEAR = timedelta(days=365)


def spendable(*, policy: GatePolicy, as_of: datetime, last_try_at: datetime | None) -> float:
    """One-sided error that a try at `as_of` may take: the budget accrues day by day, and a try spends what has accrued.

    With A the yearly budget and C the most that may be carried, a try t days after the last one spends
    A * min(t, C) / (365 days + C). The tries within any 365 days together spend what accrued over at most 365 days + C,
    that is, A. A union bound over tries needs nothing of how their rows overlap: trying weekly makes each try stricter
    and the year no looser.

    Args:
        policy: `yearly_false_promotions` and `budget_carry`.
        as_of: Time of judging, timezone-aware.
        last_try_at: When a challenger was last compared with a champion on record; None: never.

    Returns:
        In [0, 0.5); 0 when the last try is as late or later: nothing has accrued.

    Raises:
        InputError: A time without a timezone.

    Source:
        Lan & DeMets (1989), "Group sequential procedures: calendar versus information time", Statistics in Medicine 8,
        with the linear spending function of Kim & DeMets (1987); bounded by Bonferroni instead of a joint distribution,
        which different challengers on overlapping rows do not have.

    >>> from datetime import UTC
    >>> now, week = datetime(2026, 11, 23, tzinfo=UTC), timedelta(days=7)
    >>> weekly = spendable(policy=GatePolicy(), as_of=now, last_try_at=now - week)
    >>> round(weekly, 6), round(weekly * 53, 3)
    (0.000768, 0.041)
    >>> round(spendable(policy=GatePolicy(), as_of=now, last_try_at=None), 6)
    0.009978
    """
    if as_of.tzinfo is None or (last_try_at is not None and last_try_at.tzinfo is None):
        raise InputError("gate", "as_of and last_try_at", "expected times with a timezone")
    waited = policy.budget_carry if last_try_at is None else min(as_of - last_try_at, policy.budget_carry)
    share = max(waited, timedelta(0)) / (YEAR + policy.budget_carry)
    return policy.yearly_false_promotions * share
