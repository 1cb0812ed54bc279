"""What came of scored traffic, at one moment: by vintage, by age, by score band, and against what was promised."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from monitoring.bins import NumericBins
from monitoring.outcome_metrics import METRICS, Estimate, Realised, realised
from monitoring.performance_floor import FloorPolicy, FloorVerdict, performance_floor
from monitoring.realised import (
    Counts,
    ScoreBand,
    VintagePerformance,
    performance_by_vintage,
    recent_final,
    score_bands,
)
from monitoring.scored_rows import ScoredRows
from monitoring.values import time_text
from monitoring.vintages import TriangleCell, quarter_name, quarter_of, quarter_start, triangle
from pipeline.desk import Desk
from pipeline.promotion.review import read_dossier
from pipeline.realised_profit import realised_profit

VINTAGES = 12  # that can hold mature rows: three years, so that a cycle's cost does not grow with history
RECENT = 4  # vintages, judged together: a year, so that no season counts twice

_VINTAGES = ("vintage", "start", "final_at", "status", "rows", "mature", "labelled", "bad", "coverage", "models")
_SCORES = ("mean_score", "psi", "psi_by_chance", "expected")
_CELLS = ("vintage", "months", "age_days", "rows", "bad", "share", "low", "high")
_BANDS = ("band", "rows", "bad", "expected", "observed", "low", "high")


class Promise(NamedTuple):
    """What a champion was said to reach in a metric, and where that was said; None where it was not, and why."""

    value: float | None
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RealisedPerformance:
    """Realised performance as of one moment. `since`: application time from which traffic was read.

    `recent`: over the rows that the floor is judged on, the newest of which is of `recent_until`; None without any.
    `profit`: over the same rows, by cut-off, as plain JSON.
    """

    as_of: datetime
    since: datetime
    horizon: timedelta
    champion: str
    unscored: int
    vintages: tuple[VintagePerformance, ...]
    triangle: tuple[TriangleCell, ...]
    bands: tuple[ScoreBand, ...]
    floor: FloorVerdict
    promise_source: str
    recent: Realised | None
    recent_until: datetime | None
    profit: dict[str, Any] | None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, never NaN."""
        return {
            "schema_version": 1,
            "as_of": time_text(self.as_of),
            "since": time_text(self.since),
            "horizon_s": self.horizon.total_seconds(),
            "champion": self.champion,
            "unscored": self.unscored,
            "vintages": [vintage.to_json() for vintage in self.vintages],
            "triangle": [cell.to_json() for cell in self.triangle],
            "bands": [band.to_json() for band in self.bands],
            "floor": self.floor.to_json() | {"promise_source": self.promise_source},
            "recent": None
            if self.recent is None or self.recent_until is None
            else self.recent.to_json() | {"newest_event": time_text(self.recent_until)},
            "profit": self.profit,
        }


def realised_performance(
    desk: Desk, *, bins: NumericBins, reference: Counts, policy: FloorPolicy
) -> RealisedPerformance:
    """Measure what came of traffic, all of it as it was scored at the time by the champion of the day.

    Read are the last 12 quarters that can hold mature rows, and the immature ones since. The floor is judged on the
    latest mature rows that *today's* champion scored: how a model did that has since been replaced is no reason to
    train.

    Args:
        desk: A workspace at one moment.
        bins: Of the score, fixed on the reference. `reference`: its rows per bin.
        policy: Which metric must keep how much of its promise.
    """
    rows, since = scored_rows(desk)
    champion = desk.workspace.ledger.champion(desk.as_of) or desk.workspace.require_champion()
    promise = promise_of(desk, champion, metric=policy.metric)
    recent = recent_final(rows, model_version=champion["version"], last=RECENT)
    final = recent.where(recent.labelled)
    return RealisedPerformance(
        as_of=desk.as_of,
        since=since,
        horizon=desk.workspace.horizon,
        champion=champion["version"],
        unscored=rows.unscored,
        vintages=performance_by_vintage(rows, bins=bins, reference=reference),
        triangle=triangle(rows),
        bands=score_bands(rows, bins=bins, last=RECENT),
        floor=performance_floor(recent, promise=promise.value, policy=policy),
        promise_source=promise.source,
        recent=realised(final.y, final.score, final.decision) if len(final.y) else None,
        recent_until=_moment(final.event_time.max()) if len(final.y) else None,
        profit=realised_profit(desk, final, version=champion["version"]),
    )


