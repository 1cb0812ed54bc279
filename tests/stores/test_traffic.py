"""The traffic store adds and never changes: what was known then can be asked for a year later."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from pipeline.errors import StoreError
from pipeline.stores.engine import migrate, open_engine
from pipeline.stores.traffic import TrafficStore

DAY = timedelta(days=1)
START = datetime(2006, 1, 1, tzinfo=UTC)
KINDS = {"amount": "numeric", "state": "categorical"}


@pytest.fixture
def store(store_urls, tmp_path):
    engine = open_engine(store_urls["traffic"])
    migrate(engine, "traffic", lock=tmp_path / "lock")
    yield TrafficStore(engine, KINDS)
    engine.dispose()


def applications(*ids, amount=100.0, state="CA"):
    times = pd.to_datetime([START + i * DAY for i in range(len(ids))], utc=True)
    return pd.DataFrame({"application_id": ids, "event_time": times, "amount": amount, "state": state})


def outcome(key, y, known_at):
    return pd.DataFrame({"application_id": [key], "y": [y], "known_at": pd.to_datetime([known_at], utc=True)})


def told(store, as_of):
    rows = store.outcomes(START, START + 10 * DAY, as_of=as_of)
    return dict(zip(rows["application_id"], rows["y"], strict=True))


def test_an_application_is_stored_once(store):
    assert store.add_applications(applications("a", "b"), received_at=START) == 2
    assert store.add_applications(applications("a", "b", "c", amount=7.0), received_at=START) == 1
    assert store.outcomes(START, START + 10 * DAY, as_of=START)["amount"].tolist() == [100.0, 100.0, 7.0]


def test_a_missing_value_stays_missing_and_types_hold_without_rows(store):
    store.add_applications(applications("a", amount=float("nan"), state=None), received_at=START)
    rows = store.outcomes(START, START + DAY, as_of=START)
    assert rows["amount"].isna().all()
    assert rows["state"].isna().all()
    nothing = store.outcomes(START - DAY, START, as_of=START)
    assert nothing.dtypes.to_dict() == rows.dtypes.to_dict()
    assert list(store.scored(START, START + DAY, as_of=START).columns)[-2:] == ["amount", "state"]


def test_windows_are_half_open(store):
    store.add_applications(applications("a", "b", "c"), received_at=START)
    assert store.outcomes(START, START + 2 * DAY, as_of=START)["application_id"].tolist() == ["a", "b"]


def test_contradicting_outcomes_are_both_kept_and_count_from_neither(store):
    store.add_applications(applications("a"), received_at=START)
    store.add_labels(outcome("a", 0, START + 2 * DAY), recorded_at=START + 2 * DAY)
    store.add_labels(outcome("a", 1, START + 3 * DAY), recorded_at=START + 5 * DAY)
    assert pd.isna(told(store, START + DAY)["a"])
    assert told(store, START + 4 * DAY) == {"a": 0}
    assert pd.isna(told(store, START + 5 * DAY)["a"])
    assert store.counts()["labels"] == 2


def test_an_outcome_is_known_since_it_was_first_known(store):
    store.add_applications(applications("a"), received_at=START)
    store.add_labels(outcome("a", 1, START + 3 * DAY), recorded_at=START + 3 * DAY)
    store.add_labels(outcome("a", 1, START + 2 * DAY), recorded_at=START + 4 * DAY)
    rows = store.outcomes(START, START + DAY, as_of=START + 4 * DAY)
    assert rows["known_at"].tolist() == [START + 2 * DAY]


def test_the_same_outcome_said_twice_is_kept_once(store):
    store.add_applications(applications("a"), received_at=START)
    assert store.add_labels(outcome("a", 1, START), recorded_at=START) == 1
    assert store.add_labels(outcome("a", 1, START), recorded_at=START + DAY) == 0


def test_a_number_given_out_twice_is_no_outcome_said_twice(postgres, tmp_path):
    with postgres.database() as url:
        engine = open_engine(url)
        migrate(engine, "traffic", lock=tmp_path / "lock")
        store = TrafficStore(engine, KINDS)
        store.add_applications(applications("a", "b"), received_at=START)
        store.add_labels(outcome("a", 1, START), recorded_at=START)
        with engine.begin() as connection:
            connection.exec_driver_sql("SELECT setval('labels_label_id_seq', 1, false)")  # as a crash can leave it
        with pytest.raises(StoreError, match="a number of labels was given out twice; nothing was written"):
            store.add_labels(outcome("b", 1, START), recorded_at=START)
        assert store.add_labels(outcome("b", 1, START), recorded_at=START) == 1
        assert store.counts()["labels"] == 2


def test_an_answer_once_given_is_not_given_again(store):
    store.add_applications(applications("a"), received_at=START)
    answer = pd.DataFrame(
        {
            "prediction_id": ["a"],
            "application_id": ["a"],
            "event_time": pd.to_datetime([START], utc=True),
            "model_version": "1",
            "model_sha256": "x" * 64,
            "score": 0.25,
            "threshold": 0.5,
            "decision": 0,
            "scored_at": pd.to_datetime([START + DAY], utc=True),
        }
    )
    assert store.add_predictions(answer) == 1
    assert store.add_predictions(answer.assign(score=0.75, model_version="2")) == 0
    assert store.scored(START, START + DAY, as_of=START + DAY)["score"].tolist() == [0.25]
    assert store.scored(START, START + DAY, as_of=START).empty


@pytest.mark.parametrize(("at_most", "left"), [(10, 10), (30, 10), (9, 5), (4, 3), (1, 1)])
def test_a_sample_is_evenly_spaced_in_time_and_of_few_rows_all(store, at_most, left):
    ids = [f"a{i}" for i in range(10)]
    rows = applications(*ids)
    store.add_applications(rows, received_at=START)
    answers = rows[["application_id", "event_time"]].assign(
        prediction_id=rows["application_id"], model_version="1", model_sha256="x" * 64, score=0.25, threshold=0.5,
        decision=0, scored_at=pd.to_datetime([START + 20 * DAY] * 10, utc=True),
    )  # fmt: skip
    store.add_predictions(answers)
    found = store.sampled(START, START + 20 * DAY, as_of=START + 20 * DAY, at_most=at_most)
    steps = found["event_time"].diff().dropna().unique()
    assert len(found) == left
    assert len(steps) <= 1
    assert store.sampled(START, START + 20 * DAY, as_of=START + 19 * DAY, at_most=at_most).empty
    whole = store.scored(START, START + 20 * DAY, as_of=START + 20 * DAY).drop(columns=["y", "known_at"])
    pd.testing.assert_frame_equal(
        found, whole[whole["prediction_id"].isin(found["prediction_id"])].reset_index(drop=True)
    )
