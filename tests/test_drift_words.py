"""What moved, in plain sentences."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from monitoring.contribution import contributions, prepare_contribution
from monitoring.drift import drift_summary
from monitoring.prepared import prepare
from monitoring.summary import DriftPolicy
from monitoring.values import Kind, Window
from pipeline.drift_frames import contributions_frame, drift_checks_frame, joint_frame, joint_sentence
from pipeline.drift_words import sentences

NOW = datetime(2006, 7, 1, tzinfo=UTC)
KINDS: dict[str, Kind] = {"loan_amount": "numeric", "state": "categorical"}
RNG = np.random.default_rng(7)
BEFORE = pd.DataFrame(
    {"loan_amount": RNG.lognormal(11, 0.5, 4000).round(-2), "state": RNG.choice(["CA", "TX"], 4000, p=[0.8, 0.2])}
)
BEFORE["score"] = 0.1 + 0.2 * (BEFORE["loan_amount"] > 60_000)
PREPARED = prepare(BEFORE, KINDS, sha256="ab" * 32, score=BEFORE["score"].to_numpy(), draws=400)


def look(now: pd.DataFrame) -> Any:
    window = Window(start=NOW - timedelta(days=30), end=NOW)
    return drift_summary(PREPARED, now, policy=DriftPolicy(), window=window, as_of=NOW)


def said(now: pd.DataFrame) -> tuple[str, ...]:
    bins = {name: item.bins for name, item in PREPARED.features.items() if item.bins is not None}
    dependence = prepare_contribution(
        lambda frame: 0.1 + 0.2 * (frame["loan_amount"] > 60_000), BEFORE, KINDS, bins, rows=200, seed=7
    )
    counts = {
        name: np.append(PREPARED.features[name].bins.count(now[name].dropna().to_numpy()), now[name].isna().sum())
        for name in KINDS
    }
    units = {"loan_amount": "USD"}
    return sentences(look(now), units=units, contributions=contributions(dependence, counts))


def a_window(rows: int = 1000, **columns: Any) -> pd.DataFrame:
    return BEFORE.sample(rows, random_state=3, ignore_index=True).assign(**columns)


def test_nothing_moved_says_nothing() -> None:
    assert said(a_window()) == ()


def test_direction_size_unit_since_rows_and_weight_are_in_one_sentence() -> None:
    now = a_window()
    now["loan_amount"] = now["loan_amount"] * 1.5
    (sentence,) = [each for each in said(now) if each.startswith("loan_amount")]
    median, before = now["loan_amount"].median(), BEFORE["loan_amount"].median()
    assert "median up " in sentence
    assert "USD (PSI " in sentence
    assert "since 1 July 2006; 1,000 rows; carries 100 % of the score" in sentence
    assert f"{median:,.0f}"[:3] in sentence
    assert median > before


def test_the_score_comes_first_then_what_moves_it_most() -> None:
    now = a_window(state="TX")
    now = now.assign(loan_amount=now["loan_amount"] * 1.5, score=0.3)
    assert [each.partition(":")[0] for each in said(now)] == ["score", "loan_amount", "state"]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        pytest.param({"state": "TX"}, "TX from 20 % to 100 %", id="a category"),
        pytest.param({"state": "ZZ"}, "100 % in categories never seen", id="a new one"),
        pytest.param({"loan_amount": 1e9}, "100 % of values beyond any in the reference", id="beyond"),
        pytest.param({"state": [None, "CA", "CA", "CA", "TX"] * 200}, "missing from 0 % to 20 %", id="missing"),
    ],
)
def test_each_question_has_its_words(columns: dict[str, Any], words: str) -> None:
    assert any(words in each for each in said(a_window(**columns)))


def test_checks_as_a_table_have_the_farthest_first_and_every_question() -> None:
    frame = drift_checks_frame(look(a_window(state="TX")), {"loan_amount": "USD"})
    assert len(frame) == PREPARED.questions
    assert frame["fold"].is_monotonic_decreasing
    assert frame.iloc[0]["feature"] == "state"
    assert frame.loc[frame["drifted"], "since"].notna().all()


def test_tables_stand_where_there_is_nothing() -> None:
    assert contributions_frame(()).empty
    assert joint_frame(None).empty
    assert "not been tested" in joint_sentence(None)
