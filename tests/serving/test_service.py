"""The service over real HTTP: answers, hostile bodies, a promotion, and `kill -9`, all under load."""

import json
import signal
import time
from datetime import timedelta

import pandas as pd
import pytest
import sqlalchemy as sa
from builders import AS_OF, OFFICER, a_dossier, judged, mend
from load import Load
from service import an_application, free_port, serving

from pipeline.keeping.erase import erase
from pipeline.promotion.decide import decide
from pipeline.promotion.person import Person
from pipeline.stores.traffic_tables import applications, predictions

pytestmark = pytest.mark.xdist_group("serving")


@pytest.fixture
def service(workspace):
    with serving(workspace.settings.source) as running:
        yield running


def on_record(workspace):
    with workspace.traffic.engine.connect() as connection:
        return {row["prediction_id"]: row for row in connection.execute(sa.select(predictions)).mappings()}


def promote(workspace):
    digest = judged(workspace, a_dossier())
    person = Person(actor=OFFICER, method="local", name=OFFICER)
    decide(workspace, digest, "approved", person=person, reason="better", now=AS_OF)


def test_an_answer_has_all_that_was_promised_and_is_on_record(workspace, service):
    status, answer, _ = service.ask("/predict", an_application())
    assert status == 200
    assert set(answer) == {"prediction_id", "prediction", "probability", "threshold", "model_version", "timestamp"}
    row = on_record(workspace)[answer["prediction_id"]]
    assert (row["score"], row["threshold"], row["decision"]) == (
        answer["probability"],
        answer["threshold"],
        answer["prediction"],
    )
    again = [service.ask("/predict", an_application(), Idempotency_Key="k-1") for _ in range(2)]
    assert again[0][:2] == again[1][:2]
    assert service.ask("/predict", an_application(1), Idempotency_Key="k-1")[0] == 409
    assert service.ask("/predict", an_application(prediction_id="k-2"), Idempotency_Key="k-1")[0] == 409
    assert set(on_record(workspace)) == {answer["prediction_id"], "k-1"}


def test_a_batch_is_answered_in_its_order_or_not_at_all(workspace, service):
    rows = [an_application(place, prediction_id=f"b-{place}") for place in range(20)]
    status, answer, _ = service.ask("/predict/batch", {"applications": rows})
    assert status == 200
    assert [each["prediction_id"] for each in answer["predictions"]] == [f"b-{place}" for place in range(20)]
    bad = [an_application(prediction_id="c-1"), an_application(1, prediction_id="b-0")]
    assert service.ask("/predict/batch", {"applications": bad})[0] == 409
    assert service.ask("/predict/batch", {"applications": [rows[0], rows[0]]})[0] == 409
    assert service.ask("/predict/batch", {"applications": []})[0] == 422
    assert service.ask("/predict/batch", {"applications": [an_application()] * 1_001})[0] == 422
    assert len(on_record(workspace)) == 20


