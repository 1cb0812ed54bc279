"""A jump in what comes back is told, on what the store holds; history loaded at once is none."""

from datetime import timedelta

import pandas as pd
import pytest

from pipeline.running.telling import INCOMING, incoming_outcomes

LOOKBACK = timedelta(days=180)


def record(workspace, count, bad, *, at):
    ids = [f"row{place:04d}" for place in range(count)]
    rows = pd.DataFrame({"application_id": ids, "known_at": pd.Timestamp(at), "y": [1] * bad + [0] * (count - bad)})
    workspace.traffic.add_labels(rows, recorded_at=at)


@pytest.fixture
def go_live(workspace):
    return workspace.settings.train.go_live


def test_a_jump_is_told_with_both_shares(workspace, go_live):
    record(workspace, 1000, 70, at=go_live + timedelta(days=10))
    record(workspace, 500, 200, at=go_live + LOOKBACK + timedelta(days=20))
    (told,) = incoming_outcomes(workspace, go_live + LOOKBACK + timedelta(days=30))
    assert (told.code, told.severity.value) == (INCOMING, "page")
    assert "40.0 % [35.8, 44.4] of 500 are bad" in told.text
    assert "7.0 % [5.6, 8.8] of 1,000" in told.text


def test_the_same_share_is_calm_and_nothing_to_compare_is_not_measured(workspace, go_live):
    record(workspace, 1000, 70, at=go_live)  # loaded at once: history
    assert incoming_outcomes(workspace, go_live + timedelta(days=30)) is None
    record(workspace, 1000, 80, at=go_live + timedelta(days=11))
    assert incoming_outcomes(workspace, go_live + LOOKBACK + timedelta(days=30)) is None
    record(workspace, 500, 45, at=go_live + LOOKBACK + timedelta(days=20))
    assert incoming_outcomes(workspace, go_live + LOOKBACK + timedelta(days=30)) == []
