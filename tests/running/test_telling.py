"""What a cycle has to tell, and how loudly."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from monitoring.drift import drift_summary
from monitoring.prepared import prepare
from monitoring.signals import RetrainSignal, SignalDecision, Trigger
from monitoring.summary import DriftPolicy, DriftSummary
from monitoring.values import State, Window
from pipeline.running.telling import conditions, unmeasured

NOW = datetime(2006, 7, 1, tzinfo=UTC)
WINDOW = Window(start=NOW - timedelta(days=180), end=NOW)
QUIET: dict[str, Any] = {
    "diagnosis": {"change": "none", "recommendation": "nothing", "reason": "Nothing has moved."},
    "moved": [],
    "joint": None,
    "below_floor": None,
}


def a_summary(rows: int = 500, **columns: Any) -> DriftSummary:
    rng = np.random.default_rng(7)
    before = pd.DataFrame({"income": rng.normal(50, 10, 3000), "state": rng.choice(["CA", "TX"], 3000)})
    now = pd.DataFrame({"income": rng.normal(50, 10, rows), "state": rng.choice(["CA", "TX"], rows)})
    prepared = prepare(before, {"income": "numeric", "state": "categorical"}, sha256="ab" * 32, draws=400)
    return drift_summary(prepared, now.assign(**columns), policy=DriftPolicy(), window=WINDOW, as_of=NOW)


def told(summary: DriftSummary | None, *, waiting: Any = (), decision: Any = None, **seen: Any) -> dict[str, str]:
    found = conditions(NOW, summary, QUIET | seen, decision, list(waiting), note="the notebook failed")
    return {f"{each.code} {each.subject}": each.severity.value for each in found}


def test_a_calm_cycle_has_nothing_to_tell() -> None:
    assert told(a_summary()) == {}


def test_a_fault_of_the_feed_is_a_page_that_names_the_feature() -> None:
    income = np.where(np.arange(500) % 2, 50.0, np.nan)
    assert "feed.missing income" in told(a_summary(income=income))
    assert told(a_summary(state=["?"] * 500))["feed.new_category state"] == "page"


@pytest.mark.parametrize(
    ("recommendation", "severity"),
    [("nothing", "note"), ("wait_for_labels", "note"), ("retrain", "page"), ("move_cut_off", "page")],
)
def test_a_population_that_moved_wakes_somebody_only_where_something_is_to_be_done(recommendation, severity) -> None:
    summary = a_summary(income=np.random.default_rng(1).normal(62, 10, 500))
    diagnosis = {"change": "population", "recommendation": recommendation, "reason": "It moved."}
    assert told(summary, diagnosis=diagnosis)["drift.population window"] == severity


@pytest.mark.parametrize(("rows", "code", "severity"), [(0, "no_data", "page"), (20, "too_few_rows", "note")])
def test_a_window_without_a_verdict_is_told_and_is_not_calm(rows, code, severity) -> None:
    assert told(a_summary(rows)) == {f"window.{code} window": severity}


def test_a_stale_window_and_a_failed_feature_are_pages() -> None:
    summary = a_summary()
    policy = replace(summary.policy, stale_after=timedelta(days=30))
    stale = replace(summary, policy=policy, newest_event=NOW - timedelta(days=31), state=State.STALE, reason="old")
    assert told(stale) == {"window.stale window": "page"}
    assert told(a_summary(income=["much"] * 500)) == {"window.failed window": "page"}


def test_a_failed_notebook_is_a_page_and_says_nothing_about_drift() -> None:
    assert told(None) == {"cycle.failed drift": "page"}


def test_a_signature_that_is_due_performance_below_its_floor_and_a_signal_are_told() -> None:
    signal = RetrainSignal(reason="schedule", as_of=NOW)
    decision = SignalDecision(
        triggers=(Trigger(reason="schedule", holds=True, why="90 days"),), signal=signal, obstacle=None
    )
    below = {"champion": "6", "vintage": "2003-Q4", "note": "auc 0.6 of 0.7"}
    assert told(a_summary(), waiting=[("7", NOW)], decision=decision, below_floor=below) == {
        "review.waiting version 7": "page",
        "performance.below_floor version 6": "page",
        "signal.fired schedule": "note",
    }
    obstructed = replace(decision, obstacle="version 7 waits for a signature")
    assert told(a_summary(), decision=obstructed) == {}


def test_what_a_cycle_could_not_measure_does_not_end_an_alert() -> None:
    assert unmeasured(a_summary()) == []
    half_blind = a_summary(income=["much"] * 500, state=["TX"] * 500)
    assert half_blind.state is State.DRIFT
    assert {feature for _, feature in unmeasured(half_blind)} == {"income"}
    assert {code for code, _ in unmeasured(a_summary(20))} >= {"drift.population", "feed.missing"}
    assert {code for code, _ in unmeasured(None)} >= {"drift.population", "performance.below_floor"}
