"""What notebooks and pages show: also of a challenger whose labels have not come yet, where nothing can be measured."""

import numpy as np
import pytest
from builders import a_dossier

from dashboard import charts
from pipeline.frames import checks_frame, comparison_frame, segments_frame
from pipeline.gate.evidence import JudgedRows, evidence
from pipeline.gate.values import GatePolicy


def nothing_measured():
    none = np.array([], dtype=float)
    rows = JudgedRows(
        ids=np.array([], dtype=str),
        y=none,
        champion_score=none,
        challenger_score=none,
        champion_threshold=0.5,
        challenger_threshold=0.5,
        segments={"state": np.array([], dtype=str)},
        mature_rows=0,
    )
    return evidence(rows, policy=GatePolicy())


@pytest.mark.parametrize("found", [nothing_measured(), a_dossier().evidence], ids=["nothing measured", "measured"])
def test_evidence_is_shown_whether_or_not_there_is_any(found):
    compared, segments = comparison_frame(found), segments_frame(found)
    assert compared["metric"].tolist() == ["f1", "auc", "brier"]
    assert len(segments) == len(found.segments)
    for chart in (charts.comparison(compared), charts.segments(segments)):
        assert chart.to_dict()


def test_every_gate_is_a_row_and_a_bar():
    gates = checks_frame(a_dossier())
    assert gates["gate"].tolist() == ["G1", "G2", "G3", "G4", "G5", "G6"]
    assert charts.gates(gates).to_dict()
