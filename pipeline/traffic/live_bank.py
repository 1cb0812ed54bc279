"""A bank whose years take minutes: history and settings for living through drift, a challenger and a promotion."""

from __future__ import annotations

import io
import tomllib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.artefacts import write_atomically
from pipeline.errors import InputError
from pipeline.settings import Settings
from pipeline.traffic.portfolio import Portfolio, between
from pipeline.traffic.simulated_files import FAIRNESS, PORTFOLIO, SETTINGS, as_toml, in_units, require_free

HORIZON = timedelta(seconds=40)  # until an outcome is final; of the real loans three years
HISTORY = timedelta(minutes=30)
_ROWS = 20_000
_HELD = timedelta(minutes=10)  # the newest of history: after the first champion, before go-live

# What is not named here is as in the given settings.
_SECTIONS: dict[str, dict[str, Any]] = {
    "train": {"window": "3m", "holdback": "0s"},  # learn from all that is known; later outcomes judge
    "monitor": {
        "interval": "15s",
        "lookback": "60s",
        "false_alarm_period": "1h",
        "min_violations": 6,  # so that a window and a half of the new applicants is there to learn from
        "of_last": 8,
        "outcomes_every": "15s",
        "report_every": "10m",
    },
    "retrain": {"min_gap": "2m", "min_importance": 0.3},  # one feature that a third of the score rests on is enough
    "gate": {
        "cooldown": "1m",
        "patience": "20m",
        "yearly_false_promotions": 0.5,  # the budget of wrong promotions grows with the calendar: none grows in minutes
        "budget_carry": "365d",
    },
    "approval": {"expires_after": "30m"},
    "watch": {"period": "20m", "every": "1m"},
}


def write_live_bank(portfolio: Portfolio, settings: Settings, *, folder: Path, now: datetime) -> Path:
    """Write a portfolio of half an hour that ends now, and settings in which everything waits seconds, not years.

    Applicants are drawn from the reference window with what came of them; how long an outcome took to be known is
    shortened by the same factor for all.

    Args:
        portfolio: Whose applicants.
        settings: Whose features, segments, gates and money.
        folder: New or empty.
        now: Go-live, aware.

    Returns:
        The settings file.

    Raises:
        InputError: The folder holds something, or no row lies in the reference window.
    """
    require_free(folder)
    pool = portfolio.rows[between(portfolio.rows, settings.reference.start, settings.reference.end)]
    pool = pool[pool["y"].notna()]
    if pool.empty:
        raise InputError(settings.data_path, "no row with an outcome in the reference window to draw from")
    rng = np.random.default_rng(settings.train.seed)
    rows = pool.iloc[rng.integers(len(pool), size=_ROWS)].reset_index(drop=True)
    start = now - HISTORY
    times = _after(pd.Timestamp(start), np.sort(rng.random(_ROWS)) * HISTORY.total_seconds())
    delay_s = (rows["known_at"] - rows["event_time"]).dt.total_seconds().clip(upper=portfolio.horizon.total_seconds())
    known_at = _after(times, np.asarray(delay_s * (HORIZON / portfolio.horizon), dtype=np.float64))
    made = pd.DataFrame(
        {
            "application_id": [f"H{number:05d}" for number in range(_ROWS)],
            "event_time": times,
            **{name: rows[name] for name in settings.data.features},
            "bad": rows["y"].astype("int64"),
            "known_at": known_at,
        }
    )
    buffer = io.BytesIO()
    made.to_parquet(buffer, index=False)
    write_atomically(folder / PORTFOLIO, buffer.getvalue())
    if settings.fairness_policy_path is not None:
        write_atomically(folder / FAIRNESS, settings.fairness_policy_path.read_bytes())
    write_atomically(folder / SETTINGS, _settings_text(settings, start=start, go_live=now))
    return folder / SETTINGS


def _after(times: Any, seconds: NDArray[np.float64]) -> pd.Series[Any]:
    return pd.Series(times + pd.to_timedelta(seconds, unit="s")).astype("datetime64[us, UTC]")


def _settings_text(settings: Settings, *, start: datetime, go_live: datetime) -> str:
    content = tomllib.loads(settings.source.read_text(encoding="utf-8"))
    for section in ("stores", "alerts", "identity", "signing", "ledger", "keeping", "serving"):
        content.pop(section, None)  # a life of its own, on this machine
    content["model"]["workspace"] = "workspace"
    content["data"] |= {
        "path": PORTFOLIO,
        "id": "application_id",
        "event_time": "event_time",
        "label": {"column": "bad", "known_at": "known_at", "horizon": in_units(HORIZON)},
    }
    content["data"].pop("assumed_time", None)
    learned = go_live - _HELD
    content["reference"] |= {"start": start, "end": learned}
    content["train"] |= {"go_live": go_live, "champion_start": start, "champion_end": learned}
    for name, values in _SECTIONS.items():
        content[name] = content.get(name, {}) | values
    if settings.fairness_policy_path is not None:
        content["gate"]["fairness_policy"] = FAIRNESS
    return f"# Made by `mend live`: seconds stand for months.\n{as_toml(content).lstrip()}"
