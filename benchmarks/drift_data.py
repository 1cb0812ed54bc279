"""Real populations: a frozen reference and a pool that windows are drawn from, with a champion's score on both.

Rows of reference and pool are split at random, anew for each `split`, so that truly nothing moves between them; only
the Census and the planted data are split by time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pools import KNOWS_THE_OUTCOME, REPOSITORY, SHARED
from sklearn.ensemble import HistGradientBoostingClassifier

from monitoring.checks import SCORE
from monitoring.columns import categories
from monitoring.prepared import PreparedReference, prepare
from monitoring.values import Kind

CREDIT = SHARED / "give_me_some_credit.parquet"
CENSUS = SHARED / "acs_employment.parquet"
PLANTED = SHARED / "car_loan_planted_drift.parquet"
LOANS = REPOSITORY / "data" / "sba_loans.csv.gz"
CREDIT_NAMES = {
    "RevolvingUtilizationOfUnsecuredLines": "utilisation",
    "NumberOfTime30-59DaysPastDueNotWorse": "late_30_59",
    "NumberOfTime60-89DaysPastDueNotWorse": "late_60_89",
    "NumberOfTimes90DaysLate": "late_90",
    "DebtRatio": "debt_ratio",
    "MonthlyIncome": "income",
    "NumberOfOpenCreditLinesAndLoans": "credit_lines",
    "NumberRealEstateLoansOrLines": "home_loans",
    "NumberOfDependents": "dependents",
    "SeriousDlqin2yrs": "y",
}
REFERENCE_ROWS = 30_000  # as mend.toml caps it
CHAMPION_ROWS = 10_000
QUICK_DRAWS = 2_000

Scorer = Callable[[pd.DataFrame], NDArray[np.float64]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Population:
    """Features, `score` and, in the pool, `y`. `scorer` scores rows anew after their features were changed."""

    name: str
    kinds: Mapping[str, Kind]
    reference: pd.DataFrame
    pool: pd.DataFrame
    draws: int
    scorer: Scorer | None = None

    @property
    def columns(self) -> dict[str, Kind]:
        """Everything that is judged: the features and the champion's score."""
        return {**self.kinds, SCORE: "numeric"}

    @cached_property
    def prepared(self) -> PreparedReference:
        """The reference as Mend prepares it."""
        score = self.reference[SCORE].to_numpy(dtype=np.float64)
        return prepare(self.reference, self.kinds, sha256="0" * 64, score=score, draws=self.draws)

    def rescored(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The rows with the score that the champion gives them now."""
        return rows if self.scorer is None else rows.assign(**{SCORE: self.scorer(rows)})


def credit(*, splits: int, seed: int, draws: int) -> Iterator[Population]:
    """Give Me Some Credit: 10,000 rows train the champion, 30,000 are the reference, 110,000 the pool."""
    rows = pd.read_parquet(CREDIT).drop(columns="id").rename(columns=CREDIT_NAMES).astype(float)
    order = np.random.default_rng(seed).permutation(len(rows))
    trained, rest = rows.iloc[order[:CHAMPION_ROWS]], rows.iloc[order[CHAMPION_ROWS:]]
    kinds: dict[str, Kind] = dict.fromkeys(rows.columns.drop("y"), "numeric")
    yield from _splits("Give Me Some Credit", trained, rest, kinds, REFERENCE_ROWS, splits, seed, draws)


def loans(*, splits: int, seed: int, draws: int) -> Iterator[Population]:
    """The shipped loans of 2001 to 2003, mend.toml's reference years, in halves; those before train the champion."""
    rows = pd.read_csv(LOANS, dtype={"naics_sector": str}, parse_dates=["application_date"])
    year = rows["application_date"].dt.year
    outcome = rows["charged_off_36m"].astype(float)
    rows = rows.drop(columns=["loan_id", "application_date", *KNOWS_THE_OUTCOME]).assign(y=outcome)
    numeric = ("employees", "jobs_created", "jobs_retained", "loan_amount", "sba_guaranteed_share")
    kinds: dict[str, Kind] = {name: "numeric" if name in numeric else "categorical" for name in rows.columns.drop("y")}
    rest = rows[year.between(2001, 2003)]
    yield from _splits("SBA loans", rows[year < 2001], rest, kinds, len(rest) // 2, splits, seed, draws)


def _splits(
    name: str,
    trained: pd.DataFrame,
    rest: pd.DataFrame,
    kinds: Mapping[str, Kind],
    reference_rows: int,
    splits: int,
    seed: int,
    draws: int,
) -> Iterator[Population]:
    scorer = _champion(trained, kinds)
    scored = rest.assign(**{SCORE: scorer(rest)}).reset_index(drop=True)
    for split in range(splits):
        order = np.random.default_rng([seed, split]).permutation(len(scored))
        parts = (scored.iloc[part].reset_index(drop=True) for part in np.split(order, [reference_rows]))
        reference, pool = parts
        yield Population(name=name, kinds=kinds, reference=reference, pool=pool, draws=draws, scorer=scorer)


def _champion(rows: pd.DataFrame, kinds: Mapping[str, Kind]) -> Scorer:
    """A real model, trained on rows that are in neither reference nor pool; unknown categories count as missing."""
    known = {name: sorted(categories(rows[name]).dropna().unique()) for name in kinds if kinds[name] == "categorical"}

    def encoded(frame: pd.DataFrame) -> pd.DataFrame:
        codes = {name: pd.Categorical(categories(frame[name]), categories=of).codes for name, of in known.items()}
        return frame[list(kinds)].assign(**{name: np.where(code < 0, np.nan, code) for name, code in codes.items()})

    settings = {"max_leaf_nodes": 15, "learning_rate": 0.05, "max_iter": 120, "random_state": 1}
    model = HistGradientBoostingClassifier(**settings).fit(encoded(rows).astype(float), rows["y"])
    return lambda frame: model.predict_proba(encoded(frame).astype(float))[:, 1]


# --- split by time ---------------------------------------------------------------------------------------------------

CENSUS_NOT_FEATURES = ["id", "year", "employed", "prediction", "predicted_probability"]
PLANTED_NOT_FEATURES = ["id", "timestamp", "repaid", "y_pred", "y_pred_proba", "partition"]
PLANTED_AT = "2019-03-31 03:00"
PLANTED_IN = frozenset({"car_value", "loan_length", "salary_range", "repaid_loan_on_prev_car"})


def census(*, seed: int, draws: int) -> Population:
    """Massachusetts: 30,000 rows of 2015 are the reference, 2016 to 2018 the pool.

    Features are age (numeric) and the 15 coded answers (categorical). Not features: id, year, the label `employed`
    and its prediction. The probability that came with the data is the score.
    """
    rows = pd.read_parquet(CENSUS).rename(columns={"predicted_probability": SCORE})
    kinds: dict[str, Kind] = {
        name: "numeric" if name == "AGEP" else "categorical"
        for name in rows.columns.drop([*CENSUS_NOT_FEATURES[:-1], SCORE])
    }
    rows = rows.astype({name: str for name, kind in kinds.items() if kind == "categorical"})
    first = rows["year"] == 2015
    reference = rows[first].sample(REFERENCE_ROWS, random_state=seed).reset_index(drop=True)
    pool = rows[~first].reset_index(drop=True)
    return Population(name="Census, Massachusetts", kinds=kinds, reference=reference, pool=pool, draws=draws)


def planted(*, draws: int) -> Population:
    """Car loans: the 50,000 rows marked as reference, and the 50,000 after them in order of time, with `after`."""
    rows = pd.read_parquet(PLANTED).rename(columns={"y_pred_proba": SCORE})
    numeric = ("car_value", "debt_to_income_ratio", "loan_length", "driver_tenure")
    kinds: dict[str, Kind] = {
        name: "numeric" if name in numeric else "categorical"
        for name in rows.columns.drop([*(set(PLANTED_NOT_FEATURES) - {"y_pred_proba"}), SCORE])
    }
    rows = rows.astype({name: str for name, kind in kinds.items() if kind == "categorical"})
    time = pd.to_datetime(rows["timestamp"])
    rows = rows.assign(after=time >= pd.Timestamp(PLANTED_AT)).iloc[np.argsort(time, kind="stable")]
    before = rows["partition"] == "reference"
    parts = (rows[side].reset_index(drop=True) for side in (before, ~before))
    reference, pool = parts
    return Population(name="Car loans, planted", kinds=kinds, reference=reference, pool=pool, draws=draws)