def scored_rows(desk: Desk) -> tuple[ScoredRows, datetime]:
    """Traffic of the last vintages that can hold mature rows and of all since, and from when on that is."""
    newest = quarter_of(desk.as_of - desk.workspace.horizon)
    since = quarter_start(newest - VINTAGES + 1)
    return _read(desk, since, desk.as_of), since


def promise_of(desk: Desk, champion: dict[str, Any], *, metric: str) -> Promise:
    """The metric in the dossier that made this champion; of the first one, that of its first whole vintage, if final.

    The first vintage stays the same, however far traffic moves on: a floor that slid along with performance would
    never be reached.
    """
    if (digest := champion["digest"]) is not None:
        value = getattr(read_dossier(desk.workspace, digest).evidence.challenger, metric)
        return Promise(value, f"dossier {digest[:12]}" + ("" if value is not None else f", which has no {metric}"))
    first = quarter_of(champion["since"])
    if quarter_start(first) < champion["since"]:
        first += 1
    name, end = quarter_name(first), quarter_start(first + 1)
    if (final_at := end + desk.workspace.horizon) > desk.as_of:
        return Promise(None, f"its first vintage, {name}, is final on {final_at:%Y-%m-%d}")
    rows = _read(desk, quarter_start(first), end)
    rows = rows.where(rows.labelled & (rows.model_version == champion["version"]))
    if not len(rows.y):
        return Promise(None, f"its first vintage, {name}, has no final outcome")
    found = realised(rows.y, rows.score, rows.decision).of(metric)
    told = f"its first vintage, {name}, {len(rows.y)} final outcomes"
    return Promise(found.value, told if found.value is not None else f"{told}: {found.reason}")


def vintages_frame(performance: RealisedPerformance) -> pd.DataFrame:
    """One row per vintage, oldest first: counts, stability, and every metric with its limits where that is final.

    `expected` is the mean score of the rows that were judged, `mean_score` that of all; `note` says why a row has no
    metric.
    """
    rows = []
    for item in performance.vintages:
        vintage, found = item.vintage, item.realised
        row = {name: getattr(vintage, name) for name in _VINTAGES if hasattr(vintage, name)}
        row |= {"vintage": vintage.name, "status": "final" if vintage.is_final else "not final"}
        row |= {"models": ", ".join(f"version {version}: {n}" for version, n in item.models)}
        row |= {name: getattr(item, name) for name in _SCORES if hasattr(item, name)}
        row |= {"expected": found.mean_score if found else None, "note": item.reason or ""}
        row |= _limits(found.estimates if found else ())
        rows.append(row)
    limits = [name for metric in METRICS for name in (metric, f"{metric}_low", f"{metric}_high")]
    return _numeric(pd.DataFrame(rows, columns=[*_VINTAGES, *_SCORES, *limits, "note"]), "coverage", *_SCORES, *limits)


def triangle_frame(performance: RealisedPerformance) -> pd.DataFrame:
    """One row per vintage and age: the share gone bad by then, where the whole vintage is that old."""
    frame = pd.DataFrame([cell.to_json() for cell in performance.triangle], columns=list(_CELLS))
    return _numeric(frame, "bad", "share", "low", "high")


def bands_frame(performance: RealisedPerformance) -> pd.DataFrame:
    """One row per score band, rising: what was expected and what was observed, of the last year's final outcomes."""
    rows = [band.to_json() | {"band": band.name} for band in performance.bands]
    return _numeric(pd.DataFrame(rows, columns=list(_BANDS)), "expected", "observed", "low", "high")


def _read(desk: Desk, start: datetime, end: datetime) -> ScoredRows:
    traffic = desk.workspace.traffic.scored(start, end, as_of=desk.as_of, features=False)
    return ScoredRows.from_frame(traffic, as_of=desk.as_of, horizon=desk.workspace.horizon)


def _moment(time: np.datetime64) -> datetime:
    return pd.Timestamp(time, tz="UTC").to_pydatetime()


def _limits(estimates: tuple[Estimate, ...]) -> dict[str, float | None]:
    return {
        f"{estimate.metric}{suffix}": getattr(estimate, name)
        for estimate in estimates
        for name, suffix in (("value", ""), ("low", "_low"), ("high", "_high"))
    }


def _numeric(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """With numbers where there are any: a column of nothing but None would be drawn as text."""
    return frame.astype(dict.fromkeys(columns, "float64"))