def test_it_says_how_it_is_and_what_it_takes(service):
    status, health, _ = service.ask("/health")
    assert (status, health["status"], health["model_version"], health["stale_since"]) == (200, "ready", "1", None)
    info = service.ask("/model/info")[1]
    assert info["features"]["sba_guaranteed_share"] == {
        "kind": "numeric",
        "min": 0.0,
        "max": 1.0,
        "unit": "share 0-1",
        "may_be_missing": False,
    }
    described = service.ask("/openapi.json")[1]
    example = described["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    assert service.ask("/predict", example["one"]["value"])[0] == 200


def test_what_was_answered_and_what_is_on_record_add_up(workspace, service):
    asked = [an_application(place, prediction_id=f"s-{place}") for place in range(5)]
    asked[0] |= {"borrower_state": "never seen"}
    for body in (*asked, asked[1]):
        assert service.ask("/predict", body)[0] == 200
    service.ask("/labels", {"labels": [{"prediction_id": "s-1", "label": 1}, {"prediction_id": "s-2", "label": 0}]})
    told = service.ask("/monitoring/stats")[1]
    assert (told["predictions"], told["labels"]) == (5, 2)
    called_bad = sum(row["decision"] for row in on_record(workspace).values())
    assert (told["positive_rate"]["happened"], told["positive_rate"]["of"]) == (called_bad, 5)
    assert told["bad_rate"]["happened"] == 1
    assert told["drift"] is None
    did = told["service"]
    assert (did["logged"], did["answered_again"], did["answered"]) == (5, 1, 6)
    assert (did["unknown_category"], did["missing"]) == ({"borrower_state": 1}, {})
    status, metrics, headers = service.ask("/metrics")
    assert (status, headers["content-type"].partition(";")[0]) == (200, "text/plain")
    assert "mend_rows_logged_total 5.0" in metrics
    assert 'mend_champion{version="1"} 1.0' in metrics
    assert 'mend_labels_total{status="recorded"} 2.0' in metrics


def _with(**changes):
    return json.dumps(an_application(**changes)).encode()


HOSTILE = {
    "NaN": _with(employees="?").replace(b'"?"', b"NaN"),
    "minus infinity": _with(employees="?").replace(b'"?"', b"-Infinity"),
    "1e999": _with(employees="?").replace(b'"?"', b"1e999"),
    "10 to the 400": _with(employees=10**400),
    "5,000 digits": _with(employees="?").replace(b'"?"', b"9" * 5_000),
    "true for a number": _with(employees=True),
    "text for a number": _with(employees="4"),
    "a number for text": _with(borrower_state=4),
    "an object": _with(employees={}),
    "null where nothing was missing": _with(employees=None),
    "below the range": _with(employees=-1),
    "above the range": _with(sba_guaranteed_share=1.5),
    "a field too many": _with(**{"surprise" * 1_000: 1}),
    "a field too few": json.dumps({"employees": 4}).encode(),
    "a key twice": _with().replace(b"{", b'{"employees": 4, ', 1),
    "UTF-16": json.dumps(an_application()).encode("utf-16"),
    "a lone surrogate": _with(borrower_state="\ud800"),
    "a NUL": _with(borrower_state="a\0b"),
    "a NUL in the id": _with(prediction_id="a\0b"),
    "a long id": _with(prediction_id="i" * 201),
    "a long category": _with(borrower_state="x" * 100_000),
    "an empty category": _with(borrower_state=""),
    "100,000 deep": b"[" * 100_000,
    "a list": b"[]",
    "nothing": b"",
    "ten megabytes": _with(borrower_state="x" * 10_000_000),
}


@pytest.mark.parametrize("store_urls", ["sqlite"], indirect=True)
def test_hostile_bodies_get_a_short_answer_that_repeats_nothing_and_leave_nothing(workspace, service):
    for name, body in HOSTILE.items():
        for path in ("/predict", "/predict/batch"):
            sent = body if path == "/predict" else b'{"applications": [' + body + b"]}"
            status, answer, headers = service.ask(path, sent)
            assert 400 <= status < 500, (name, path, status)
            assert int(headers["content-length"]) < 10_000, name
            assert "xxxx" not in json.dumps(answer), name
    for count in (100_000, 1_000_000):
        many = b'{"applications": [' + b",".join([b"{}"] * count) + b"]}"
        status, _, headers = service.ask("/predict/batch", many)
        assert status == (422 if count == 100_000 else 413)
        assert int(headers["content-length"]) < 10_000
    for host in (
        "attacker.example",
        "localhost.attacker.example",
        "127.0.0.1.nip.io",
        "attacker@localhost",
        "",
        "*",
        "[::1",
    ):
        assert service.ask("/predict", _with(), Host=host)[0] == 400, host
    assert service.ask("/predict", _with(), Content_Type="text/plain")[0] == 422
    assert service.ask("/predict", _with(), Idempotency_Key="two words")[0] == 422
    assert service.ask("/nowhere")[0] == 404
    assert service.ask("/predict", method="GET")[0] == 405
    assert on_record(workspace) == {}


def test_a_promotion_under_load_fails_nobody_and_each_row_names_who_scored_it(workspace, service):
    with Load(service) as load:
        load.wait_for(50)
        promote(workspace)
        end = time.monotonic() + 60
        while service.ask("/health")[1]["model_version"] != "2" and time.monotonic() < end:
            time.sleep(0.05)
        load.wait_for(len(load.answers) + 50)
    assert load.failures == []
    assert {answer["model_version"] for answer in load.answers.values()} == {"1", "2"}
    rows = on_record(workspace)
    window = workspace.traffic.scored(AS_OF, AS_OF + timedelta(days=36_500), as_of=AS_OF + timedelta(days=36_500))
    for version in ("1", "2"):
        model, theirs = workspace.model(version), window[window["model_version"] == version]
        assert abs(model.score(theirs) - theirs["score"]).max() < 1e-12
        assert {row["model_sha256"] for row in rows.values() if row["model_version"] == version} == {model.sha256}


def test_a_champion_that_does_not_verify_is_not_loaded_and_the_old_one_goes_on(workspace, service):
    judged(workspace, a_dossier())
    (workspace.root / "mlflow" / "2" / "more.pkl").write_bytes(b"")
    with workspace.ledger.transaction(recorded_at=AS_OF) as writer:
        writer.swap_champion(expected="1", new="2", at=AS_OF, how="promotion", actor=OFFICER, digest=None)
    end = time.monotonic() + 60
    while (health := service.ask("/health")[1])["status"] != "stale" and time.monotonic() < end:
        time.sleep(0.05)
    assert "more.pkl" in health["why"]
    assert health["stale_since"] is not None
    assert service.ask("/predict", an_application())[1]["model_version"] == "1"
    (workspace.root / "mlflow" / "2" / "more.pkl").unlink()
    while (health := service.ask("/health")[1])["status"] == "stale" and time.monotonic() < end:
        time.sleep(0.05)
    assert (health["status"], health["model_version"], health["why"]) == ("ready", "2", None)


def test_who_was_erased_does_not_come_back_under_the_same_id(workspace):
    erase(workspace, "row0000", person=Person(actor=OFFICER, method="local", name=OFFICER), reason="asked", now=AS_OF)
    with serving(workspace.settings.source) as service:
        assert service.ask("/predict", an_application(prediction_id="row0000"))[0] == 410
        assert service.ask("/predict", an_application(prediction_id="row0000x"))[0] == 200
    with workspace.traffic.engine.connect() as connection:
        found = connection.execute(sa.select(applications.c.application_id)).scalars().all()
    assert "row0000" not in found
    assert "row0000x" in found


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_what_was_answered_before_it_died_is_on_record_once_and_is_answered_the_same_after(workspace, how):
    port, answers, broken = free_port(), {}, 0
    for life in range(3):
        with serving(workspace.settings.source, port=port) as service, Load(service, name=f"life{life}") as load:
            load.wait_for(30 + 10 * life)
            service.stop(how)
        answers |= load.answers
        broken += len(load.failures)
        assert not [status for status in load.failures if status is not None]
    assert broken > 0  # it was stopped while somebody asked
    rows = on_record(workspace)
    assert {key: rows[key]["score"] for key in answers} == {key: each["probability"] for key, each in answers.items()}
    with serving(workspace.settings.source, port=port) as service:
        for key, first in list(answers.items())[::7]:
            place = (int(key.rpartition("-")[2]) + 1) % 500
            assert service.ask("/predict", an_application(place, prediction_id=key))[1] == first
    assert len(on_record(workspace)) == len(rows)


@pytest.mark.parametrize("store_urls", ["sqlite"], indirect=True)
def test_it_listens_to_this_machine_only_and_needs_a_champion(workspace, tmp_path):
    config = workspace.settings.source
    assert "not this machine's own" in mend("serve", "--address", "0.0.0.0", config=config, exit_code=4).stderr
    empty = {"MEND_MODEL__WORKSPACE": str(tmp_path / "empty")}
    assert "run `mend init`" in mend("serve", config=config, exit_code=3, **empty).stderr


def test_outcomes_are_taken_once_and_each_is_told_what_became_of_it(workspace, service):
    key = service.ask("/predict", an_application())[1]["prediction_id"]
    long_ago, some_day = "2020-01-01T00:00:00Z", "2120-01-01T00:00:00+02:00"
    reports = [
        {"prediction_id": key, "label": 1},
        {"prediction_id": key, "label": 1},
        {"prediction_id": key, "label": 0},
        {"prediction_id": key, "label": 0, "corrects": True},
        {"prediction_id": "nobody", "label": 0},
        {"prediction_id": key, "label": 1, "known_at": long_ago},
        {"prediction_id": key, "label": 1, "known_at": some_day},
    ]
    status, told, _ = service.ask("/labels", {"labels": reports})
    assert status == 200
    assert [each["status"] for each in told["labels"]] == [
        "recorded",
        "known",
        "conflicting",
        "recorded",
        "quarantined",
        "quarantined",
        "quarantined",
    ]
    assert told["counts"] == {"recorded": 2, "known": 1, "conflicting": 1, "quarantined": 3}
    assert told["labels"][4]["why"] == "no application goes by this id"
    now = pd.Timestamp.now("UTC").to_pydatetime()
    rows = workspace.traffic.scored(now - timedelta(hours=1), now + timedelta(hours=1), as_of=now + timedelta(hours=1))
    assert rows["y"].tolist() == [0.0]


@pytest.mark.parametrize("store_urls", ["sqlite"], indirect=True)
def test_hostile_outcomes_are_refused_and_leave_nothing(workspace, service):
    before = workspace.traffic.counts()["labels"]
    good = {"prediction_id": "row0001", "label": 1}
    for wrong in (
        {"label": 2},
        {"label": -1},
        {"label": True},
        {"label": "1"},
        {"label": 1.5},
        {"label": None},
        {"label": 10**400},
        {"prediction_id": "a\0b"},
        {"prediction_id": "two words"},
        {"prediction_id": "ü"},
        {"known_at": "2026-01-01T00:00:00"},
        {"known_at": 1_700_000_000},
        {"known_at": "soon"},
        {"known_at": "0001-01-01T00:00:00+14:00"},
        {"known_at": "9999-12-31T23:59:59-14:00"},
        {"corrects": 1},
        {"more": 1},
    ):
        status, _, headers = service.ask("/labels", {"labels": [good, good | wrong]})
        assert status == 422, wrong
        assert int(headers["content-length"]) < 10_000
    assert service.ask("/labels", {"labels": []})[0] == 422
    assert service.ask("/labels", {"labels": [good] * 1_001})[0] == 422
    assert workspace.traffic.counts()["labels"] == before
