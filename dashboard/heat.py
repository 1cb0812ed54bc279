"""Feature by time: how far past its limit each feature was at each look. Where nothing could be said, it says so."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime

import pandas as pd

from monitoring.summary import DriftSummary
from pipeline.stores.buckets import buckets

COLUMNS = ["feature", "as_of", "at", "fold", "drifted", "judged"]
MOST_LOOKS = 40  # columns that can be told apart on a page


def gravest(history: pd.DataFrame, most: int) -> list[datetime]:
    """Moments of at most so many looks, oldest first: of each stretch the gravest, and the first and the newest.

    Args:
        history: Thinned cycles, as `pipeline.stores.cycle_history.thinned` tells them, oldest first.
        most: How many, >= 4. Of each stretch one with a share of importance and one without is kept, where there are.
    """
    if len(history) <= most:
        return list(history["as_of"])
    ends = [history["as_of"].iloc[place] for place in (0, -1)]
    starts = [low for low, _ in buckets(*ends, most=most // 2 - 1)]
    stretch = [bisect_right(starts, moment) for moment in history["as_of"]]
    alike = history.assign(stretch=stretch, blind=history["weighted_share"].isna())
    kept = alike.sort_values(["gravity", "weighted_share", "as_of"]).groupby(["stretch", "blind"]).tail(1)
    return sorted({*kept["as_of"], *ends})


def heat(looks: Sequence[tuple[datetime, DriftSummary | None]], features: Sequence[str]) -> pd.DataFrame:
    """One row per feature and look, in the order of the features, oldest look first; columns as in `COLUMNS`.

    `fold` is the worst question's distance to its limit, 1 at it; NaN where no question had one.
    """
    alike = len({moment.date() for moment, _ in looks}) == len(looks)
    rows = [
        {"feature": feature, "as_of": moment, "at": f"{moment:%Y-%m-%d}" if alike else f"{moment:%m-%d %H:%M}"}
        | _cell(summary, feature)
        for feature in features
        for moment, summary in looks
    ]
    return pd.DataFrame(rows, columns=COLUMNS).astype({"fold": "float64", "drifted": bool, "judged": bool})


def _cell(summary: DriftSummary | None, feature: str) -> dict[str, object]:
    checks = [] if summary is None or not summary.judged else summary.checks
    asked = [check for check in checks if check.feature == feature and check.limit is not None]
    if not asked:
        return {"fold": None, "drifted": False, "judged": False}
    worst = max(check.fold for check in asked)
    return {
        "fold": min(worst, 99.0),
        "drifted": any(check.drifted for check in asked),
        "judged": True,
    }
