"""The same promises where traffic and ledger are in PostgreSQL; a backup there is for its own tools."""

from __future__ import annotations

import pytest
from builders import AS_OF
from keeping.lived_in import a_person, close, keeping, lived_in, opened

from pipeline.errors import RefusedError
from pipeline.keeping.backup import back_up
from pipeline.keeping.erase import erase, find
from pipeline.keeping.finishing import unfinished
from pipeline.keeping.prune import prune
from pipeline.stores.verify import verify


@pytest.fixture
def workspace(postgres, tmp_path, monkeypatch):
    with postgres.database() as url:
        for store in ("TRAFFIC", "LEDGER"):
            monkeypatch.setenv(f"MEND_STORES__{store}", url)
        (tmp_path / "bank").mkdir()
        found = opened(keeping(lived_in(tmp_path / "bank") / "mend.toml", reports="1d", traffic="4500d"))
        assert found.ledger.engine.dialect.name == "postgresql"
        yield found
        close(found)


def test_prune(workspace):
    done = prune(workspace, as_of=AS_OF, person=a_person(), reason="retention", now=AS_OF)
    assert done.rows == {"labels": 40, "quarantine": 0, "predictions": 40, "applications": 40}
    assert len(done.files) == 9
    assert prune(workspace, as_of=AS_OF, person=a_person(), reason="retention", now=AS_OF).empty
    assert unfinished(workspace).lines == []
    assert verify(workspace.ledger, workspace=workspace.root).verified


def test_erase(workspace):
    asked = {"person": a_person(), "reason": "asked to", "now": AS_OF}
    first = erase(workspace, "row0007", **asked)
    assert erase(workspace, "row0007", **asked).receipt == first.receipt
    erase(workspace, "ref0042", **asked)
    assert not find(workspace, "row0007").anything
    assert len(workspace.reference()) == 299
    assert verify(workspace.ledger, workspace=workspace.root).verified


def test_backup_says_which_tools_to_use(workspace, tmp_path):
    with pytest.raises(RefusedError, match="pg_dump"):
        back_up(workspace, tmp_path / "set.tar.gz", wall=AS_OF)
