"""The challenger in the shadow: how much would change on live traffic, replayed from the log, off the request path."""

import json
from datetime import timedelta

import numpy as np
import pytest
from builders import AS_OF, a_dossier, judged, mend

from pipeline.errors import InputError, IntegrityError, NotEnoughDataError
from pipeline.gate.shadow import KIND, Shadow
from pipeline.promotion.decide import decide
from pipeline.promotion.person import Person
from pipeline.shadowing import keep_shadow, last_shadow, require_open_challenger, shadow, shadow_sentence
from pipeline.traffic.arrivals import scored

LATER = AS_OF + timedelta(days=1)


@pytest.fixture
def traffic(workspace):
    """Everybody of the small bank's last 180 days, scored by version 1."""
    rows = workspace.traffic.outcomes(AS_OF - timedelta(days=150), AS_OF, as_of=AS_OF)
    workspace.traffic.add_predictions(scored(workspace, rows, scored_at=AS_OF))
    return rows


def test_it_counts_whom_the_two_decide_differently_and_what_is_at_stake(workspace, traffic):
    digest = judged(workspace, a_dossier())
    assert digest
    found = shadow(workspace, "2", as_of=AS_OF)
    champion, challenger = workspace.model("1"), workspace.model("2")
    before = champion.score(traffic) < champion.threshold
    after = challenger.score(traffic) < challenger.threshold
    assert (found.rows, found.others) == (len(traffic), 0)
    assert (found.approved_by_champion, found.approved_by_challenger) == (before.sum(), after.sum())
    assert found.swapped_in.applicants == (~before & after).sum() > 0
    assert found.swapped_out.applicants == (before & ~after).sum() > 0
    assert found.swapped_in.amount == pytest.approx(traffic["loan_amount"][~before & after].sum())
    share, low, high = found.share
    assert low < share == (before != after).mean() < high
    assert f"{found.swapped_in.applicants:,} approved instead of declined" in shadow_sentence(found)
    for name in workspace.settings.data.segments:
        parts = [cell.applicants for cell in found.cells if cell.segment == name]
        assert sum(parts) == found.disagreements
    assert Shadow.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_it_says_how_much_changes_and_never_whether_it_is_better(workspace, traffic):
    judged(workspace, a_dossier())
    found = shadow(workspace, "2", as_of=AS_OF)
    assert {cell.good + cell.bad for cell in found.cells} == {0}
    assert {cell.result for cell in found.cells} == {0.0}


def test_what_another_version_scored_is_left_out_and_nobody_is_no_share(workspace, traffic):
    digest = judged(workspace, a_dossier())
    person = Person(actor="credit.officer@bank.example", method="local")
    decide(workspace, digest, "approved", person=person, reason="better", now=AS_OF)
    found = shadow(workspace, "1", as_of=AS_OF)  # version 2 has scored nobody yet
    assert (found.rows, found.others, found.share) == (0, len(traffic), None)
    assert "scored nobody" in shadow_sentence(found)


def test_a_challenger_whose_files_changed_or_that_scores_nonsense_is_not_compared(workspace, traffic, monkeypatch):
    judged(workspace, a_dossier())
    monkeypatch.setattr(type(workspace.model("2")), "score", lambda self, rows: np.full(len(rows), np.nan))
    with pytest.raises(InputError, match="challenger_score"):
        shadow(workspace, "2", as_of=AS_OF)
    workspace._models.clear()
    (workspace.root / "mlflow/2/model.skops").write_bytes(b"x")
    with pytest.raises(IntegrityError, match=r"model\.skops"):
        shadow(workspace, "2", as_of=AS_OF)
    said = []
    keep_shadow(workspace, AS_OF, say=said.append)  # trouble stops no cycle, and nothing is on record
    assert "model.skops" in said[0]
    assert last_shadow(workspace, "2") is None


def test_while_one_waits_it_is_on_record_at_once_and_then_once_in_a_while(workspace, traffic):
    said = []
    keep_shadow(workspace, AS_OF, say=said.append)
    assert said == []  # nobody waits
    with pytest.raises(NotEnoughDataError, match="no challenger waits"):
        require_open_challenger(workspace, as_of=AS_OF)
    judged(workspace, a_dossier())
    every = workspace.settings.monitor.outcomes_every
    for moment in (AS_OF, AS_OF, AS_OF + every / 2, AS_OF + every, AS_OF + every):
        keep_shadow(workspace, moment, say=said.append)
    kept = workspace.ledger.entries(kind=KIND)
    assert [entry.body["end"] for entry in kept] == [AS_OF.isoformat(), (AS_OF + every).isoformat()]
    assert len(said) == 2
    assert last_shadow(workspace, "2").end == AS_OF + every
    keep_shadow(workspace, AS_OF + timedelta(days=20), say=said.append)  # expired: nobody waits any more
    assert len(workspace.ledger.entries(kind=KIND)) == 2


def test_it_can_be_asked_for(workspace, traffic):
    config = workspace.settings.source
    judged(workspace, a_dossier())
    told = json.loads(mend("shadow", "2", "--as-of", AS_OF.isoformat(), "--json", config=config).stdout)
    assert Shadow.from_json(told) == shadow(workspace, "2", as_of=AS_OF)
    said = mend("shadow", "2", "--as-of", AS_OF.isoformat(), config=config).stdout
    assert "swapped out" in said
    assert "no challenger waits" in mend("shadow", "--as-of", "2007-01-01", config=config, exit_code=3).stderr
    assert "version 9 is not in the ledger" in mend("shadow", "9", config=config, exit_code=3).stderr
