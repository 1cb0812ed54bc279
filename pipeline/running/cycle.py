"""One cycle: look at the window, decide whether to train, judge what is open, and put it on record. Repeatable."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from monitoring.checks import SCORE
from monitoring.diagnosis import Recommendation
from monitoring.signals import BelowFloor, LookedAt, SignalDecision, SignalPolicy, Trainings, decide_signal
from monitoring.summary import DriftSummary
from monitoring.values import State, Window
from pipeline.clock import wall_clock
from pipeline.errors import NotebookFailedError
from pipeline.promotion.reconcile import follow
from pipeline.promotion.review import pending, reviewed
from pipeline.promotion.state import Standing
from pipeline.promotion.watching_period import watch
from pipeline.running.steps import SERVICE, Steps
from pipeline.running.telling import tell
from pipeline.shadowing import keep_shadow
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
    _tell_registry(steps, as_of)
    decision = None
    try:
        seen = steps.look(as_of)
        decision, note = _heal(steps, as_of, seen)
    except NotebookFailedError as failure:
        seen, note = {}, str(failure)
        steps.say(f"failed: {failure}")
    judged = [line for version in _open_challengers(workspace, as_of) if (line := _judged(steps, as_of, version))]
    row = _record(workspace, as_of, clock, champion["version"], seen, decision, "; ".join([note, *judged]))
    keep_shadow(workspace, as_of, say=steps.say)
    watch(workspace, as_of, seen, say=steps.say)
    if workspace.require_champion()["number"] != champion["number"]:  # the watch put one back, as the settings allow
        _tell_registry(steps, as_of)
    tell(workspace, row, seen, decision, say=steps.say)
    workspace.anchor(now=as_of, say=steps.say)
    return row


def _tell_registry(steps: Steps, as_of: datetime) -> None:
    """The registry follows; one that is down does not keep us from looking."""
    for line in follow(steps.workspace, now=as_of):
        steps.say(f"registry: {line}")


def _heal(steps: Steps, as_of: datetime, seen: Mapping[str, Any]) -> tuple[SignalDecision, str]:
    """Train a challenger if there is cause; says why or why not."""
    workspace = steps.workspace
    if seen["diagnosis"]["recommendation"] == Recommendation.RETRAIN:
        steps.runner.prewarm("train")  # a cause is near: its imports need not wait for it
    decision = retrain_decision(workspace, as_of, seen)
    signal = decision.signal
    if signal is None or not decision.fires:
        return decision, decision.why
    values = {
        "key": signal.key,
        "as_of": as_of,
        "reason": signal.reason,
        "note": decision.why,
        "windows": json.dumps(list(signal.evidence)),
    }
    with workspace.ledger.transaction(recorded_at=wall_clock()) as writer:
        writer.record("signal", signal.key, values, at=as_of, actor=SERVICE)
    steps.say(f"retrain signal ({signal.reason}): {decision.why}")
    try:
        version = steps.train(as_of, purpose="challenger", signal=signal.key, requested_by=SERVICE)
    except NotebookFailedError as failure:
        steps.say(f"training failed: {failure}")
        return decision, f"{decision.why}; training failed: {failure}"
    return decision, f"{decision.why}; trained version {version}"


def retrain_decision(workspace: Workspace, as_of: datetime, seen: Mapping[str, Any]) -> SignalDecision:
    """Every trigger asked, and what stands in the way; `seen` is this cycle's monitoring result."""
    monitor, retrain = workspace.settings.monitor, workspace.settings.retrain
    policy = SignalPolicy(
        min_violations=monitor.min_violations,
        of_last=monitor.of_last,
        min_gap=retrain.min_gap,
        schedule=retrain.schedule,
    )
    earlier = workspace.ledger.acts_before("look", as_of, limit=monitor.of_last - 1) if monitor.of_last > 1 else []
    past = [_looked_at(row["as_of"], row["state"], row["recommendation"], monitor.lookback) for row in earlier]
    now = _looked_at(as_of, seen["state"], seen["diagnosis"]["recommendation"], monitor.lookback)
    last = _last_challenger(workspace, as_of)
    trainings = Trainings(
        last_at=last["as_of"],
        last_version=last["version"],
        last_is_first=last["signal"] is None or last["as_of"] == as_of,
        causes={row["key"] for row in workspace.ledger.acts("signal") if row["as_of"] != as_of},
        in_the_way=_in_the_way(workspace, as_of),
    )
    return decide_signal([*past, now], policy=policy, as_of=as_of, trainings=trainings, below=_below(seen))


def _looked_at(as_of: datetime, state: str, recommendation: str | None, lookback: timedelta) -> LookedAt:
    calls = recommendation == Recommendation.RETRAIN if state in (State.OK, State.DRIFT) else None
    return LookedAt(window=Window(start=as_of - lookback, end=as_of), as_of=as_of, calls=calls)


def _below(seen: Mapping[str, Any]) -> BelowFloor | None:
    found = seen["below_floor"]
    return None if found is None else BelowFloor(**found)


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


def _record(
    workspace: Workspace,
    as_of: datetime,
    clock: str,
    champion: str,
    seen: Mapping[str, Any],
    decision: SignalDecision | None,
    note: str,
) -> dict[str, Any]:
    summary = read_summary(workspace, seen["summary"]) if seen else None
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
        if summary is not None and decision is not None:
            looked = _look_values(summary, seen["diagnosis"], decision)
            writer.record("look", as_of.isoformat(), looked, at=as_of, actor=SERVICE)
        writer.record("cycle", as_of.isoformat(), values, at=as_of, actor=SERVICE, files=files)
    return values


def _look_values(summary: DriftSummary, diagnosis: Mapping[str, Any], decision: SignalDecision) -> dict[str, Any]:
    """What the look of this cycle came to, in columns: so that a year of them is read at once."""
    psis = {check.feature: check.observed for check in summary.checks if check.code == "psi"}
    score = psis.pop(SCORE, None)
    worst = summary.drifted_features[0] if summary.drifted_features else max(psis, key=lambda f: psis[f], default=None)
    return {
        "as_of": summary.timestamp,
        "state": summary.state.value,
        "rows": summary.rows,
        "features_total": summary.num_features_total,
        "features_judged": summary.num_features_evaluated,
        "features_drifted": len(summary.drifted_features),
        "weighted_share": diagnosis["weighted_share"],
        "worst_feature": worst,
        "worst_psi": None if worst is None else psis.get(worst),
        "score_psi": score,
        "change_kind": diagnosis["change"],
        "recommendation": diagnosis["recommendation"],
        "signal_reason": None if decision.signal is None else decision.signal.reason,
        "fired": int(decision.fires),
        "why": decision.why,
    }
