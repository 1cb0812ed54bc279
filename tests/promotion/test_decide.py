"""A signature binds one person to one dossier, once; everything else is refused with its reason, and recorded."""

import threading
from datetime import timedelta

import pytest
from builders import AS_OF, HEAD, OFFICER, a_dossier, a_workspace, judged, put_on_record
from tampering import behind_its_back

from pipeline.errors import IntegrityError, RefusedError
from pipeline.promotion.decide import decide
from pipeline.promotion.documents import write_missing_documents
from pipeline.promotion.person import Person
from pipeline.promotion.reconcile import follow, projection
from pipeline.promotion.review import find_digest, pending, reviewed
from pipeline.promotion.state import Standing
from pipeline.stores import ledger_tables as tables
from pipeline.stores.verify import verify

LATER = AS_OF + timedelta(days=1)


def sign(workspace, digest, verdict="approved", *, actor=OFFICER, reason="better", now=LATER):
    person = actor if isinstance(actor, Person) else Person(actor=actor, method="local", os_user="clerk")
    return decide(workspace, digest, verdict, person=person, reason=reason, now=now)


def standings(workspace, now=LATER):
    return {item.row["challenger"]: item.standing for item in reviewed(workspace, now=now)}


def refusals(workspace):
    return [entry.body["why"] for entry in workspace.ledger.entries(kind="refused_decision")]


def test_a_signed_challenger_is_the_champion(workspace):
    digest = judged(workspace, a_dossier())
    assert [item.digest for item in pending(workspace, now=LATER)] == [digest]
    decision = sign(workspace, digest)
    assert (decision["verdict"], decision["actor"], decision["reason"]) == ("approved", OFFICER, "better")
    assert workspace.ledger.champion()["version"] == "2"
    assert workspace.ledger.champion()["digest"] == digest
    assert pending(workspace, now=LATER) == []
    assert verify(workspace.ledger, workspace=workspace.root).verified
    assert projection(workspace, now=LATER).stages == {"1": "Archived", "2": "Production"}


def test_a_rejected_challenger_is_not(workspace):
    digest = judged(workspace, a_dossier())
    sign(workspace, digest, "rejected", reason="too good to be true")
    assert workspace.ledger.champion()["version"] == "1"
    assert standings(workspace) == {"2": Standing.REJECTED}


def test_the_same_act_twice_gets_the_first_answer(workspace):
    digest = judged(workspace, a_dossier())
    first = sign(workspace, digest)
    again = sign(workspace, digest, reason="another reason", now=LATER + timedelta(days=90))
    assert again == first
    assert len(workspace.ledger.acts("decision")) == 1
    assert len(workspace.ledger.acts("champion")) == 2


def changed(workspace, digest):
    path = workspace.root / workspace.ledger.get("dossier", digest)["path"]
    path.write_text(path.read_text().replace('"model_name":"sba', '"model_name":"abs'))


@pytest.mark.parametrize(
    ("given", "before", "error", "says"),
    [
        pytest.param({"actor": "eve"}, None, RefusedError, "not on the list", id="not on the list"),
        pytest.param({"actor": ""}, None, RefusedError, "not on the list", id="nobody"),
        pytest.param({"reason": "  "}, None, RefusedError, "needs a reason", id="no reason"),
        pytest.param({"now": AS_OF + timedelta(days=14)}, None, RefusedError, "expired on 2006-07-15", id="expired"),
        pytest.param({}, changed, IntegrityError, "changed after it was judged", id="changed evidence"),
    ],
)
def test_what_may_not_be_signed_is_refused_with_its_reason_and_recorded(workspace, given, before, error, says):
    digest = judged(workspace, a_dossier())
    if before:
        before(workspace, digest)
    with pytest.raises(error, match=says):
        sign(workspace, digest, **given)
    assert workspace.ledger.champion()["version"] == "1"
    assert says in refusals(workspace)[0]


def test_a_challenger_that_the_gates_refused_cannot_be_signed(workspace):
    digest = judged(workspace, a_dossier(better=False))
    with pytest.raises(RefusedError, match="refused by the gates"):
        sign(workspace, digest)


def test_who_asked_for_the_training_cannot_sign_it(workspace):
    digest = judged(workspace, a_dossier(), requested_by=OFFICER)
    with pytest.raises(RefusedError, match="four eyes"):
        sign(workspace, digest)
    assert sign(workspace, digest, actor=HEAD)["actor"] == HEAD


def test_on_a_one_person_desk_four_eyes_can_be_switched_off(tmp_path):
    workspace = a_workspace(tmp_path, four_eyes="false")
    digest = judged(workspace, a_dossier(), requested_by=OFFICER)
    assert sign(workspace, digest)["verdict"] == "approved"


def test_a_decision_is_not_overturned_by_another(workspace):
    digest = judged(workspace, a_dossier())
    sign(workspace, digest, "rejected", reason="no")
    with pytest.raises(RefusedError, match=f"already rejected by {OFFICER}"):
        sign(workspace, digest, actor=HEAD)


def test_evidence_against_a_former_champion_is_stale(workspace):
    first = judged(workspace, a_dossier(challenger="2"))
    second = judged(workspace, a_dossier(challenger="3"))
    sign(workspace, first)
    assert standings(workspace)["3"] is Standing.STALE
    with pytest.raises(RefusedError, match="champion is now version 2, by promotion of credit"):
        sign(workspace, second)


