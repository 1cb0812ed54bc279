from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import monitoring.prepared as module
from monitoring.bins import CategoryBins, NumericBins
from monitoring.prepared import PreparedReference, prepare
from monitoring.thresholds import FEWEST_VALUES
from monitoring.values import Kind

KINDS: dict[str, Kind] = {"income": "numeric", "state": "categorical"}
SHA = "ab" * 32


def a_frame(rows: int = 300, **columns: Any) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"income": rng.permutation(rows) / rows, "state": (["CA", "TX", "NY"] * rows)[:rows]})
    return frame.assign(**columns)


def ready(frame: pd.DataFrame | None = None, kinds: dict[str, Kind] | None = None, **changes: Any) -> PreparedReference:
    frame = a_frame() if frame is None else frame
    return prepare(frame, kinds or KINDS, **{"sha256": SHA, "draws": 400} | changes)


def test_reference_is_binned_and_counted_once() -> None:
    reference = ready(a_frame(income=[*range(299), None]))
    income, state = reference.features.values()
    assert (reference.rows, reference.sha256, reference.score) == (300, SHA, None)
    assert isinstance(income.bins, NumericBins)
    assert (income.counts.tolist(), income.sample.missing) == ([30] * 9 + [29], 1)
    assert income.values.tolist() == list(range(299))
    assert income.quartiles.tolist() == [74, 149, 224]
    assert income.spread == pytest.approx(np.std(np.arange(299)))
    assert state.bins == CategoryBins(categories=("CA", "NY", "TX"))
    assert (state.counts.tolist(), state.values.tolist()) == ([100, 100, 100, 0], ["CA", "NY", "TX"])
    assert state.category_rows.tolist() == [100, 100, 100]


def test_look_asks_three_questions_of_each_feature_and_of_the_score() -> None:
    assert ready().questions == 6
    assert ready(score=np.linspace(0, 1, 300)).questions == 9


def test_score_is_prepared_like_a_feature_and_comes_last() -> None:
    reference = ready(score=np.linspace(0, 1, 300))
    assert [item.feature for item in reference.every] == ["income", "state", "score"]
    assert list(reference.tails) == ["income", "state", "score"]
    assert list(reference.features) == ["income", "state"]
    assert reference.score is not None
    assert (reference.score.kind, reference.score.counts.sum()) == ("numeric", 300)


def test_score_may_be_of_fewer_rows_than_the_features_those_that_were_not_trained_on() -> None:
    reference = ready(score=np.linspace(0, 1, 200))
    assert reference.score is not None
    assert reference.score.tail is not None
    assert (reference.rows, reference.score.sample.rows, reference.score.tail.reference_rows) == (300, 200, 200)


def test_feature_with_one_value_has_nothing_to_bin_but_its_range_and_its_gaps() -> None:
    reference = ready(a_frame(income=7.0, state="CA"))
    income, state = reference.features.values()
    assert (income.tail, income.questions) == (None, 2)
    assert list(reference.tails) == ["state"]  # a category has a bin "other" beside it
    assert state.questions == 3


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        pytest.param("much", "not numbers", id="text"),
        pytest.param(np.nan, "has 0 values, need 150", id="all missing"),
        pytest.param(np.inf, "infinite", id="infinite"),
        pytest.param([1.0] * (FEWEST_VALUES - 1) + [None] * 151, "has 149 values", id="one value short"),
    ],
)
def test_feature_that_cannot_be_read_asks_nothing_and_the_others_do(column: Any, reason: str) -> None:
    reference = ready(a_frame(income=column))
    income, state = reference.features.values()
    assert reason in str(income.sample.reason)
    assert str(income.sample.reason).startswith("reference")
    assert (income.questions, income.bins, income.tail, state.questions) == (0, None, None, 3)
    assert reference.questions == 3


def test_feature_that_is_absent_asks_nothing() -> None:
    assert ready(a_frame().drop(columns="income")).features["income"].questions == 0


def test_150_values_are_enough() -> None:
    assert ready(a_frame(FEWEST_VALUES)).questions == 6


def test_numbers_too_far_apart_for_a_float_do_not_stop_the_others() -> None:
    reference = ready(a_frame(income=[-1.7e308, 1.7e308] * 150))
    assert reference.features["income"].counts.tolist() == [150, 150]
    assert reference.features["state"].tail is not None


# --- tails -------------------------------------------------------------------------------------------------------


def test_tails_of_an_earlier_preparation_are_taken_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    score = np.linspace(0, 1, 300)
    first = ready(score=score)
    drawn = []
    monkeypatch.setattr(module, "null_tail", lambda counts, **_: drawn.append(counts))
    again = ready(score=score, tails=first.tails, seed=99)
    assert again.tails == first.tails
    assert all(again.tails[feature] is tail for feature, tail in first.tails.items())
    assert drawn == []


def test_tail_that_is_not_there_is_drawn_anew() -> None:
    first = ready()
    again = ready(tails={"state": first.tails["state"]})
    assert again.tails == first.tails


def test_tail_of_another_reference_is_refused() -> None:
    with pytest.raises(ValueError, match="income: tail is of 300 values, the reference has 299"):
        ready(a_frame(299), tails=ready().tails)


def test_tail_is_the_same_from_the_same_seed_whatever_stands_beside_the_feature() -> None:
    alone = ready(kinds={"income": "numeric"})
    turned = ready(a_frame()[["state", "income"]], kinds={"state": "categorical", "income": "numeric"})
    more = ready(a_frame(age=np.arange(300.0)), kinds={"age": "numeric", **KINDS})
    assert alone.tails["income"] == ready().tails["income"] == turned.tails["income"] == more.tails["income"]
    assert more.tails["state"] == ready().tails["state"]


def test_tail_depends_on_the_seed_and_each_feature_has_a_stream_of_its_own() -> None:
    twins = a_frame(twin=a_frame()["income"])
    kinds: dict[str, Kind] = {"income": "numeric", "twin": "numeric"}
    tails = ready(twins, kinds).tails
    assert tails["income"] != tails["twin"]
    assert ready(twins, kinds, seed=8).tails["income"] != tails["income"]


def test_rows_in_another_order_prepare_the_same_reference() -> None:
    shuffled = ready(a_frame().sample(frac=1, random_state=3))
    for item, other in zip(ready().every, shuffled.every, strict=True):
        assert (item.bins, item.tail, item.counts.tolist()) == (other.bins, other.tail, other.counts.tolist())
        assert item.values.tolist() == other.values.tolist()


def test_ticks_tell_of_each_feature_when_it_is_ready() -> None:
    told: list[str] = []
    ready(score=np.linspace(0, 1, 300), tick=told.append)
    assert told == ["income", "state", "score"]


# --- what makes no sense -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kinds", "complaint"),
    [
        pytest.param({}, "kinds is empty", id="no feature"),
        pytest.param({"income": "text"}, "income: kind must be numeric or categorical", id="unknown kind"),
        pytest.param({"score": "numeric"}, "cannot be called 'score'", id="a feature called score"),
    ],
)
def test_what_makes_no_sense_is_the_callers_mistake(kinds: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        prepare(a_frame(), kinds, sha256=SHA, draws=400)


def test_frame_is_left_as_it_was() -> None:
    frame = a_frame()
    ready(frame)
    pd.testing.assert_frame_equal(frame, a_frame())
