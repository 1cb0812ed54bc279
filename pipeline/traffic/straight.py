"""Scored applications straight into the store: a window full of traffic without a service, for trying things out."""

from __future__ import annotations

from datetime import datetime

import pandas as pd

from pipeline.traffic.arrivals import Arrived, scored
from pipeline.traffic.portfolio import Portfolio
from pipeline.traffic.simulation import Plan, draw, in_range
from pipeline.wiring import Workspace


def fill_window(workspace: Workspace, portfolio: Portfolio, plan: Plan, *, count: int, now: datetime) -> Arrived:
    """Applications of the last lookback, evenly spread, scored by the champion, with the outcomes known by now.

    Args:
        workspace: Which lives on the wall clock.
        portfolio: Where applicants are drawn from: its reference window.
        plan: Scenario, feature, strength, period and seed; all rows are changed.
        count: How many.
        now: When the window ends, UTC.

    Raises:
        InputError: The scenario cannot be done.
        NotInitialisedError: There is no champion.
    """
    lookback = workspace.settings.monitor.lookback
    step = lookback / count
    times = pd.Series([now - lookback + place * step for place in range(count)]).astype("datetime64[us, UTC]")
    rows, _ = draw(portfolio, workspace.settings, plan, times, unchanged=0)
    rows.insert(0, "application_id", [f"S{now:%y%m%d%H%M%S}-{number:07d}" for number in range(count)])
    rows = rows[in_range(rows, workspace.settings)].reset_index(drop=True)
    new = workspace.traffic.add_applications(rows, received_at=now)
    workspace.traffic.add_predictions(scored(workspace, rows, scored_at=now))
    known = rows[rows["y"].notna() & (rows["known_at"] <= now)]
    return Arrived(applications=new, labels=workspace.traffic.add_labels(known, recorded_at=now))
