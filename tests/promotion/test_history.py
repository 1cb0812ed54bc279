"""What the ledger says about one dossier up to a moment, on every store."""

from __future__ import annotations

from datetime import timedelta

import pytest
from builders import AS_OF, HEAD, OFFICER, a_dossier, judged

from pipeline.errors import InputError, RefusedError
from pipeline.promotion.decide import decide
from pipeline.promotion.history import history
from pipeline.promotion.person import Person
from pipeline.promotion.rollback import rollback
from pipeline.promotion.state import Standing

LATER = AS_OF + timedelta(days=1)


def by(actor):
    return Person(actor=actor, method="local")


@pytest.fixture
def digest(workspace):
    """Version 2, tried by somebody who may not, then signed; version 3 beside it."""
    made = judged(workspace, a_dossier())
    with pytest.raises(RefusedError):
        decide(workspace, made, "approved", person=by("stranger@bank.example"), reason="mine", now=AS_OF)
    decide(workspace, made, "approved", person=by(OFFICER), reason="better", now=AS_OF)
    judged(workspace, a_dossier(challenger="3", champion="2", as_of=LATER, promoted_at=AS_OF))
    return made


def test_it_holds_what_names_the_dossier_its_challenger_or_its_decision_in_order(workspace, digest):
    found = history(workspace, digest, as_of=AS_OF)
    kinds = [entry.kind for entry in found.about]
    assert kinds == ["challenger", "dossier", "trial", "refused_decision", "champion", "signature", "decision"]
    assert [entry.seq for entry in found.about] == sorted(entry.seq for entry in found.about)
    assert (found.version, found.item.standing, found.champion["version"]) == ("2", Standing.APPROVED, "2")


def test_what_names_another_version_is_not_about_it(workspace, digest):
    named = {(entry.kind, entry.key) for entry in history(workspace, digest, as_of=LATER).about}
    assert ("challenger", "3") not in named
    assert ("challenger", "1") not in named
    assert ("champion", "1") not in named


def test_it_ends_with_the_last_act_that_is_not_later(workspace, digest):
    entries = workspace.ledger.entries()
    then = history(workspace, digest, as_of=AS_OF)
    assert then.head == max((entry for entry in entries if entry.at <= AS_OF), key=lambda entry: entry.seq)
    assert [item.row["challenger"] for item in then.dossiers] == ["2"]
    assert [item.row["challenger"] for item in history(workspace, digest, as_of=LATER).dossiers] == ["2", "3"]


def test_a_rollback_is_about_the_version_that_went(workspace, digest):
    rollback(workspace, "1", person=by(HEAD), reason="scores moved", now=LATER)
    now = history(workspace, digest, as_of=LATER)
    assert [entry.body["reason"] for entry in now.of("rollback")] == ["scores moved"]
    assert [reign["version"] for reign in now.reigns] == ["1", "2", "1"]
    assert history(workspace, digest, as_of=AS_OF).of("rollback") == []


def test_earlier_dossiers_are_those_recorded_before_it(workspace, digest):
    later = workspace.ledger.acts("dossier")[-1]["digest"]
    assert [item.digest for item in history(workspace, later, as_of=LATER).earlier] == [digest]
    assert history(workspace, digest, as_of=LATER).earlier == ()


def test_a_dossier_that_is_not_yet_there_is_one_line(workspace, digest):
    later = workspace.ledger.acts("dossier")[-1]["digest"]
    with pytest.raises(InputError, match=r"as_of: expected a time from 2006-07-02T00:00:00\.000000Z on"):
        history(workspace, later, as_of=AS_OF)
    with pytest.raises(InputError, match="no dossier 000000000000"):
        history(workspace, "0" * 64, as_of=LATER)
