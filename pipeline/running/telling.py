"""What a cycle has to tell: conditions that hold now, from which alerts are made; and a heartbeat."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from monitoring.checks import FEED_CODES
from monitoring.diagnosis import Change, Recommendation
from monitoring.label_flow import Outcomes, jumped
from monitoring.signals import SignalDecision
from monitoring.summary import DriftSummary
from monitoring.values import State
from pipeline.alerts.alerting import alert
from pipeline.alerts.heartbeat import beat
from pipeline.alerts.values import Condition, Severity
from pipeline.clock import wall_clock
from pipeline.promotion.review import pending
from pipeline.promotion.rollback import RULE
from pipeline.promotion.watch import State as WatchState
from pipeline.promotion.watching_period import standing_watch
from pipeline.watching import read_summary
from pipeline.wiring import Workspace

WINDOW = "window"
FEED = tuple(f"feed.{code}" for code in FEED_CODES)
MEASURED = ("drift.population", "drift.joint", *FEED)  # only by a judged window
INCOMING = "labels.bad_share"
_BEFORE = 4  # lookbacks that the last one is compared with: a whole year where it is a quarter
PERFORMANCE = ("performance.below_floor", "performance.calibration")  # by every look that ran


def tell(
    workspace: Workspace,
    cycle: Mapping[str, Any],
    seen: Mapping[str, Any],
    decision: SignalDecision | None,
    *,
    say: Callable[[str], None],
) -> None:
    """Open, close and send alerts for this cycle, and leave a sign that it ran."""
    as_of: datetime = cycle["as_of"]
    summary = read_summary(workspace, seen["summary"]) if seen else None
    waiting = [(item.row["challenger"], item.row["as_of"]) for item in pending(workspace, now=as_of)]
    incoming = incoming_outcomes(workspace, as_of)
    found = [
        *conditions(as_of, summary, seen, decision, waiting, note=cycle["note"]),
        *watched(workspace, as_of),
        *(incoming or ()),
    ]
    blind = [*unmeasured(summary), *([(INCOMING, None)] if incoming is None else [])]
    simulated = cycle["clock"] == "replay"  # history is no news: it is recorded, and nobody is woken by it
    alert(workspace, found, as_of=as_of, say=say, unmeasured=blind, silent=simulated)
    if (trouble := beat(workspace, cycle, now=wall_clock())) is not None:
        say(trouble)


def unmeasured(summary: DriftSummary | None) -> list[tuple[str, str | None]]:
    """What this cycle cannot say: an alert on it comes no nearer to its end."""
    if summary is None:
        return [(code, None) for code in (*MEASURED, *PERFORMANCE)]
    if not summary.judged:
        return [(code, None) for code in MEASURED]
    return [(code, note.feature) for note in summary.notes if not note.evaluated for code in FEED]


def conditions(
    as_of: datetime,
    summary: DriftSummary | None,
    seen: Mapping[str, Any],
    decision: SignalDecision | None,
    waiting: list[tuple[str, datetime]],
    *,
    note: str,
) -> Iterator[Condition]:
    """Everything that a person may want to know of now. A page wants somebody today; a note can wait."""
    for version, since in waiting:
        text = f"Version {version} passed every gate and waits for a signature."
        yield Condition(
            code="review.waiting", subject=f"version {version}", severity=Severity.PAGE, text=text, since=since
        )
    if summary is None:
        yield Condition(code="cycle.failed", subject="drift", severity=Severity.PAGE, text=note, since=as_of)
        return
    if not summary.judged:
        severity = Severity.NOTE if summary.state is State.TOO_FEW_ROWS else Severity.PAGE
        text = seen["diagnosis"]["reason"]
        yield Condition(code=f"window.{summary.state}", subject=WINDOW, severity=severity, text=text, since=as_of)
    yield from _feed(summary)
    yield from _population(summary, seen)
    yield from _performance(as_of, seen)
    if decision is not None and decision.fires and decision.signal is not None:
        text = f"A challenger is trained ({decision.signal.reason}): {decision.why}."
        yield Condition(
            code="signal.fired", subject=decision.signal.reason, severity=Severity.NOTE, text=text, since=as_of
        )


def watched(workspace: Workspace, as_of: datetime) -> Iterator[Condition]:
    """What the watch of the last promotion wants somebody for; and a rollback that nobody asked for, while it is new.

    New is a rollback until the cooldown is over, before which nothing can be promoted.
    """
    stands, champion = standing_watch(workspace), workspace.require_champion()
    if stands is not None and stands["state"] == WatchState.PROPOSES:
        text = f"Going back to version {stands['replaced']} is proposed: {stands['reason']}"
        since = datetime.fromisoformat(stands["proposed_at"])
        subject = f"version {stands['version']}"
        yield Condition(code="watch.rollback", subject=subject, severity=Severity.PAGE, text=text, since=since)
    elif stands is not None and (stands["canary"]["differ"] or stands["canary"]["broken"]):
        since, subject = datetime.fromisoformat(stands["as_of"]), f"version {stands['version']}"
        yield Condition(
            code="watch.scores", subject=subject, severity=Severity.PAGE, text=stands["reason"], since=since
        )
    young = as_of - champion["since"] < workspace.settings.gate.cooldown
    done = workspace.ledger.entries(kind="rollback", limit=1) if champion["how"] == "rollback" and young else []
    if done and done[-1].actor == RULE:
        text = f"Version {champion['version']} was put back without a person (watch.act): {done[-1].body['reason']}"
        subject, since = f"version {champion['version']}", champion["since"]
        yield Condition(code="watch.rolled_back", subject=subject, severity=Severity.PAGE, text=text, since=since)


def incoming_outcomes(workspace: Workspace, as_of: datetime) -> list[Condition] | None:
    """Whether outcomes of this lookback are bad far more or less often than those before; None: nothing to compare.

    What was recorded at go-live is history, loaded at once.
    """
    monitor, go_live = workspace.settings.monitor, workspace.settings.train.go_live
    start = as_of - monitor.lookback
    if start <= go_live:
        return None
    earlier = max(start - _BEFORE * monitor.lookback, go_live)
    before = Outcomes(*workspace.traffic.recorded_outcomes(earlier, start))
    now = Outcomes(*workspace.traffic.recorded_outcomes(start, as_of))
    level = workspace.settings.drift_policy.look_level
    found = jumped(before, now, factor=monitor.label_jump, level=level)
    if found is None:
        return None
    text = (
        f"Of outcomes recorded since {start:%Y-%m-%d %H:%M} UTC {now.words} are bad; from {earlier:%Y-%m-%d %H:%M} to "
        f"then it was {before.words}. The portfolio has changed, or the feed is wrong: see where they come from."
    )
    told = Condition(code=INCOMING, subject="outcomes", severity=Severity.PAGE, text=text, since=as_of)
    return [told] if found else []


def _feed(summary: DriftSummary) -> Iterator[Condition]:
    for check in summary.drifted:
        if check.feed_fault and check.since is not None:
            shares = f"from {check.expected:.1%} to {check.observed:.1%}".replace("%", " %")
            what = {"missing": "missing", "range": "beyond any of the reference", "new_category": "never seen before"}
            text = f"{check.feature}: share {what[check.code]} {shares} of {check.rows:,} rows."
            code = f"feed.{check.code}"
            yield Condition(code=code, subject=check.feature, severity=Severity.PAGE, text=text, since=check.since)


def _population(summary: DriftSummary, seen: Mapping[str, Any]) -> Iterator[Condition]:
    moved = [check for check in summary.drifted if not check.feed_fault]
    diagnosis = seen["diagnosis"]
    if moved:
        serious = diagnosis["recommendation"] not in (Recommendation.NOTHING, Recommendation.WAIT_FOR_LABELS)
        first = min(check.since for check in moved if check.since is not None)
        text = f"{diagnosis['reason']} {' '.join(seen['moved'][:3])}"
        severity = Severity.PAGE if serious else Severity.NOTE
        yield Condition(code="drift.population", subject=WINDOW, severity=severity, text=text, since=first)
    joint = seen["joint"]
    if joint is not None and joint["state"] == State.DRIFT:
        pairs = ", ".join(f"{pair['first']} with {pair['second']}" for pair in joint["pairs"])
        text = f"Features hang together differently than in the reference: {pairs}. Single features do not show it."
        since = datetime.fromisoformat(joint["as_of"])
        yield Condition(code="drift.joint", subject=WINDOW, severity=Severity.NOTE, text=text, since=since)


def _performance(as_of: datetime, seen: Mapping[str, Any]) -> Iterator[Condition]:
    diagnosis, below = seen["diagnosis"], seen["below_floor"]
    if below is not None:
        subject = f"version {below['champion']}"
        text = f"Realised performance is below its floor: {below['note']}."
        yield Condition(code="performance.below_floor", subject=subject, severity=Severity.PAGE, text=text, since=as_of)
    if diagnosis["change"] == Change.BASE_RATE:
        yield Condition(
            code="performance.calibration",
            subject=WINDOW,
            severity=Severity.PAGE,
            text=diagnosis["reason"],
            since=as_of,
        )
