"""Applications as they were scored at the time, and what is known of their outcomes at one moment."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from monitoring.values import utc

UNKNOWN = -1  # an outcome that is not known

Times = NDArray[np.datetime64]
Flags = NDArray[np.bool_]

_COLUMNS = ("event_time", "score", "decision", "y", "known_at", "model_version")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScoredRows:
    """Applications as they were scored at the time, with the outcomes known at `as_of`. Arrays of shape (n,), n >= 0.

    Args:
        event_time: Time of application, datetime64[us] in UTC, not after `as_of`.
        score: Probability of bad, in [0, 1].
        decision: 1 for called bad, 0 for called good, as logged.
        y: Outcome: 1 bad, 0 good, -1 not known at `as_of`.
        known_at: When the outcome became known, not after `as_of`; NaT where it is not.
        model_version: Which model scored it.
        as_of: Time of looking, timezone-aware.
        horizon: Age from which an outcome is final, >= 0.
        unscored: Rows that are not among these because they have no usable score and decision.

    Raises:
        ValueError: Any of this does not hold.
    """

    event_time: Times
    score: NDArray[np.float64]
    decision: NDArray[np.int8]
    y: NDArray[np.int8]
    known_at: Times
    model_version: NDArray[np.str_]
    as_of: datetime
    horizon: timedelta
    unscored: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "as_of", utc(self.as_of, "as_of"))
        if self.horizon < timedelta(0):
            raise ValueError(f"horizon must be >= 0, got {self.horizon}")
        shapes = {name: getattr(self, name).shape for name in _COLUMNS}
        if len(set(shapes.values())) != 1 or self.event_time.ndim != 1:
            raise ValueError(f"expected columns of one length, got {shapes}")
        now, known = utc64(self.as_of), self.y != UNKNOWN
        for name, holds, expected in (
            ("event_time", self.event_time <= now, "a time that is not after as_of"),  # false for NaT too
            ("score", (self.score >= 0) & (self.score <= 1), "probabilities in [0, 1]"),
            ("decision", np.isin(self.decision, (0, 1)), "0 or 1"),
            ("y", np.isin(self.y, (0, 1, UNKNOWN)), "1, 0 or -1"),
            ("known_at", np.where(known, self.known_at <= now, np.isnat(self.known_at)), "a time up to as_of, with y"),
        ):
            if not holds.all():
                raise ValueError(f"{name}: expected {expected}, row {int(np.argmin(holds)) + 1} has something else")

    @classmethod
    def from_frame(cls, traffic: pd.DataFrame, *, as_of: datetime, horizon: timedelta) -> Self:
        """Scored traffic (`event_time, score, decision, y, known_at, model_version`) as it was known at `as_of`.

        An outcome known later is not known here. Rows without a usable score and decision are counted, not measured.
        """
        score, decision = (traffic[name].to_numpy(dtype=np.float64) for name in ("score", "decision"))
        usable = (score >= 0) & (score <= 1) & np.isin(decision, (0, 1))  # a NaN is none of these
        event_time, known_at = (_naive(traffic[name]) for name in ("event_time", "known_at"))
        y = traffic["y"].to_numpy(dtype=np.float64)
        known = ~np.isnan(y) & ~(known_at > utc64(as_of))
        if not np.isin(y[known], (0, 1)).all():
            raise ValueError("y: expected 0, 1 or nothing")
        return cls(
            event_time=event_time[usable],
            score=score[usable],
            decision=decision[usable].astype(np.int8),
            y=np.where(known, y, UNKNOWN)[usable].astype(np.int8),
            known_at=np.where(known, known_at, np.datetime64("NaT"))[usable],
            model_version=traffic["model_version"].to_numpy(dtype=np.str_)[usable],
            as_of=as_of,
            horizon=horizon,
            unscored=int((~usable).sum()),
        )

    @property
    def mature(self) -> Flags:
        """Old enough for the outcome to be final."""
        return np.asarray(self.event_time <= utc64(self.as_of) - np.timedelta64(self.horizon))

    @property
    def labelled(self) -> Flags:
        """Mature, and the outcome is known: the only rows that may be measured."""
        return np.asarray(self.mature & (self.y != UNKNOWN))

    @property
    def quarter(self) -> NDArray[np.int64]:
        """Calendar quarter of application, counted from the first of 1970."""
        return np.asarray(self.event_time.astype("datetime64[M]").astype(np.int64) // 3)

    def where(self, chosen: Flags) -> Self:
        """The chosen rows."""
        columns: dict[str, Any] = {spec.name: getattr(self, spec.name) for spec in fields(self)}
        return type(self)(**columns | {name: columns[name][chosen] for name in _COLUMNS})


def utc64(moment: datetime) -> np.datetime64:
    """A moment as numpy has it, in UTC."""
    return np.datetime64(utc(moment, "as_of").replace(tzinfo=None), "us")


def _naive(column: pd.Series[Any]) -> Times:
    if not isinstance(column.dtype, pd.DatetimeTZDtype):
        raise ValueError(f"{column.name} must be timezone-aware datetimes, got {column.dtype}")
    times: Times = column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy(dtype="datetime64[us]")
    return times
