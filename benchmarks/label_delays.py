"""What does a gate read when labels are late? The plain rule (every label known by now) against mature rows only.

Real outcomes and the scores of a real model; only the days on which the outcomes become known are made up, except in
the pattern "as recorded". Give Me Some Credit carries no dates: its rows are spread evenly over three years.

    .venv/bin/python benchmarks/label_delays.py

A bias of the plain rule is what it reads less the truth of the mature rows. On the loans the younger rows that it reads
too are truly riskier, which adds to the bias whichever way the labels come.

Give Me Some Credit may not be shipped. It is read from `MEND_SHARED`, by default `shared/data` beside the checkout.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sklearn.ensemble import HistGradientBoostingClassifier

from monitoring.performance import brier
from pipeline.gate.coverage import brier_shift
from pipeline.gate.rows import UNKNOWN, Applicants

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("MEND_SHARED", REPOSITORY.parent / "shared" / "data"))
MAX_BRIER_SHIFT = 0.002  # what gate G2 allows
MATURE_SHARE = 0.6  # of all rows, at the time of judging
EARLY_SHARE = 0.3  # of the labels of one vintage
KNOWS_THE_OUTCOME = ["charged_off_36m", "label_date_36m", "charged_off_ever", "charge_off_date", "sampling_weight"]
NOT_A_FEATURE = ["loan_id", "application_date", *KNOWS_THE_OUTCOME]

Days = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Portfolio:
    """Scored applicants whose final outcome is known today.

    Arrays have shape (n,), `event_time` in datetime64[us]; `recorded` is the real delay of each label, if there is one.
    """

    name: str
    y: NDArray[np.int64]
    score: NDArray[np.float64]
    event_time: NDArray[np.datetime64]
    horizon_days: int
    recorded: Days | None = None


def give_me_some_credit(folder: Path, *, seed: int) -> Portfolio:
    """Trained on 40,000 rows drawn at random, scored on the other 110,000. Event times are invented: evenly spread."""
    rows = pd.read_parquet(folder / "give_me_some_credit.parquet").sample(frac=1, random_state=seed)
    y, features = rows["SeriousDlqin2yrs"].to_numpy(), rows.drop(columns=["id", "SeriousDlqin2yrs"])
    model = HistGradientBoostingClassifier(random_state=seed).fit(features[:40_000], y[:40_000])
    minutes = np.linspace(0, 3 * 365 * 24 * 60, len(y) - 40_000).astype("timedelta64[m]")
    return Portfolio(
        name="Give Me Some Credit",
        y=y[40_000:],
        score=model.predict_proba(features[40_000:])[:, 1],
        event_time=np.datetime64("2021-01-01", "us") + minutes,
        horizon_days=365,
    )


def shipped_loans(path: Path, *, seed: int) -> Portfolio:
    """Trained on approvals of 1998 to 2001, scored on all later ones, at their real dates."""
    rows = pd.read_csv(path, parse_dates=["application_date", "label_date_36m"], dtype={"naics_sector": str})
    texts = rows.drop(columns=NOT_A_FEATURE).select_dtypes(exclude="number").columns
    features = rows.drop(columns=NOT_A_FEATURE).astype(dict.fromkeys(texts, "category"))
    year, y = rows["application_date"].dt.year, rows["charged_off_36m"].to_numpy()
    train, later = year.between(1998, 2001), year > 2001
    model = HistGradientBoostingClassifier(random_state=seed).fit(features[train], y[train])
    return Portfolio(
        name="SBA loans",
        y=y[later],
        score=model.predict_proba(features[later])[:, 1],
        event_time=rows.loc[later, "application_date"].to_numpy().astype("datetime64[us]"),
        horizon_days=1096,
        recorded=(rows["label_date_36m"] - rows["application_date"]).dt.days.to_numpy(dtype=float)[later],
    )


def bad_first(data: Portfolio, rng: np.random.Generator) -> Days:
    """Bad within the first third of the horizon, good within the last two."""
    drawn, third = rng.random(len(data.y)), data.horizon_days / 3
    return np.where(data.y == 1, drawn * third, third + drawn * 2 * third)


def bad_last(data: Portfolio, rng: np.random.Generator) -> Days:
    """The mirror: good within the first two thirds, bad within the last."""
    return data.horizon_days - bad_first(data, rng)


def late_bad(data: Portfolio, rng: np.random.Generator) -> Days:
    """Against the promise: bad first, but a fifth of the bad come up to half a horizon after it."""
    delay = bad_first(data, rng)
    late = (data.y == 1) & (rng.random(len(delay)) < 0.2)
    return np.where(late, data.horizon_days * rng.uniform(1, 1.5, len(delay)), delay)


def lost_at_random(data: Portfolio, rng: np.random.Generator) -> Days:
    """Against the promise: bad first, but a fifth of all labels never come."""
    return np.where(rng.random(len(data.y)) < 0.2, np.inf, bad_first(data, rng))


def lost_where_risky(data: Portfolio, rng: np.random.Generator) -> Days:
    """Against the promise: bad first, but half of the labels of the riskiest fifth never come."""
    risky = data.score >= np.quantile(data.score, 0.8)
    return np.where(risky & (rng.random(len(data.y)) < 0.5), np.inf, bad_first(data, rng))


PATTERNS: dict[str, Callable[[Portfolio, np.random.Generator], Days]] = {
    "bad first": bad_first,
    "bad last": bad_last,
    "a fifth of bad too late": late_bad,
    "a fifth lost at random": lost_at_random,
    "half of risky lost": lost_where_risky,
}


def label_delay_table(data: Portfolio, *, seed: int) -> list[dict[str, Any]]:
    """What both rules read under each delay pattern.

    Args:
        data: Scored applicants, at least a few hundred, of whom some are bad.
        seed: The same seed and portfolio give the same table.

    Returns:
        A row per pattern, when 60 % of the portfolio is mature; then one per pattern that keeps the promise, for one
        vintage of which 30 % of the labels are in. `truth` is the Brier score of all mature rows by their final label
        (of the whole vintage, while none is mature); a Brier score or bias is None when there is no row to read.
    """
    delays = {name: draw(data, np.random.default_rng(seed)) for name, draw in PATTERNS.items()}
    if data.recorded is not None:
        delays["as recorded"] = data.recorded
    promised = {name: delay for name, delay in delays.items() if delay.max() <= data.horizon_days}
    return [
        *(_when_mature(data, delay, pattern=name) for name, delay in delays.items()),
        *(_one_vintage(data, delay, pattern=f"{name}, 30 % in") for name, delay in promised.items()),
    ]


def _when_mature(data: Portfolio, delay: Days, *, pattern: str) -> dict[str, Any]:
    horizon = timedelta(days=data.horizon_days)
    applied = np.sort(data.event_time)
    as_of = applied[int(MATURE_SHARE * len(applied))].astype("datetime64[us]") + np.timedelta64(horizon)
    known = delay <= (as_of - data.event_time) / np.timedelta64(1, "D")
    here = data.event_time <= as_of
    applicants = Applicants(
        ids=np.array([f"{number:07d}" for number in range(int(here.sum()))]),
        event_time=data.event_time[here],
        y=np.where(known, data.y, UNKNOWN)[here],
        champion_score=data.score[here],
        challenger_score=data.score[here],
        champion_threshold=0.5,
        challenger_threshold=0.5,
        as_of=as_of.item().replace(tzinfo=UTC),
        horizon=horizon,
    )
    y, score = data.y[here], data.score[here]
    read = {"plain": applicants.y != UNKNOWN, "gate": applicants.labelled, "truth": applicants.mature}
    return _compared(data.name, pattern, y, score, read) | {"brier_shift": brier_shift(applicants)}


def _one_vintage(data: Portfolio, delay: Days, *, pattern: str) -> dict[str, Any]:
    nobody, everybody = np.zeros(len(delay), dtype=bool), np.ones(len(delay), dtype=bool)
    first = np.argsort(delay, kind="stable")[: int(EARLY_SHARE * len(delay))]
    read = {"plain": np.isin(np.arange(len(delay)), first), "gate": nobody, "truth": everybody}
    return _compared(data.name, pattern, data.y, data.score, read) | {"brier_shift": None}


def _compared(
    name: str, pattern: str, y: NDArray[np.int64], score: NDArray[np.float64], read: dict[str, NDArray[np.bool_]]
) -> dict[str, Any]:
    row: dict[str, Any] = {"portfolio": name, "pattern": pattern}
    for rule, rows in read.items():
        row |= {f"{rule}_rows": int(rows.sum()), f"{rule}_brier": brier(y[rows], score[rows]) if rows.any() else None}
    for rule in ("plain", "gate"):
        found = row[f"{rule}_brier"]
        row[f"{rule}_bias"] = None if found is None else found - row["truth_brier"]
    return row


def portfolios(console: Console, *, seed: int) -> Iterator[Portfolio]:
    if (SHARED / "give_me_some_credit.parquet").exists():
        yield give_me_some_credit(SHARED, seed=seed)
    else:
        console.print(f"[bold red]MISSING: {SHARED}/give_me_some_credit.parquet. Going on with the loans alone.[/]")
    yield shipped_loans(REPOSITORY / "data" / "sba_loans.csv.gz", seed=seed)


def main(*, seed: int = 20_240_229) -> None:
    console = Console(width=170)
    table = Table("portfolio", "labels", title="Brier score read when labels are late")
    for heading in (
        "mature rows",
        "truth",
        "plain rows",
        "plain",
        "bias",
        "gate rows",
        "gate",
        "bias",
        "shift",
        "G2 on it",
    ):
        table.add_column(heading, justify="right")
    for data in portfolios(console, seed=seed):
        for row in label_delay_table(data, seed=seed):
            table.add_row(*_shown(row))
        table.add_section()
    console.print(table)


def _shown(row: dict[str, Any]) -> Iterator[str]:
    yield from (row["portfolio"], row["pattern"])
    for key in ("truth_rows", "truth_brier", "plain_rows", "plain_brier", "plain_bias", "gate_rows", "gate_brier"):
        yield _number(row[key], signed=key.endswith("bias"))
    yield from (_number(row["gate_bias"], signed=True), _number(row["brier_shift"]))
    shift = row["brier_shift"]
    yield "–" if shift is None else ("holds" if shift <= MAX_BRIER_SHIFT else "refuses")


def _number(value: float | None, *, signed: bool = False) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:{'+' if signed else ''}.4f}"


if __name__ == "__main__":
    main()
