"""Whatever a dossier stands on: changed after it was judged, it cannot be signed, and the refusal names it."""

import dataclasses

import pytest
import sqlalchemy as sa
from builders import AS_OF, OFFICER, a_dossier, a_workspace, judged

from pipeline.artefacts import write_atomically
from pipeline.errors import MendError
from pipeline.promotion import unchanged
from pipeline.promotion.decide import decide
from pipeline.promotion.person import Person
from pipeline.reference import DATA
from pipeline.settings import load_settings
from pipeline.wiring import open_workspace

SIGNER = Person(actor=OFFICER, method="local", os_user="clerk")


@pytest.fixture
def desk(stores, tmp_path):
    workspace = a_workspace(tmp_path)
    with workspace.ledger.transaction(recorded_at=AS_OF) as writer:
        path = "monitoring/runs/r1/gate.ipynb"
        digest = write_atomically(workspace.root / path, "{}")
        values = {"run_id": "r1", "notebook": "gate", "as_of": AS_OF, "status": "succeeded", "seconds": 1.0}
        values |= {"path": path, "artefact": None, "error": None}
        writer.record("run", "r1", values, at=AS_OF, actor="mend", files={path: digest})
    digest = judged(workspace, a_dossier())
    yield workspace, digest
    workspace.ledger.engine.dispose()
    workspace.traffic.engine.dispose()


def spoil(path):
    path.chmod(0o644)
    path.write_bytes(path.read_bytes() + b" ")


def in_traffic(workspace, statement):
    with workspace.traffic.engine.begin() as connection:
        connection.execute(sa.text(statement))


def signed(workspace, digest):
    return decide(workspace, digest, "approved", person=SIGNER, reason="better", now=AS_OF)


def test_nothing_changed_can_be_signed(desk):
    assert signed(*desk)["verdict"] == "approved"


CHANGES = {
    "the challenger's model": (lambda ws: spoil(ws.root / "mlflow/2/model.skops"), "model.skops: changed"),
    "the champion's model": (lambda ws: spoil(ws.root / "mlflow/1/model.skops"), "version 1 is not used"),
    "a file more in the model's folder": (lambda ws: (ws.root / "mlflow/2/x.py").write_text("x"), "x.py: extra"),
    "the reference": (lambda ws: spoil(ws.root / DATA), "not the reference"),
    "the reference gone": (lambda ws: (ws.root / DATA).unlink(), "not readable"),
    "the executed notebook": (lambda ws: spoil(ws.root / "monitoring/runs/r1/gate.ipynb"), "executed notebook"),
    "the executed notebook gone": (lambda ws: (ws.root / "monitoring/runs/r1/gate.ipynb").unlink(), "not readable"),
    "one outcome": (
        lambda ws: in_traffic(ws, "UPDATE labels SET y = 1 - y WHERE application_id = 'row0007'"),
        "outcomes or scores",
    ),
    "one outcome gone": (
        lambda ws: in_traffic(ws, "DELETE FROM labels WHERE application_id = 'row0007'"),
        "which rows are judged",
    ),
    "one applicant's answer": (
        lambda ws: in_traffic(ws, "UPDATE applications SET features = replace(features, '\"0\"', '\"1\"')"),
        "outcomes or scores",
    ),
    "an applicant without outcome gone": (
        lambda ws: in_traffic(ws, "DELETE FROM applications WHERE application_id = 'row1101'"),
        "the applicants they were taken from",
    ),
}


@pytest.mark.parametrize(("change", "named"), CHANGES.values(), ids=CHANGES.keys())
def test_what_was_changed_since_voids_the_dossier_and_is_named(desk, change, named):
    workspace, digest = desk
    change(workspace)
    with pytest.raises(MendError, match=named):
        signed(workspace, digest)
    assert workspace.ledger.champion()["version"] == "1"
    assert named in workspace.ledger.entries(kind="refused_decision")[-1].body["why"]


def test_another_policy_voids_it(desk, tmp_path):
    workspace, digest = desk
    path = workspace.settings.source
    path.write_text(path.read_text().replace("min_samples = 200", "min_samples = 300"))
    again = open_workspace(load_settings(path))
    with pytest.raises(MendError, match="policy min_samples: 200, now 300"):
        signed(again, digest)
    again.ledger.engine.dispose()
    again.traffic.engine.dispose()


@pytest.mark.parametrize(
    ("other", "named"),
    [
        pytest.param({"code_sha256": "0" * 64}, "code: ", id="code"),
        pytest.param({"notebooks": {}}, "notebook gate: ", id="a notebook"),
        pytest.param({"libraries": {"numpy": "1.0"}}, "numpy: ", id="a library"),
        pytest.param({"release": "9"}, "release: ", id="the release"),
    ],
)
def test_other_code_voids_it(desk, monkeypatch, other, named):
    here = dataclasses.replace(unchanged.provenance(), **other)
    monkeypatch.setattr(unchanged, "provenance", lambda: here)
    with pytest.raises(MendError, match=named):
        signed(*desk)


def test_a_refusal_by_a_person_needs_no_unchanged_evidence(desk):
    workspace, digest = desk
    spoil(workspace.root / "mlflow/2/model.skops")
    assert decide(workspace, digest, "rejected", person=SIGNER, reason="no", now=AS_OF)["verdict"] == "rejected"
