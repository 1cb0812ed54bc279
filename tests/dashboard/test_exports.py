"""The ledger leaves the dashboard whole, and harmless to a spreadsheet."""

from __future__ import annotations

import csv
import io
import json

import pytest
from builders import AS_OF

from dashboard import exports
from pipeline.wiring import Workspace


def test_json_holds_every_entry_in_order(workspace: Workspace) -> None:
    rows = json.loads(exports.as_json(workspace.ledger))
    assert [row["seq"] for row in rows] == [1, 2, 3, 4]
    assert [row["hash"] for row in rows] == [entry.hash for entry in workspace.ledger.entries()]


@pytest.mark.parametrize("actor", ["=HYPERLINK(1)", "+1", "-1", "@x", "\tx", "\rx"])
def test_no_cell_of_the_csv_runs_as_a_formula(actor: str, workspace: Workspace) -> None:
    with workspace.ledger.transaction(recorded_at=AS_OF) as writer:
        writer.record("refused_decision", "x", {}, at=AS_OF, actor=actor)
    rows = list(csv.DictReader(io.StringIO(exports.as_csv(workspace.ledger).decode(), newline="")))
    assert rows[-1]["actor"] == f"'{actor}"
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
