"""Pools of real scores: two real models on disjoint samples, cut-offs tuned on a third, both scored on the rest.

A pool stands for a portfolio: windows are drawn from it, and what holds on the whole pool is what is true.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from scipy.special import expit, logit
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from monitoring.performance import decision_cells, f1
from pipeline.gate.models import Decided

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("MEND_SHARED", REPOSITORY.parent / "shared" / "data"))
KNOWS_THE_OUTCOME = ["charged_off_36m", "label_date_36m", "charged_off_ever", "charge_off_date", "sampling_weight"]
NOT_A_FEATURE = ["loan_id", "application_date", *KNOWS_THE_OUTCOME]

Numbers = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Portfolio:
    """Features and outcomes, and which rows are for what: two disjoint training samples, tuning, and the pool."""

    name: str
    x: pd.DataFrame
    y: NDArray[np.int8]
    amount: Numbers  # money at stake; 1 each where the data do not say
    samples: tuple[Rows, Rows]
    tuning: Rows
    pool: Rows


@dataclass(frozen=True, kw_only=True, eq=False)
class Pair:
    """Champion and challenger over the same pool of rows."""

    y: NDArray[np.int8]
    amount: Numbers
    champion: Decided
    challenger: Decided

    @property
    def cells(self) -> Numbers:
        """Share of the pool in each cell of outcome x decision x decision, shape (8,)."""
        return np.bincount(decision_cells(self.y, self.champion.bad, self.challenger.bad), minlength=8) / len(self.y)

    @property
    def swapped(self) -> Pair:
        """The roles exchanged."""
        return replace(self, champion=self.challenger, challenger=self.champion)


def portfolios(console: Console, *, seed: int) -> Iterator[Portfolio]:
    """Give Me Some Credit, if it is there, and the shipped loans."""
    path = SHARED / "give_me_some_credit.parquet"
    if path.exists():
        yield give_me_some_credit(path, seed=seed)
    else:
        console.print(f"[bold red]MISSING: {path}. Going on with the loans alone.[/]")
    yield shipped_loans(REPOSITORY / "data" / "sba_loans.csv.gz", seed=seed)


def give_me_some_credit(path: Path, *, seed: int) -> Portfolio:
    """Two samples of 20,000, 10,000 to tune on, a pool of 100,000."""
    rows = pd.read_parquet(path)
    y = rows["SeriousDlqin2yrs"].to_numpy(dtype=np.int8)
    x = rows.drop(columns=["id", "SeriousDlqin2yrs"]).astype(float)
    return _split("Give Me Some Credit", x, y, np.ones(len(y)), (20_000, 20_000, 10_000), seed=seed)


def shipped_loans(path: Path, *, seed: int) -> Portfolio:
    """Two samples of 5,000, 2,500 to tune on, a pool of 11,766; dates are left aside."""
    rows = pd.read_csv(path)
    y = rows["charged_off_36m"].to_numpy(dtype=np.int8)
    x = rows.drop(columns=NOT_A_FEATURE)
    for column in x.select_dtypes(exclude="number"):
        x[column] = x[column].astype("category").cat.codes.astype(float)
    return _split(
        "SBA loans", x.astype(float), y, rows["loan_amount"].to_numpy(float), (5_000, 5_000, 2_500), seed=seed
    )


def _split(
    name: str, x: pd.DataFrame, y: NDArray[np.int8], amount: Numbers, sizes: tuple[int, int, int], *, seed: int
) -> Portfolio:
    first, second, tuning, pool = np.split(np.random.default_rng(seed).permutation(len(y)), np.cumsum(sizes))
    return Portfolio(name=name, x=x, y=y, amount=amount, samples=(first, second), tuning=tuning, pool=pool)


def fit(data: Portfolio, rows: Rows, *, columns: Any = None, seed: int = 1, **settings: Any) -> Decided:
    """A model trained on some rows, its scores on the pool, and the cut-off with the best F1 on the tuning rows."""
    x = data.x if columns is None else data.x[list(columns)]
    made = {"max_leaf_nodes": 15, "learning_rate": 0.05, "max_iter": 120, **settings}
    with threadpool_limits(1, user_api="openmp"):  # two threads on a busy machine wait for each other
        model = HistGradientBoostingClassifier(random_state=seed, **made).fit(x.iloc[rows], data.y[rows])
        tuning, pool = (model.predict_proba(x.iloc[part])[:, 1] for part in (data.tuning, data.pool))
    return Decided(pool, best_cut(data.y[data.tuning], tuning))


def best_cut(y: NDArray[np.int8], score: Numbers) -> float:
    """The cut-off with the best F1: every score is a candidate."""
    order = np.argsort(-score, kind="stable")
    caught, called = np.cumsum(y[order]), np.arange(1, len(y) + 1)
    return float(score[order][int(np.argmax(2 * caught / (y.sum() + called)))])


def real_pair(data: Portfolio) -> Pair:
    """The same recipe on two disjoint samples; the one with the better F1 on the pool is the challenger."""
    y = data.y[data.pool]
    models = sorted((fit(data, rows) for rows in data.samples), key=lambda model: f1(y, model.bad))
    return Pair(y=y, amount=data.amount[data.pool], champion=models[0], challenger=models[1])


# --- the same model, made worse or made to decide otherwise, until a metric is what it should be ------------------


def with_noise(model: Decided, rng: np.random.Generator) -> Callable[[float], Decided]:
    """Noise on the log-odds, more or less of it."""
    noise, log_odds = rng.normal(size=len(model.score)), logit(np.clip(model.score, 1e-6, 1 - 1e-6))
    return lambda amount: Decided(expit(log_odds + amount * noise), model.threshold)


def bisect(
    make: Callable[[float], Decided], falling: Callable[[Decided], float], target: float, high: float
) -> Decided:
    """The model at which a measure, falling as more is done to it, comes down to a target."""
    low = 0.0
    for _ in range(26):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(make(middle)) > target else (low, middle)
    return make(high)


def apart(
    pair: Pair, level: Callable[[Decided], float], *, by: float, rng: np.random.Generator, relative: bool = False
) -> Pair:
    """The pair with noise on one of the two, so that the challenger's level is the champion's plus `by` (or times
    1 + `by`) on the pool. More is better.

    Raises:
        ValueError: Noise cannot bring it about.
    """
    ours, theirs = level(pair.champion), level(pair.challenger)
    goal = ours * (1 + by) if relative else ours + by
    if theirs > goal:
        pair = replace(pair, challenger=bisect(with_noise(pair.challenger, rng), level, goal, 8.0))
    else:
        need = theirs / (1 + by) if relative else theirs - by
        pair = replace(pair, champion=bisect(with_noise(pair.champion, rng), level, need, 8.0))
    ours, theirs = level(pair.champion), level(pair.challenger)
    off = theirs - (ours * (1 + by) if relative else ours + by)
    if abs(off) > 2e-3 * max(abs(ours), 1e-9):
        raise ValueError(f"wanted {by:+}, got {theirs} beside {ours}")
    return pair


def equal_pairs(pair: Pair, *, rng: np.random.Generator) -> dict[str, Pair]:
    """Three ways to be equally good by F1: similar decisions, a challenger that calls fewer bad, one that calls more.

    The last two: both at 95 % of the champion's F1, the champion by noise, the challenger by its cut-off.
    """

    def level(model: Decided) -> float:
        return f1(pair.y, model.bad)

    goal = 0.95 * level(pair.champion)
    champion, free = bisect(with_noise(pair.champion, rng), level, goal, 8.0), pair.challenger
    fewer = bisect(lambda t: replace(free, threshold=free.threshold + t * (1 - free.threshold)), level, goal, 1.0)
    more = bisect(lambda t: replace(free, threshold=free.threshold * (1 - t)), level, goal, 1.0)
    return {
        "same recipe, other sample": apart(pair, level, by=0.0, rng=rng),
        "challenger calls fewer bad": replace(pair, champion=champion, challenger=fewer),
        "challenger calls more bad": replace(pair, champion=champion, challenger=more),
    }
