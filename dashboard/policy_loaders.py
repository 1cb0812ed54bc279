"""What the policy page reads: recorded dossiers, tries, and simulated years. Nothing here writes."""

# ruff: noqa: ARG001  (arguments that nobody reads are keys of the cache)
from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import streamlit as st

from dashboard.loaders import TTL
from pipeline.gate.budget import YEAR
from pipeline.gate.dossier import Dossier
from pipeline.gate.simulate import Simulated
from pipeline.gate.values import GatePolicy
from pipeline.policy_replay import read_dossiers
from pipeline.simulating import Portfolio, behaviour, portfolio_of, tried_for_years
from pipeline.wiring import Workspace

SEED = 7  # the same question has the same answer
_TRIES = 50_000  # a kind of challenger: together about a third of a second
_YEARS = 200, 5000  # at least, so that an interval says something; at most, since more says no more


@st.cache_resource(ttl=TTL, max_entries=4, show_spinner="Reading the dossiers")
def dossiers(_workspace: Workspace, head: str) -> Mapping[str, Dossier | str]:
    """Every dossier on record by its digest, or why it cannot be read; frozen, so that nobody needs a copy."""
    return read_dossiers(_workspace)


@st.cache_data(ttl=TTL, max_entries=8, show_spinner=False)
def tries(_workspace: Workspace, head: str) -> list[dict[str, Any]]:
    """What the ledger says of each comparison: `as_of, challenger, error_spent`, oldest first."""
    return _workspace.ledger.acts("trial")


@st.cache_data(ttl=TTL, max_entries=8, show_spinner=False)
def portfolio(_workspace: Workspace, head: str) -> Portfolio:
    """How the newest dossier's models decide."""
    return portfolio_of(_workspace)


@st.cache_data(ttl=TTL, max_entries=256, show_spinner="Living through the years")
def chances(
    portfolio: Portfolio, *, gain: float, rows: int, every: timedelta, policy: GatePolicy
) -> tuple[Simulated, ...]:
    """What becomes of an equal challenger, one better by `gain`, and one worse by it."""
    years = years_for(every)
    found = tried_for_years(
        behaviour(portfolio, {}), [0.0, gain, -gain], rows=rows, every=every, years=years, policy=policy, seed=SEED
    )
    return tuple(found)


def years_for(every: timedelta) -> int:
    """How many years to live through, so that a change of a slider is answered at once.

    >>> years_for(timedelta(days=1)), years_for(timedelta(days=7)), years_for(timedelta(days=90))
    (200, 943, 5000)
    """
    a_year = -(-YEAR // every)
    least, most = _YEARS
    return min(max(_TRIES // a_year, least), most)
