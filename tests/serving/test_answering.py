"""An answer is on disk before it is given; asking again gives the first one, whoever asks and whoever is champion."""

import threading
from concurrent.futures import Future
from datetime import timedelta
from functools import partial
from queue import SimpleQueue

import pytest
import sqlalchemy as sa
from builders import AS_OF
from small_bank import SETTINGS, applicants, model_of, reference

from pipeline.errors import StoreError
from pipeline.serving.answering import AnsweringThread, Question, TakenIdError
from pipeline.serving.counting import Counts
from pipeline.serving.scorer import Scorer, plain
from pipeline.stores.engine import open_engine
from pipeline.stores.prediction_log import PredictionLog
from pipeline.stores.traffic_tables import predictions
from pipeline.training.model_files import ScoringModel

NAMES = tuple(SETTINGS.data.features)
ROWS = plain(applicants()[list(NAMES)])
NEW = [f"new{place}" for place in range(len(ROWS))]


@pytest.fixture(scope="module")
def scorers():
    made = {}
    for version in ("1", "2"):
        model = model_of(version)
        scoring = ScoringModel(
            version=version, sha256=model.sha256, threshold=model.threshold, pipeline=model.pipeline, features=NAMES
        )
        made[version] = Scorer(scoring, SETTINGS.data.kinds, warm_up=reference())
    return made


@pytest.fixture
def answering(workspace, scorers):
    made = answering_of(workspace.traffic.engine, lambda: scorers["1"])
    made.start()
    yield made
    made.stop()


def answering_of(engine, scorer, *, max_waiting=5_000, clock=lambda: AS_OF):
    return AnsweringThread(
        PredictionLog(engine), NAMES, scorer=scorer, clock=clock, max_waiting=max_waiting, counts=Counts(NAMES)
    )


def ask(answering, *places, ids=NEW, chosen=True) -> Future:
    future = Future()
    answering.ask(
        Question([ids[place] for place in places], [ROWS[place] for place in places], chosen, partial(settle, future))
    )
    return future


def settle(future, found):
    if isinstance(found, Exception):
        future.set_exception(found)
    else:
        future.set_result(found)


def on_record(workspace):
    with workspace.traffic.engine.connect() as connection:
        return connection.execute(sa.select(predictions).order_by(predictions.c.prediction_id)).mappings().all()


def test_what_was_answered_is_what_is_on_record(workspace, answering, scorers):
    answers = [future.result(30)[0] for future in [ask(answering, place) for place in range(50)]]
    rows = {row["prediction_id"]: row for row in on_record(workspace)}
    assert len(rows) == 50
    for place, answer in enumerate(answers):
        row = rows[answer.prediction_id]
        assert row["score"] == answer.score == pytest.approx(scorers["1"].score([ROWS[place]])[0], abs=1e-12)
        assert (row["model_version"], row["model_sha256"]) == ("1", scorers["1"].sha256)
        assert row["decision"] == (row["score"] >= row["threshold"])
    window = workspace.traffic.scored(AS_OF - timedelta(days=1), AS_OF + timedelta(days=1), as_of=AS_OF)
    assert len(window) == 50
    assert not window[list(NAMES)].isna().any(axis=None)


def test_asking_again_gives_the_first_answer_also_from_the_next_champion(workspace, answering, scorers):
    first = ask(answering, 0, 1).result(30)
    later = answering_of(workspace.traffic.engine, lambda: scorers["2"], clock=lambda: AS_OF + timedelta(days=1))
    later.start()
    assert ask(later, 0, 1).result(30) == first
    assert [answer.model_version for answer in ask(later, 0, 2).result(30)] == ["1", "2"]
    later.stop()
    assert len(on_record(workspace)) == 3


def test_another_application_under_a_taken_id_is_refused_and_the_others_are_answered(workspace, answering):
    ask(answering, 0).result(30)
    taken, other = ask(answering, 1, 2, ids=["x", "new0", "new0"]), ask(answering, 3)
    with pytest.raises(TakenIdError, match="new0 is on record with another application"):
        taken.result(30)
    assert other.result(30)[0].prediction_id == "new3"
    assert [row["prediction_id"] for row in on_record(workspace)] == ["new0", "new3"]


