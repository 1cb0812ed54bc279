"""What was judged can be derived again from what is stored, and where it cannot, the place is named."""

import pytest
import sqlalchemy as sa
from builders import AS_OF, OFFICER, a_dossier, a_workspace, judged

from pipeline.errors import IntegrityError
from pipeline.promotion.decide import decide
from pipeline.promotion.person import Person
from pipeline.recompute import recompute


@pytest.fixture
def workspace(tmp_path):
    made = a_workspace(tmp_path)
    yield made
    made.ledger.engine.dispose()
    made.traffic.engine.dispose()


def in_traffic(workspace, statement):
    with workspace.traffic.engine.begin() as connection:
        connection.execute(sa.text(statement))


@pytest.mark.parametrize("better", [True, False], ids=["promotable", "refused"])
def test_an_untouched_dossier_comes_out_again(workspace, better):
    found = recompute(workspace, judged(workspace, a_dossier(better=better)))
    assert (found.identical, found.differences, found.made_with) == (True, (), ())


def test_it_still_does_when_its_challenger_is_champion_and_outcomes_were_corrected_later(workspace):
    digest = judged(workspace, a_dossier())
    person = Person(actor=OFFICER, method="local")
    decide(workspace, digest, "approved", person=person, reason="better", now=AS_OF)
    in_traffic(
        workspace,
        "INSERT INTO labels (application_id, y, known_at, recorded_at, corrects) VALUES "
        "('row0007', 1, '2006-08-01T00:00:00.000000Z', '2006-08-01T00:00:00.000000Z', 1)",
    )
    assert recompute(workspace, digest).identical


def test_where_it_differs_is_named(workspace):
    digest = judged(workspace, a_dossier())
    in_traffic(workspace, "UPDATE labels SET y = 1 - y WHERE application_id = 'row0007'")
    found = recompute(workspace, digest)
    assert not found.identical
    named = {each.where for each in found.differences}
    assert {"data_sha256", "evidence.positives", "evidence.challenger.f1"} <= named
    (positives,) = [each for each in found.differences if each.where == "evidence.positives"]
    assert positives.recomputed == positives.recorded + 1
    assert "row_ids_sha256" not in named


def test_inputs_that_are_gone_make_no_dossier_in_one_line(workspace):
    digest = judged(workspace, a_dossier())
    in_traffic(workspace, "DELETE FROM applications")
    found = recompute(workspace, digest)
    assert "evidence.rows" in {each.where for each in found.differences}
    (workspace.root / "mlflow/2/model.skops").write_bytes(b"x")
    workspace._models.clear()
    with pytest.raises(IntegrityError, match=r"model\.skops: changed"):
        recompute(workspace, digest)
