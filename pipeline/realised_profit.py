"""What the champion's cut-off earned on final outcomes, and what another cut-off would have."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Any

import numpy as np
import pandas as pd

from monitoring.profit_curve import LEVEL, profit_at, profit_curve
from monitoring.scored_rows import ScoredRows
from pipeline.desk import Desk
from pipeline.gate.swap import booking_value

MOST_ROWS = 50_000  # the newest: the interval is a hundredth of the spread by then, and amounts are slow to read


def realised_profit(desk: Desk, final: ScoredRows, *, version: str) -> dict[str, Any] | None:
    """Profit per application by cut-off, as plain JSON values; None without a final outcome.

    Args:
        desk: Whose traffic, and what a decision is worth there (`[profit]`).
        final: Rows with a final outcome that this version scored; the newest 50,000 are read again with their amounts.
        version: The champion.
    """
    if not len(final.event_time):
        return None
    times = np.sort(final.event_time)[-MOST_ROWS:]
    start, last = (pd.Timestamp(each).to_pydatetime().replace(tzinfo=UTC) for each in (times[0], times[-1]))
    traffic = desk.workspace.traffic.scored(start, last + timedelta(microseconds=1), as_of=desk.as_of)
    rows = traffic[traffic["model_version"].eq(version) & traffic["y"].notna() & traffic["score"].between(0, 1)]
    profit = desk.settings.profit
    amount = np.ones(len(rows)) if profit.amount is None else rows[profit.amount].fillna(0.0).clip(lower=0.0)
    worth = booking_value(
        rows["y"].to_numpy(), amount, cost_of_bad=profit.cost_of_bad, gain_of_good=profit.gain_of_good
    )
    score = rows["score"].to_numpy(dtype=np.float64)
    threshold = float(desk.workspace.challenger(version)["threshold"])
    return {
        "rows": len(rows),
        "bad": int(rows["y"].sum()),
        "left_out": len(final.event_time) - len(rows),
        "unit": profit.unit,
        "level": LEVEL,
        "at_cutoff": profit_at(score, worth, threshold).to_json(),
        "curve": [point.to_json() for point in profit_curve(score, worth)],
    }
