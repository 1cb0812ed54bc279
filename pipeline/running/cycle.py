"""One cycle: look at the window, decide whether to train, judge what is open, and put it on record. Repeatable."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from monitoring.signals import RetrainSignal, SignalPolicy, drift_signal, explain
from monitoring.values import DriftSummary
from pipeline.clock import wall_clock
from pipeline.errors import NotebookFailedError
from pipeline.promotion.reconcile import reconcile
from pipeline.promotion.review import pending, reviewed
from pipeline.promotion.state import Standing
from pipeline.running.steps import SERVICE, Steps
from pipeline.watching import read_summary
from pipeline.wiring import Workspace


def run_cycle(steps: Steps, as_of: datetime, *, clock: str) -> dict[str, Any]:
    """Run the cycle of one moment and return its ledger row; a cycle on record is returned as it is.

    Args:
        steps: The notebooks over a workspace.
        as_of: The moment to judge, aware.
        clock: "replay" or "wall": who says what time it is.
    """
    workspace = steps.workspace
    if (known := workspace.ledger.get("cycle", as_of.isoformat())) is not None:
        return known
    champion = workspace.require_champion()
    for line in reconcile(workspace, now=as_of):
        steps.say(f"registry: {line}")
    try:
        seen = steps.look(as_of)
        notes = [_heal(steps, as_of, _summary(workspace, seen))]
    except NotebookFailedError as failure:
        seen, notes = {}, [str(failure)]
        steps.say(f"failed: {failure}")
    notes += [line for version in _open_challengers(workspace, as_of) if (line := _judged(steps, as_of, version))]
    return _record(workspace, as_of, clock, champion["version"], seen, "; ".join(notes))


def _heal(steps: Steps, as_of: datetime, summary: DriftSummary) -> str:
    """Train a challenger if there is cause; says why or why not."""
    workspace = steps.workspace
    if summary.dataset_drift_detected:
        steps.runner.prewarm("train")  # a cause is near: its imports need not wait for it
    signal, why = retrain_cause(workspace, as_of, summary)
    if signal is None:
        return why
    values = {
        "key": signal.key,
        "as_of": as_of,
        "reason": signal.reason,
        "note": why,
        "windows": json.dumps(list(signal.windows)),
    }
    with workspace.ledger.transaction(recorded_at=wall_clock()) as writer:
        writer.record("signal", signal.key, values, at=as_of, actor=SERVICE)
    steps.say(f"retrain signal ({signal.reason}): {why}")
    try:
        version = steps.train(as_of, purpose="challenger", signal=signal.key, requested_by=SERVICE)
    except NotebookFailedError as failure:
        steps.say(f"training failed: {failure}")
        return f"{why}; training failed: {failure}"
    return f"{why}; trained version {version}"


def retrain_cause(workspace: Workspace, as_of: datetime, summary: DriftSummary) -> tuple[RetrainSignal | None, str]:
    """The cause to train for, if there is one and nothing stands in its way; and why, or why not, in a sentence."""
    monitor, retrain = workspace.settings.monitor, workspace.settings.retrain
    policy = SignalPolicy(min_violations=monitor.min_violations, of_last=monitor.of_last)
    recent = [*_recent_summaries(workspace, as_of, monitor.of_last - 1), summary]
    signal, why = drift_signal(recent, policy=policy), explain(recent, policy=policy).rstrip(".")
    last = _last_challenger(workspace, as_of)
    if signal is None and retrain.schedule is not None and as_of - last["as_of"] >= retrain.schedule:
        note = f"{retrain.schedule.days} days since the last training"
        signal, why = (
            RetrainSignal(reason="schedule", windows=(), as_of=as_of, note=note),
            note,
        )
    if signal is None:
        return None, why
    recorded = workspace.ledger.get("signal", signal.key)
    if recorded is not None and recorded["as_of"] != as_of:
        return None, f"{why}; acted on already"
    if last["as_of"] != as_of and last["signal"] is not None and as_of - last["as_of"] < retrain.min_gap:
        return (
            None,
            f"{why}; version {last['version']} was trained {(as_of - last['as_of']).days} days ago, "
            f"retrain.min_gap is {retrain.min_gap.days} days",
        )
    if (waiting := _in_the_way(workspace, as_of)) is not None:
        return None, f"{why}; {waiting}"
    return signal, why


def _last_challenger(workspace: Workspace, as_of: datetime) -> dict[str, Any]:
    return [row for row in workspace.ledger.acts("challenger") if row["as_of"] <= as_of][-1]


def _in_the_way(workspace: Workspace, as_of: datetime) -> str | None:
    if undecided := pending(workspace, now=as_of):
        return f"version {undecided[0].row['challenger']} waits for a signature"
    if waiting := _waiting(workspace, as_of):
        return f"version {waiting[0]} waits for labels"
    return None


def _waiting(workspace: Workspace, as_of: datetime) -> list[str]:
    open_states = {Standing.WAITING, Standing.STALE}
    found = [
        item
        for item in reviewed(workspace, now=as_of)
        if item.standing in open_states and item.row["status"] == "waiting"
    ]
    return [item.row["challenger"] for item in found if item.row["as_of"] < as_of]


def _open_challengers(workspace: Workspace, as_of: datetime) -> list[str]:
    """Versions to judge now: trained and never judged, or waiting and due to be judged again."""
    judged = {row["challenger"] for row in workspace.ledger.acts("dossier")}
    champions = {row["version"] for row in workspace.ledger.acts("champion")}
    trained = [row["version"] for row in workspace.ledger.acts("challenger")]
    never = [version for version in trained if version not in judged | champions]
    due = {row["challenger"]: row["recheck_at"] for row in workspace.ledger.acts("trial")}
    again = [version for version in _waiting(workspace, as_of) if (due.get(version) or as_of) <= as_of]
    return [*again, *never]


def _judged(steps: Steps, as_of: datetime, version: str) -> str:
    try:
        return f"version {version} {steps.judge(as_of, version)['status']}"
    except NotebookFailedError as failure:
        steps.say(f"judging version {version} failed: {failure}")
        return f"judging version {version} failed: {failure}"


def _summary(workspace: Workspace, seen: dict[str, Any]) -> DriftSummary:
    return read_summary(workspace, seen["summary"])


def _recent_summaries(workspace: Workspace, as_of: datetime, count: int) -> list[DriftSummary]:
    rows = [row for row in workspace.ledger.acts("cycle", limit=count) if row["summary_path"] and row["as_of"] < as_of]
    return [read_summary(workspace, row["summary_path"]) for row in rows]


def _record(
    workspace: Workspace, as_of: datetime, clock: str, champion: str, seen: dict[str, Any], note: str
) -> dict[str, Any]:
    summary = _summary(workspace, seen) if seen else None
    files = {seen["path"]: seen["sha256"], **seen["files"]} if seen else {}
    values = {
        "as_of": as_of,
        "clock": clock,
        "status": summary.state.value if summary else "failed",
        "drift_share": summary.drift_share if summary else None,
        "dataset_drift_detected": None
        if summary is None or summary.dataset_drift_detected is None
        else int(summary.dataset_drift_detected),
        "rows": summary.rows if summary else None,
        "champion": champion,
        "summary_path": seen.get("summary"),
        "metrics_path": seen.get("path"),
        "report_path": seen.get("report"),
        "note": note,
    }
    with workspace.ledger.transaction(recorded_at=wall_clock()) as writer:
        writer.record("cycle", as_of.isoformat(), values, at=as_of, actor=SERVICE, files=files)
    return values
