"""What moved most, where it matters: features by how far past their limit, times what the score rests on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from dashboard.words import day, percent
from monitoring.checks import SCORE
from monitoring.summary import DriftSummary
from pipeline.drift_frames import drift_checks_frame

COLUMNS = ["feature", "question", "seen", "fold", "drifted", "since", "rows", "psi", "importance", "weight", "told"]


def shares_of(result: Mapping[str, Any] | None) -> dict[str, float]:
    """Share of the champion's score that rests on each feature, as a look has it; nothing without a judged look."""
    found = [] if result is None else result["contributions"]
    return {each["feature"]: each["importance_share"] for each in found if each["importance_share"] is not None}


def ranked(summary: DriftSummary, importance: Mapping[str, float], units: Mapping[str, str]) -> pd.DataFrame:
    """One row per feature that has a limit, and the score, the heaviest change first.

    `fold` is the worst question's distance to its limit (1 is at it), `importance` the share of the champion's score
    that rests on the feature, `weight` their product: a small move of what matters beside a large one of what does not.
    The score itself carries all of it. Where no importance is known every feature counts alike, and it is NaN.
    """
    checks = drift_checks_frame(summary, units)
    judged = checks[checks["limit"].notna()] if len(checks) else checks
    if not len(judged):
        return pd.DataFrame(columns=COLUMNS)
    worst = judged.sort_values("fold", ascending=False).drop_duplicates("feature")
    psi = {check.feature: check.observed for check in summary.checks if check.code == "psi"}
    first = judged[judged["drifted"]].groupby("feature")["since"].min()
    carries = worst["feature"].map(importance).astype("float64").mask(worst["feature"].eq(SCORE), 1.0)
    fold = worst["fold"].astype("float64").replace(np.inf, np.nan).fillna(99.0)
    found = worst.assign(
        fold=fold,
        psi=worst["feature"].map(psi).astype("float64"),
        since=worst["feature"].map(first),
        importance=carries,
        weight=fold * (carries.fillna(0.0) if importance else 1.0),
    )
    found = found.assign(told=[_told(row) for row in found.to_dict("records")])
    return found.sort_values("weight", ascending=False)[COLUMNS].reset_index(drop=True)


def _told(row: Mapping[Any, Any]) -> str:
    """What stands under a feature's name."""
    parts = [] if pd.isna(row["psi"]) else [f"PSI {row['psi']:.3f}"]
    if row["feature"] != SCORE and pd.notna(row["importance"]):
        parts.append(f"{percent(row['importance'])} of the score")
    if pd.notna(row["since"]):
        parts.append(f"since {day(row['since'])}")
    return " · ".join(parts)