def test_of_two_approvers_at_once_one_decides_and_the_other_is_told(workspace):
    digests = [judged(workspace, a_dossier(challenger=version)) for version in ("2", "3")]
    barrier, answers = threading.Barrier(2), []

    def approve(digest, actor):
        barrier.wait()
        try:
            answers.append(sign(workspace, digest, actor=actor)["verdict"])
        except RefusedError as refusal:
            answers.append(str(refusal))

    threads = [threading.Thread(target=approve, args=pair) for pair in zip(digests, (OFFICER, HEAD), strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers)[0] == "approved"
    assert "the champion is now version" in sorted(answers)[1]
    assert len(workspace.ledger.acts("champion")) == 2
    assert verify(workspace.ledger, workspace=workspace.root).verified


def test_one_person_who_signs_in_two_tabs_at_once_gets_one_answer_twice(workspace, monkeypatch):
    digest, answers, tabs = judged(workspace, a_dossier()), [], ["the other"]

    def meanwhile_in_the_other_tab(*_):
        if tabs:
            tabs.pop()
            answers.append(sign(workspace, digest, reason="first"))

    monkeypatch.setattr("pipeline.promotion.decide.require_unchanged", meanwhile_in_the_other_tab)
    answers.append(sign(workspace, digest, reason="second"))
    assert [answer["reason"] for answer in answers] == ["first", "first"]
    assert refusals(workspace) == []
    assert [len(workspace.ledger.acts(kind)) for kind in ("decision", "champion")] == [1, 2]


def test_a_later_dossier_on_the_same_challenger_replaces_the_earlier(workspace):
    first = judged(workspace, a_dossier())
    second = judged(workspace, a_dossier(as_of=LATER))
    assert [item.digest for item in pending(workspace, now=LATER)] == [second]
    with pytest.raises(RefusedError, match="judged again later"):
        sign(workspace, first)


def test_a_digest_may_be_shortened_but_must_be_plain(workspace):
    digest = judged(workspace, a_dossier())
    assert find_digest(workspace, digest[:8]) == digest
    for prefix in ("", digest[:7], "0" * 12):
        with pytest.raises(Exception, match="digest: expected"):
            find_digest(workspace, prefix)


def test_a_version_that_nobody_judged_is_staged_not_archived(workspace):
    with workspace.ledger.transaction(recorded_at=AS_OF) as writer:
        put_on_record(writer, version="4")
    assert projection(workspace, now=LATER).stages == {"1": "Production", "4": "Staging"}


@pytest.fixture
def clock(monkeypatch):
    """Sets what the machine's clock says when a decision or a rollback is recorded."""

    def says(moment):
        for module in ("decide", "rollback"):
            monkeypatch.setattr(f"pipeline.promotion.{module}.wall_clock", lambda: moment)

    return says


def test_a_clock_set_back_behind_the_record_signs_nothing_however_often_it_is_tried(workspace, clock):
    digest = judged(workspace, a_dossier())
    clock(AS_OF + timedelta(days=20))
    with pytest.raises(RefusedError, match="expired"):
        sign(workspace, digest, now=AS_OF + timedelta(days=20))
    clock(LATER)
    for _ in range(2):
        with pytest.raises(RefusedError, match=r"clock says 2006-07-02 00:00 UTC, but entry .* 2006-07-21"):
            sign(workspace, digest)
    assert workspace.ledger.champion()["version"] == "1"
    assert len(workspace.ledger.entries(kind="refused_clock")) == 2
    assert verify(workspace.ledger, workspace=workspace.root).verified


def test_clocks_of_two_machines_may_differ_by_a_minute(workspace, clock):
    digest = judged(workspace, a_dossier())  # recorded at AS_OF
    clock(AS_OF - timedelta(seconds=61))
    with pytest.raises(RefusedError, match="clock"):
        sign(workspace, digest)
    clock(AS_OF - timedelta(seconds=60))
    sign(workspace, digest)
    assert workspace.ledger.champion()["version"] == "2"


def test_a_clock_that_ran_ahead_blocks_only_until_something_is_recorded_at_the_right_time(workspace, clock):
    digest = judged(workspace, a_dossier())
    clock(LATER + timedelta(days=365))
    with pytest.raises(RefusedError, match="reason"):
        sign(workspace, digest, reason=" ")
    clock(LATER)
    with pytest.raises(RefusedError, match="let a cycle run at the right time first"):
        sign(workspace, digest)
    judged(workspace, a_dossier(challenger="3"))
    sign(workspace, digest)
    assert workspace.ledger.champion()["version"] == "2"


def test_before_the_champions_own_promotion_nothing_is_signed(workspace):
    digest = judged(workspace, a_dossier())
    with behind_its_back(workspace.ledger) as connection:
        connection.execute(tables.champions.update().values(since=LATER + timedelta(seconds=1)))
    with pytest.raises(RefusedError, match="champion since 2006-07-02 00:00 UTC, and now it is 2006-07-02"):
        sign(workspace, digest)
    assert len(workspace.ledger.acts("champion")) == 1


def test_a_document_that_cannot_be_written_takes_nothing_from_the_decision_and_is_said(workspace):
    digest = judged(workspace, a_dossier())
    path = workspace.root / sign(workspace, digest)["path"]
    path.unlink()
    aside = path.parent.rename(path.parent.with_name("aside"))
    path.parent.touch()  # a file where the folder should be: nothing can be written below it
    (said,) = write_missing_documents(workspace)
    assert "not written" in said
    assert "`mend reconcile` writes the file" in said
    path.parent.unlink()
    aside.rename(path.parent)
    (said,) = write_missing_documents(workspace)
    assert "was missing, written from the ledger" in said
    assert path.exists()


def test_a_registry_that_cannot_be_opened_is_said_at_once_in_one_line(workspace, capfd):
    database = workspace.root / "mlflow" / "mlflow.db"
    database.mkdir(parents=True)
    (line,) = follow(workspace, now=LATER)
    assert "does not answer" in line
    assert "unable to open database file" in line
    assert "Traceback" not in capfd.readouterr().err
