"""Feature by time: how far past its limit each feature was at each look. Where nothing could be said, it says so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pandas as pd

from monitoring.summary import DriftSummary

COLUMNS = ["feature", "as_of", "at", "fold", "drifted", "judged"]
MOST_LOOKS = 40  # columns that can be told apart on a page


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
