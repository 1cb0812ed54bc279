"""Any stretch of traffic against the reference, by hand: not on record, and not among the looks that may alarm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from monitoring.drift import drift_summary
from monitoring.summary import DriftSummary
from monitoring.values import Window
from pipeline.baseline import load_baseline
from pipeline.errors import InputError, RefusedError
from pipeline.watching import scored_by
from pipeline.wiring import Workspace

MOST_ROWS = 500_000  # some five seconds and a gigabyte


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a stretch looks like, and what share of the champion's score rests on each feature.

    Each check that has drifted says "since the end of this stretch": no earlier one was looked at.
    """

    summary: DriftSummary
    importance: Mapping[str, float]


def look_between(workspace: Workspace, start: datetime, end: datetime) -> Seen:
    """Judge the applications with event times in [start, end), as they were known at its end, by the champion's limits.

    Args:
        workspace: Whose traffic.
        start: First moment, aware.
        end: The moment after it, aware.

    Raises:
        InputError: The end is not after the start.
        RefusedError: More rows than can be read while somebody waits.
        NotInitialisedError: There is no champion.
    """
    if not start < end:
        raise InputError("window", f"expected an end after the start, got {start:%Y-%m-%d} to {end:%Y-%m-%d}")
    champion = workspace.require_champion()
    if (rows := workspace.traffic.volumes(start, end)["predictions"]) > MOST_ROWS:
        raise RefusedError("window", f"{rows:,} rows, at most {MOST_ROWS:,} are read here; choose a shorter one")
    baseline = load_baseline(workspace, champion["version"])
    traffic = scored_by(workspace, workspace.traffic.scored(start, end, as_of=end), champion["version"])
    summary = drift_summary(
        baseline.prepared,
        traffic,
        policy=workspace.settings.drift_policy,
        window=Window(start=start, end=end),
        as_of=end,
        newest_event=None if traffic.empty else traffic["event_time"].max().to_pydatetime(),
    )
    return Seen(summary=summary, importance=baseline.importance)
