"""Traffic made to order: a portfolio's own applicants drawn again, with a known change at a known moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from monitoring.drift import drift_summary
from monitoring.prepared import PreparedReference, prepare
from monitoring.scenarios import Applied, apply
from monitoring.summary import DriftPolicy, DriftSummary
from monitoring.values import State, Window, time_text
from pipeline.errors import InputError
from pipeline.reference import choose_reference
from pipeline.settings import Settings
from pipeline.traffic.portfolio import Portfolio, between

DAY = timedelta(days=1)
_MOST_ROWS = 5_000_000  # rows at once; a row takes about 1 kB in memory while it is made


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is simulated. `change_at` is the day, counted from go-live, on which the scenario starts."""

    scenario: str
    feature: str | None = None
    strength: float | None = None
    period: timedelta = timedelta(days=7)
    rows_per_day: int = 2000
    days: int = 30
    change_at: int = 10
    seed: int = 7

    def __post_init__(self) -> None:
        if min(self.rows_per_day, self.days) < 1 or self.rows_per_day * self.days > _MOST_ROWS:
            asked = f"{self.rows_per_day:,} rows a day for {self.days:,} days"
            raise InputError("simulate", f"expected 1 to {_MOST_ROWS:,} rows, got {asked}")
        if not 0 <= self.change_at < self.days:
            raise InputError("--change-at", f"expected a day from 0 to {self.days - 1}, got {self.change_at}")
        if self.seed < 0:
            raise InputError("--seed", f"expected a whole number >= 0, got {self.seed}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """Rows as `Portfolio.rows` has them, from go-live on; `outside` were made, but lie outside the settings' ranges."""

    plan: Plan
    rows: pd.DataFrame
    outside: int
    start: datetime
    change: datetime
    end: datetime
    applied: Applied


def simulate(portfolio: Portfolio, settings: Settings, plan: Plan) -> Simulated:
    """Draw applicants of the reference window, with replacement, and change them from a day on.

    Before the change nothing differs from the reference but chance. Every drawn row keeps its outcome and how long
    that took to be known; where a scenario turns an outcome, a delay of that outcome is drawn.

    Raises:
        InputError: The scenario cannot be done on these rows, or no row lies in the reference window.
    """
    start = settings.train.go_live
    times = _spread_over_days(start, plan)
    rows, applied = draw(portfolio, settings, plan, times, unchanged=plan.rows_per_day * plan.change_at)
    rows.insert(0, "application_id", _ids(portfolio, plan))
    inside = in_range(rows, settings)
    return Simulated(
        plan=plan,
        rows=rows[inside].reset_index(drop=True),
        outside=int((~inside).sum()),
        start=start,
        change=start + plan.change_at * DAY,
        end=start + plan.days * DAY,
        applied=applied,
    )


def draw(
    portfolio: Portfolio, settings: Settings, plan: Plan, times: pd.Series[Any], *, unchanged: int
) -> tuple[pd.DataFrame, Applied]:
    """One applicant of the reference window for each time, with outcome and `known_at`; the first ones `unchanged`.

    Raises:
        InputError: The scenario cannot be done on these rows, or no row lies in the reference window.
    """
    pool = _pool(portfolio, settings)
    rng = np.random.default_rng(plan.seed)
    drawn = pool.iloc[rng.integers(len(pool), size=len(times))].reset_index(drop=True)
    drawn["event_time"] = times
    try:
        applied = apply(
            plan.scenario,
            drawn.iloc[unchanged:],
            settings.data.kinds,
            feature=plan.feature,
            strength=plan.strength,
            rng=rng,
            period=plan.period,
        )
    except ValueError as error:
        raise InputError("simulate", error) from None
    rows = pd.concat([drawn.iloc[:unchanged], applied.rows]) if unchanged else applied.rows
    return _with_delays(rows, pool, rng), applied


def _pool(portfolio: Portfolio, settings: Settings) -> pd.DataFrame:
    rows = portfolio.rows[between(portfolio.rows, settings.reference.start, settings.reference.end)]
    if rows.empty:
        raise InputError(settings.data_path, "no row in the reference window to draw from")
    drawn = rows[[*settings.data.features, "y"]].reset_index(drop=True)
    return drawn.assign(label_delay=(rows["known_at"] - rows["event_time"]).array, drawn_y=drawn["y"])


def _spread_over_days(start: datetime, plan: Plan) -> pd.Series[Any]:
    """Evenly over each day, the first at midnight."""
    gap = DAY / timedelta(microseconds=1) / plan.rows_per_day
    day, place = np.divmod(np.arange(plan.rows_per_day * plan.days), plan.rows_per_day)
    offset = day * np.int64(DAY / timedelta(microseconds=1)) + np.floor(place * gap).astype(np.int64)
    return pd.Series(pd.Timestamp(start) + pd.to_timedelta(offset, unit="us")).astype("datetime64[us, UTC]")


def _with_delays(rows: pd.DataFrame, pool: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    delay = rows.pop("label_delay").array.copy()
    drawn_y, y = rows.pop("drawn_y").to_numpy(), rows["y"].to_numpy()
    for outcome in (0, 1):
        turned = np.flatnonzero((y == outcome) & (drawn_y != outcome))
        if turned.size:
            delay[turned] = rng.choice(pool.loc[pool["y"] == outcome, "label_delay"].to_numpy(), turned.size)
    return rows.assign(known_at=(rows["event_time"] + delay).astype("datetime64[us, UTC]"))


def _ids(portfolio: Portfolio, plan: Plan) -> list[str]:
    """Ids that the portfolio does not have, in order of event time."""
    count, prefix = plan.rows_per_day * plan.days, "SIM"
    while portfolio.rows["application_id"].str.startswith(prefix).any():
        prefix += "X"
    width = len(str(count))
    return [f"{prefix}{number:0{width}d}" for number in range(1, count + 1)]


def in_range(rows: pd.DataFrame, settings: Settings) -> pd.Series[bool]:
    """What `read_portfolio` would not set aside."""
    inside = pd.Series(True, index=rows.index)
    for name, feature in settings.data.features.items():
        if feature.kind == "numeric":
            values = rows[name]
            low = -np.inf if feature.min is None else feature.min
            high = np.inf if feature.max is None else feature.max
            inside &= values.isna() | (np.isfinite(values) & values.between(low, high))
    return inside


def told(simulated: Simulated) -> dict[str, Any]:
    """What was simulated, in plain JSON values."""
    plan, applied = asdict(simulated.plan), simulated.applied
    plan["period_s"] = plan.pop("period").total_seconds()
    plan |= {"feature": ",".join(applied.features) or None, "strength": applied.strength}
    return plan | {
        "start": time_text(simulated.start),
        "change": time_text(simulated.change),
        "end": time_text(simulated.end),
        "done": applied.log,
        "touched": applied.touched,
        "rows": len(simulated.rows),
        "rows_outside_ranges": simulated.outside,
    }


# --- what Mend would have said ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One judgement of the last `lookback`; `after` the change, and so right to alarm, or before."""

    summary: DriftSummary
    after: bool

    @property
    def alarm(self) -> bool:
        return self.summary.state is State.DRIFT


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the looks come to. `first` is the first alarm after the change, and the how-manieth look since then."""

    before: int
    false_alarms: int
    after: int
    alarms_after: int
    unjudged: int
    first: Look | None
    first_at: int | None


def look_times(simulated: Simulated, *, every: timedelta, lookback: timedelta) -> list[datetime]:
    """From the first full lookback to the end of the simulated traffic.

    Raises:
        InputError: There is no such moment.
    """
    if min(every, lookback) <= timedelta(0):
        raise InputError("simulate", f"--every and --lookback: expected longer than nothing, got {every}, {lookback}")
    length = simulated.end - simulated.start - lookback
    if length < timedelta(0):
        raise InputError("--lookback", f"expected at most the {simulated.plan.days} days that are simulated")
    return [simulated.start + lookback + step * every for step in range(length // every + 1)]


def get_ready(portfolio: Portfolio, settings: Settings, *, tick: Callable[[str], None]) -> PreparedReference:
    """The reference that `mend init` would freeze, prepared; without a champion there is no score in it."""
    return prepare(
        choose_reference(portfolio, settings),
        settings.data.kinds,
        sha256=portfolio.sha256,
        seed=settings.train.seed,
        tick=tick,
    )


def looks(
    simulated: Simulated, reference: PreparedReference, policy: DriftPolicy, *, every: timedelta, lookback: timedelta
) -> Iterator[Look]:
    """Judge the simulated traffic at every moment, as a cycle would, each knowing the one before."""
    previous: DriftSummary | None = None
    for as_of in look_times(simulated, every=every, lookback=lookback):
        summary = _judge(simulated.rows, reference, policy, Window(start=as_of - lookback, end=as_of), previous)
        previous = summary if summary.judged else previous
        yield Look(summary=summary, after=as_of > simulated.change and simulated.applied.touched > 0)


def _judge(
    rows: pd.DataFrame,
    reference: PreparedReference,
    policy: DriftPolicy,
    window: Window,
    previous: DriftSummary | None,
) -> DriftSummary:
    seen = rows[between(rows, window.start, window.end)]
    newest = None if seen.empty else seen["event_time"].max().to_pydatetime()
    return drift_summary(
        reference, seen, policy=policy, window=window, as_of=window.end, newest_event=newest, previous=previous
    )


def policy_for(settings: Settings, *, every: timedelta, lookback: timedelta) -> DriftPolicy:
    """The settings' limits and false-alarm budget, for looks that are this far apart and go this far back."""
    monitor = settings.monitor.model_copy(update={"interval": every, "lookback": lookback})
    return settings.model_copy(update={"monitor": monitor}).drift_policy


def verdict(found: list[Look]) -> Verdict:
    """Count the looks and find the first alarm after the change."""
    before, after = ([look for look in found if look.after is side] for side in (False, True))
    first_at = next((place for place, look in enumerate(after, start=1) if look.alarm), None)
    return Verdict(
        before=len(before),
        false_alarms=sum(look.alarm for look in before),
        after=len(after),
        alarms_after=sum(look.alarm for look in after),
        unjudged=sum(not look.summary.judged for look in found),
        first=None if first_at is None else after[first_at - 1],
        first_at=first_at,
    )
