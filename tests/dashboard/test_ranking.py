"""What moved, where it matters: a small move of what the score rests on comes before a large one of what it ignores."""

from __future__ import annotations

import dataclasses

import pytest
from builders import AS_OF
from dashboard_builders import a_summary
from hypothesis import given
from hypothesis import strategies as st

from dashboard.heat import MOST_LOOKS, gravest, heat
from dashboard.ranking import COLUMNS, ranked, shares_of
from monitoring.checks import Check
from monitoring.values import State


def a_check(feature: str, psi: float) -> Check:
    moved = psi >= 0.04
    since = AS_OF if moved else None
    return Check(feature=feature, code="psi", rows=500, expected=0.0, observed=psi, critical=0.03, limit=0.04,
                 drifted=moved, since=since)  # fmt: skip


def moved(**psi: float):
    summary = a_summary(State.DRIFT, names=("loan_amount", "low_doc"))
    checks = tuple(a_check(feature, value) for feature, value in psi.items())
    return dataclasses.replace(summary, checks=checks)


def test_distance_counts_by_what_the_score_rests_on_it() -> None:
    summary = moved(loan_amount=0.08, low_doc=0.4, score=0.05)
    frame = ranked(summary, {"loan_amount": 0.9, "low_doc": 0.02}, {})
    assert frame["feature"].tolist() == ["loan_amount", "score", "low_doc"]
    assert frame["weight"].round(3).tolist() == [1.8, 1.25, 0.2]
    assert frame["told"].tolist()[0] == "PSI 0.080 · 90 % of the score · since 1 Jul 2006"
    assert frame["told"].tolist()[1] == "PSI 0.050 · since 1 Jul 2006"


def test_where_no_importance_is_known_every_feature_counts_alike() -> None:
    frame = ranked(moved(loan_amount=0.08, low_doc=0.4), {}, {})
    assert frame["feature"].tolist() == ["low_doc", "loan_amount"]
    assert "of the score" not in frame["told"].str.cat()


def test_without_a_limit_there_is_nothing_to_rank() -> None:
    frame = ranked(a_summary(State.TOO_FEW_ROWS), {}, {})
    assert frame.empty
    assert list(frame.columns) == COLUMNS
    assert shares_of(None) == {}


def test_what_could_not_be_judged_is_a_dash_in_the_heat_map_and_no_calm() -> None:
    looks = [
        (AS_OF, a_summary(State.DRIFT)),
        (AS_OF.replace(day=2), None),
        (AS_OF.replace(day=3), a_summary(State.STALE)),
    ]
    table = heat(looks, ["loan_amount", "low_doc"])
    assert table.groupby("at")["judged"].all().tolist() == [True, False, False]
    assert table[~table["judged"]]["fold"].isna().all()
    assert table[table["judged"]]["drifted"].all()


@pytest.mark.parametrize("daily", [True, False])
def test_looks_of_one_day_are_told_apart_by_their_hour(daily: bool) -> None:
    from datetime import timedelta

    step = timedelta(days=1) if daily else timedelta(minutes=5)
    table = heat([(AS_OF + step * place, None) for place in range(MOST_LOOKS)], ["loan_amount"])
    assert table["at"].nunique() == MOST_LOOKS


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=200), st.integers(4, 60))
def test_of_each_stretch_the_gravest_look_is_kept_with_the_first_and_the_last(
    told: list[tuple[int, bool]], most: int
) -> None:
    from datetime import timedelta

    import pandas as pd

    moments = [AS_OF + timedelta(hours=place) for place in range(len(told))]
    history = pd.DataFrame(
        {
            "as_of": moments,
            "gravity": [each for each, _ in told],
            "weighted_share": [0.5 if c else None for _, c in told],
        }
    ).astype({"weighted_share": "float64"})
    found = gravest(history, most)
    assert len(found) <= most
    assert found == sorted(set(found))
    assert {moments[0], moments[-1]} <= set(found)
    for clear in {clear for _, clear in told}:  # the gravest of all, of either kind, is never lost
        worst = max(gravity for gravity, c in told if c is clear)
        kept = [told[moments.index(moment)] for moment in found]
        assert (worst, clear) in kept
