"""What the ledger says was spent of the yearly error budget, and what is left for the next try."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pipeline.gate.budget import YEAR, spendable
from pipeline.gate.values import GatePolicy
from pipeline.stores.ledger import Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorBudget:
    """Chances that a model no better is promoted: a year's, what the last 365 days took, what the next try may."""

    yearly: float
    spent_365_days: float
    tries_365_days: int
    next_try: float


def error_budget(ledger: Ledger, policy: GatePolicy, *, now: datetime) -> ErrorBudget:
    """The budget as it stands."""
    spent = [row for row in ledger.acts("trial") if row["error_spent"] > 0]
    recent = [row["error_spent"] for row in spent if row["as_of"] > now - YEAR]
    return ErrorBudget(
        yearly=policy.yearly_false_promotions,
        spent_365_days=sum(recent),
        tries_365_days=len(recent),
        next_try=spendable(policy=policy, as_of=now, last_try_at=max((row["as_of"] for row in spent), default=None)),
    )


def last_try(ledger: Ledger, challenger: str, *, as_of: datetime) -> datetime | None:
    """When a comparison on record last spent of the yearly error budget, before this one.

    Comparisons stand in the ledger's order, so that judging a recorded one again finds what it found. One that is later
    than `as_of` counts too: nothing has accrued since.
    """
    trials = ledger.acts("trial")
    own = [place for place, row in enumerate(trials) if (row["challenger"], row["as_of"]) == (challenger, as_of)]
    before = trials[: own[0]] if own else trials
    return max((row["as_of"] for row in before if row["error_spent"] > 0), default=None)
