"""A window by hand: judged by the same limits, on no record, and refused where it cannot be read."""

from datetime import timedelta

import pytest
from builders import AS_OF

from monitoring.values import State
from pipeline import any_window
from pipeline.any_window import look_between
from pipeline.errors import InputError, RefusedError
from pipeline.traffic.arrivals import scored

START = AS_OF - timedelta(days=90)


@pytest.fixture
def traffic(workspace):
    rows = workspace.traffic.outcomes(AS_OF - timedelta(days=200), AS_OF, as_of=AS_OF)
    workspace.traffic.add_predictions(scored(workspace, rows, scored_at=AS_OF))
    return rows


def test_any_stretch_can_be_looked_at_and_leaves_no_trace(workspace, traffic):
    before = workspace.ledger.head()
    found = look_between(workspace, START, AS_OF)
    expected = traffic["event_time"].between(START, AS_OF, inclusive="left").sum()
    assert found.summary.rows == expected > 200
    assert (found.summary.window.start, found.summary.window.end) == (START, AS_OF)
    assert found.summary.judged
    assert sum(found.importance.values()) == pytest.approx(1.0)
    assert workspace.ledger.head() == before


def test_a_stretch_without_enough_rows_gives_no_verdict(workspace, traffic):
    newest = traffic["event_time"].max().to_pydatetime()
    few = look_between(workspace, newest - timedelta(days=2), AS_OF)
    assert few.summary.state is State.TOO_FEW_ROWS
    assert look_between(workspace, AS_OF, AS_OF + timedelta(days=2)).summary.state is State.NO_DATA


def test_a_window_the_wrong_way_round_and_one_too_long_to_read_are_one_line(workspace, traffic, monkeypatch):
    with pytest.raises(InputError, match="expected an end after the start"):
        look_between(workspace, AS_OF, START)
    monkeypatch.setattr(any_window, "MOST_ROWS", 100)
    with pytest.raises(RefusedError, match="at most 100 are read here"):
        look_between(workspace, START, AS_OF)
