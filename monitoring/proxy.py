"""Proxy metrics: what scored traffic says about the model's health before any outcome is known."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from monitoring.columns import Numbers, numbers
from monitoring.performance import wilson_interval
from monitoring.values import Window, time_text, utc

COLUMNS = ("event_time", "score", "decision", "missing_share", "label_known")
PARTS = (24, 4, 1)  # of a lookback of 24 h: the last 1 h, 6 h and 24 h

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyWindow:
    """One stretch of traffic, [start, end). Everything but counts is None where nothing was measured, never NaN.

    `volume`: rows. `unscored`: rows among them without a usable score (a probability) and decision (0 or 1); scores,
    rate and entropy are over the others, coverage and missing share over all. Intervals are Wilson's, 95 %. `entropy`:
    mean binary entropy of the scores, nats, in [0, ln 2]. `missing_share`: mean share of features missing in a row.
    """

    label: str
    start: datetime
    end: datetime
    volume: int
    unscored: int
    score_mean: float | None
    score_std: float | None
    score_quartiles: tuple[float, float, float] | None
    predicted_positive_rate: float | None
    predicted_positive_interval: Interval | None
    entropy: float | None
    label_coverage: float | None
    label_coverage_interval: Interval | None
    missing_share: float | None

    def to_json(self) -> dict[str, Any]:
        document = asdict(self) | {"start": time_text(self.start), "end": time_text(self.end)}
        return {key: list(value) if isinstance(value, tuple) else value for key, value in document.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyMetrics:
    """Three nested windows that end at `as_of`, shortest first. `freshness_s`: age of the newest event, seconds."""

    as_of: datetime
    lookback_s: float
    freshness_s: float | None
    windows: tuple[ProxyWindow, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "schema_version": 1,
            "timestamp": time_text(self.as_of),
            "lookback_s": self.lookback_s,
            "freshness_s": self.freshness_s,
            "windows": [window.to_json() for window in self.windows],
        }


def proxy_metrics(scored: pd.DataFrame, *, as_of: datetime, lookback: timedelta) -> ProxyMetrics:
    """Describe scored traffic over the last 24th, the last quarter and the whole of the lookback.

    Args:
        scored: One row per application: `event_time` (timezone-aware), `score` (probability of bad, 0-1), `decision`
            (1 = predicted bad), `missing_share` (of the row's features, 0-1), `label_known` (bool; missing: not known).
            Further columns are ignored, and so is what happened at or after `as_of`.
        as_of: End of every window, timezone-aware.
        lookback: Length of the longest one, > 0.

    Returns:
        The metrics; a window without rows has volume 0 and nothing else.

    Raises:
        ValueError: A column is missing or not numbers, a time is naive, or the lookback is not positive.

    >>> times = pd.to_datetime(["2006-01-01T12:00Z", "2006-01-01T23:30Z"])
    >>> scored = pd.DataFrame({"event_time": times, "score": [0.2, 0.4], "decision": [0, 1]})
    >>> scored = scored.assign(missing_share=0.0, label_known=False)
    >>> day = proxy_metrics(scored, as_of=datetime.fromisoformat("2006-01-02T00Z"), lookback=timedelta(days=1))
    >>> [(window.label, window.volume, window.predicted_positive_rate) for window in day.windows]
    [('1h', 1, 1.0), ('6h', 1, 1.0), ('24h', 2, 0.5)]
    >>> day.freshness_s
    1800.0
    """
    as_of = utc(as_of, "as_of")
    if lookback <= timedelta(0):
        raise ValueError(f"lookback must be > 0, got {lookback}")
    if missing := [name for name in COLUMNS if name not in scored.columns]:
        raise ValueError(f"scored traffic lacks {', '.join(missing)}")
    times = _times(scored["event_time"])
    past = times[times < pd.Timestamp(as_of)]
    return ProxyMetrics(
        as_of=as_of,
        lookback_s=lookback.total_seconds(),
        freshness_s=(pd.Timestamp(as_of) - past.max()).total_seconds() if len(past) else None,
        windows=tuple(_describe(scored, times, as_of=as_of, length=lookback / part) for part in PARTS),
    )


def _times(column: pd.Series[Any]) -> pd.Series[Any]:
    if len(column) and not isinstance(column.dtype, pd.DatetimeTZDtype):
        raise ValueError(f"event_time must be timezone-aware datetimes, got {column.dtype}")
    return pd.to_datetime(column, utc=True)


def _describe(scored: pd.DataFrame, times: pd.Series[Any], *, as_of: datetime, length: timedelta) -> ProxyWindow:
    window = Window(start=as_of - length, end=as_of)
    rows = scored[(times >= pd.Timestamp(window.start)) & (times < pd.Timestamp(window.end))]
    score, decision, gaps = (_numbers(rows, name) for name in ("score", "decision", "missing_share"))
    usable = (score >= 0) & (score <= 1) & np.isin(decision, (0, 1))  # a NaN is none of these
    score, positive = score[usable], int(decision[usable].sum())
    known = int(rows["label_known"].eq(True).fillna(False).sum())
    gaps = gaps[np.isfinite(gaps)]
    some = score.size > 0
    return ProxyWindow(
        label=duration_text(length),
        start=window.start,
        end=window.end,
        volume=len(rows),
        unscored=len(rows) - score.size,
        score_mean=float(score.mean()) if some else None,
        score_std=float(score.std()) if some else None,
        score_quartiles=_quartiles(score) if some else None,
        predicted_positive_rate=positive / score.size if some else None,
        predicted_positive_interval=wilson_interval(positive, score.size) if some else None,
        entropy=float(binary_entropy(score).mean()) if some else None,
        label_coverage=known / len(rows) if len(rows) else None,
        label_coverage_interval=wilson_interval(known, len(rows)) if len(rows) else None,
        missing_share=float(gaps.mean()) if gaps.size else None,
    )


def _numbers(rows: pd.DataFrame, name: str) -> Numbers:
    try:
        return numbers(rows[name])
    except ValueError as error:
        raise ValueError(f"{name} {error}") from error


def _quartiles(score: Numbers) -> tuple[float, float, float]:
    low, middle, high = np.quantile(score, [0.25, 0.5, 0.75]).tolist()
    return low, middle, high


def binary_entropy(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Entropy of a yes-or-no with this probability: nats, in [0, ln 2], 0 for a certain one.

    Source:
        Shannon (1948), "A mathematical theory of communication", Bell System Technical Journal 27:379-423.

    >>> binary_entropy(np.array([0.0, 0.5, 1.0])).round(6).tolist()
    [0.0, 0.693147, 0.0]
    """
    both = np.stack([probability, 1 - probability])
    terms: NDArray[np.float64] = both * np.log(both, out=np.zeros_like(both), where=both > 0)
    entropy: NDArray[np.float64] = np.abs(terms.sum(axis=0))  # no term is positive; minus would make a zero -0.0
    return entropy


def duration_text(length: timedelta) -> str:
    """A length in the unit that reads best: hours up to 24, days from there on.

    >>> [duration_text(timedelta(hours=hours)) for hours in (0.5, 1, 6, 24, 180)]
    ['30m', '1h', '6h', '24h', '7.5d']
    """
    seconds = length.total_seconds()
    for unit, size, most in ("s", 1, 60), ("m", 60, 3600), ("h", 3600, 86401):
        if seconds < most:
            return f"{seconds / size:g}{unit}"
    return f"{seconds / 86400:g}d"