def test_one_id_twice_in_a_batch_is_scored_once(workspace, scorers):
    answering = answering_of(workspace.traffic.engine, lambda: scorers["1"])
    same, again, other = ask(answering, 0), ask(answering, 0), ask(answering, 1, ids=["", "new0"])
    answering.start()  # all three are in its first batch
    assert same.result(30) == again.result(30)
    with pytest.raises(TakenIdError):
        other.result(30)
    answering.stop()
    assert len(on_record(workspace)) == 1


def test_of_two_services_one_is_first_and_both_say_the_same(workspace, scorers):
    engines = [open_engine(workspace.settings.store_url("traffic")) for _ in range(2)]
    both = [
        answering_of(engine, lambda version=version: scorers[version])
        for engine, version in zip(engines, "12", strict=True)
    ]
    for answering in both:
        answering.start()
    said = [[], []]

    def all_of(place):
        said[place] = [ask(both[place], row) for row in range(100)]

    threads = [threading.Thread(target=all_of, args=(place,)) for place in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ones, others = ([future.result(60)[0] for future in each] for each in said)
    assert ones == others
    assert len(on_record(workspace)) == 100
    for answering, engine in zip(both, engines, strict=True):
        answering.stop()
        engine.dispose()


def test_a_store_that_cannot_write_answers_nobody_and_recovers(workspace, answering):
    with workspace.traffic.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE predictions RENAME TO elsewhere")
    lost = ask(answering, 0)
    with pytest.raises(Exception, match="predictions"):
        lost.result(30)
    with workspace.traffic.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO predictions")
    assert ask(answering, 0).result(30)[0].prediction_id == "new0"
    assert len(on_record(workspace)) == 1


def test_too_many_that_wait_are_refused_at_once_and_those_who_wait_are_answered(workspace, scorers):
    answering = answering_of(workspace.traffic.engine, lambda: scorers["1"], max_waiting=3)
    waiting = ask(answering, 0, 1)
    with pytest.raises(StoreError, match="2 rows wait already"):
        ask(answering, 2, 3)
    answering.start()
    assert len(waiting.result(30)) == 2
    assert ask(answering, 2, 3).result(30)
    answering.stop()


def test_what_has_queued_is_answered_before_it_stops(workspace, scorers):
    answering = answering_of(workspace.traffic.engine, lambda: scorers["1"])
    waiting = [ask(answering, place) for place in range(20)]
    answering.start()
    answering.stop()
    assert len([future.result(0) for future in waiting]) == len(on_record(workspace)) == 20


def test_the_next_batch_begins_when_the_answers_of_the_last_are_passed_on(workspace, scorers):
    answering, later = answering_of(workspace.traffic.engine, lambda: scorers["1"]), SimpleQueue()
    first = ask(answering, 0)
    answering.start(later.put)  # an event loop in another turn
    tell = later.get(timeout=30)
    others = [ask(answering, place) for place in (1, 2, 3)]
    assert not first.done()
    assert later.empty()
    tell()
    later.get(timeout=30)()
    later.get(timeout=30)()
    assert [len(each.result(30)) for each in (first, *others)] == [1, 1, 1, 1]
    assert len({row["scored_at"] for row in on_record(workspace)}) == 1
    assert answering._counts.registry.get_sample_value("mend_commit_rows_count") == 2
    answering.stop()


def test_it_ends_though_nobody_passes_answers_on_any_more(workspace, scorers):
    answering, never = answering_of(workspace.traffic.engine, lambda: scorers["1"]), SimpleQueue()
    ask(answering, 0)
    answering.start(never.put)
    never.get(timeout=30)
    ask(answering, 1)
    ending = threading.Thread(target=answering.stop)
    ending.start()
    ending.join(30)
    assert not ending.is_alive()
    assert len(on_record(workspace)) == 2
