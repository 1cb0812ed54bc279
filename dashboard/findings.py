"""What a look found, in sentences: the verdict, which kind of change, what to do, what is estimated, what came true.

Text in, text out, as it stands on record: who shows it as Markdown escapes it first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from dashboard.words import METRICS, STATES, Colour, Label, count, day, metric_number, percent
from monitoring.checks import SCORE, Check
from monitoring.diagnosis import Change, Recommendation
from monitoring.summary import DriftSummary
from monitoring.values import State
from pipeline.alerts.values import Alert

NAMES = METRICS | {"default_rate": "Default rate"}
NOT_CALM = "That is not the same as no drift."
CHANGES = {
    Change.NONE: "Nothing has changed",
    Change.FEED: "The feed has changed",
    Change.POPULATION: "Who applies has changed",
    Change.BASE_RATE: "How many go bad has changed",
    Change.CONCEPT: "Who goes bad has changed",
    Change.UNKNOWN: "No verdict",
}
TO_DO: dict[Recommendation, tuple[str, Colour]] = {
    Recommendation.NOTHING: ("Do not retrain", "gray"),
    Recommendation.FIX_FEED: ("Do not retrain: look at the feed", "orange"),
    Recommendation.WAIT_FOR_LABELS: ("Do not retrain yet: wait for labels", "orange"),
    Recommendation.RECALIBRATE: ("Do not retrain: recalibrate", "orange"),
    Recommendation.MOVE_CUT_OFF: ("Do not retrain: think about the cut-off", "orange"),
    Recommendation.RETRAIN: ("Train a challenger", "red"),
}
_UNJUDGED = {
    State.NO_DATA: "No data, nothing was scored in this window",
    State.TOO_FEW_ROWS: "Too little data to judge ({rows})",
    State.STALE: "Only old rows ({rows}), which say how things were",
    State.FAILED: "Not judged ({rows})",
}
FLOORS: dict[str, Label] = {
    "ok": ("Keeps its promise", ":material/check_circle:", "green"),
    "below": ("Below its floor", ":material/warning:", "red"),
    "undecided": ("Not decided", ":material/hourglass_empty:", "gray"),
}


def verdict(summary: DriftSummary, result: Mapping[str, Any] | None = None) -> str:
    """What a window says about drift; one that was not judged never reads as calm.

    Args:
        summary: Of the window.
        result: Its monitoring result: features that go together differently drift, though no single one does.
    """
    rows, total = count(summary.rows, "row"), count(summary.num_features_total, "feature")
    moved, score = len(summary.drifted_features), check_of(summary, SCORE, "psi")
    if summary.state == "drift":
        left = f" {summary.reason}." if summary.reason else ""
        if not moved:
            return f"Drift: the score is beyond its limit, none of {total} is ({rows}).{left}"
        also = ", and so is the score" if score is not None and score.drifted else ""
        return f"Drift: {moved} of {total} beyond their limit{also} ({rows}).{left}"
    if summary.state == "ok":
        if joint_drift(result):
            return f"No single one of {total} is beyond its limit ({rows}), but they go together differently."
        return f"No drift: none of {total} is beyond its limit ({rows})."
    reason = f": {summary.reason or 'no reason on record'}" if result is None else ""  # a diagnosis repeats it
    return f"{_UNJUDGED[summary.state].format(rows=rows)}{reason}. {NOT_CALM}"


def check_of(summary: DriftSummary, feature: str, code: str) -> Check | None:
    """One check of a window, if it was made."""
    return next((check for check in summary.checks if (check.feature, check.code) == (feature, code)), None)


def joint_drift(result: Mapping[str, Any] | None) -> bool:
    """Features go together differently than in the reference, as last tested."""
    return bool(result and result["joint"] and result["joint"]["state"] == "drift")


def state_label(status: str, result: Mapping[str, Any] | None = None) -> Label:
    """A window's state as a badge."""
    if status == "ok" and joint_drift(result):
        return "Joint drift", ":material/warning:", "orange"
    return STATES[status]


def state_text(cycle: Mapping[Any, Any]) -> str:
    """A cycle's state in a list: "No drift" never stands alone where something else was found.

    >>> state_text({"status": "ok", "change_kind": "none"}), state_text({"status": "failed", "change_kind": None})
    ('No drift', 'Not judged')
    >>> [state_text({"status": "ok", "change_kind": change}) for change in ("concept", "population")]
    ['No drift, but who goes bad has changed', 'Features go together differently']
    """
    status, change = cycle["status"], cycle["change_kind"]
    if status == "ok" and change == Change.POPULATION:
        return "Features go together differently"
    if status not in ("ok", "drift") or change in (None, Change.NONE) or (status, change) == ("drift", "population"):
        return STATES[status][0]
    told = CHANGES[Change(change)]
    return f"{STATES[status][0]}, {'but ' if status == 'ok' else ''}{told[0].lower()}{told[1:]}"


def features_text(cycle: Mapping[Any, Any]) -> str:
    """How many features are beyond their limit, of those judged; a dash where none was.

    >>> features_text({"features_drifted": 9.0, "features_judged": 13.0})
    '9 of 13'
    """
    if pd.isna(cycle["features_judged"]) or not cycle["features_judged"]:
        return "–"
    return f"{cycle['features_drifted']:.0f} of {cycle['features_judged']:.0f}"


def to_do(diagnosis: Mapping[str, Any]) -> str:
    """What is recommended, as a clause; a calm window needs nothing, which is more than not training."""
    if diagnosis["change"] == Change.NONE:
        return "Nothing to do"
    return TO_DO[Recommendation(diagnosis["recommendation"])][0]


def to_do_label(diagnosis: Mapping[str, Any]) -> Label:
    """The recommendation as a badge."""
    colour = TO_DO[Recommendation(diagnosis["recommendation"])][1]
    return to_do(diagnosis), ":material/arrow_forward:", colour


def limit_text(check: Check) -> str:
    """Where a check's limit lies, on its side.

    >>> given = {"feature": "x", "code": "missing", "rows": 900, "expected": 0.5, "observed": 0.4, "drifted": False}
    >>> limit_text(Check(**given, critical=0.45, limit=0.3)), limit_text(Check(**given, critical=None, limit=None))
    ('30.0 % or less', 'none: too few rows to tell')
    """
    if check.limit is None:
        return "none: too few rows to tell"
    told = f"{check.limit:.3f}" if check.code == "psi" else percent(check.limit, 1)
    return f"{told} or {'more' if check.limit >= check.expected else 'less'}"


def psi_text(check: Check | None) -> tuple[str, str]:
    """A PSI, and its limit with the rows behind it."""
    if check is None:
        return "–", "not measured"
    return f"{check.observed:.3f}", f"limit {limit_text(check).removesuffix(' or more')}, {count(check.rows, 'row')}"


def estimates(estimated: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Metric and sentence; without a number where its record does not bear the estimate out.

    A record of past estimates that missed says: do not read this one.
    """
    trust = {each["metric"]: each for each in estimated["trust"]}
    return [(NAMES[each["metric"]], _estimate(each, trust[each["metric"]])) for each in estimated["estimates"]]


def _estimate(found: Mapping[str, Any], trust: Mapping[str, Any]) -> str:
    if found["value"] is None:
        return f"no estimate: {found['reason']}"
    if not trust["trusted"]:
        return f"no estimate, its record does not bear it out: {trust['reason']}"
    number, low, high = (metric_text(found["metric"], found[name]) for name in ("value", "low", "high"))
    rows = f"{count(found['rows'], 'row')}, {count(found['labels'], 'label')}"
    return f"{number} ({low} to {high} at {percent(found['level'])}, {rows}); {trust['reason']}"


def metric_text(metric: str, value: float | None) -> str:
    """A metric in its own unit."""
    return percent(value, 1) if metric == "default_rate" else metric_number(metric, value)


def realised(outcomes: Mapping[str, Any]) -> str:
    """Realised performance beside its floor, or why it cannot be held against one."""
    floor = outcomes["realised"]["floor"]
    promise, worst = (metric_text(floor["metric"], floor[each]) for each in ("promise", "floor"))
    promised = "no promise is known" if floor["promise"] is None else f"promised {promise}, floor {worst}"
    return f"{NAMES[floor['metric']]}, realised: {floor['reason']}; {promised} ({floor['promise_source']})."


def pp(change: float | None) -> str:
    """A change of a mean score in percentage points.

    >>> pp(0.0123), pp(-0.00001), pp(None)
    ('+1.23', '+0.00', '–')
    """
    return "–" if change is None or pd.isna(change) else f"{round(change * 100, 2) + 0.0:+.2f}"


def other_format(number: int) -> str:
    """Why a cycle is not shown."""
    return (
        f"This cycle is on record in format {number}, which this version of Mend does not show; its files are "
        "unchanged. Nothing is said here about drift."
    )


def alert_line(alert: Alert) -> str:
    """Who looks after an alert."""
    until = f"silent until {day(alert.snoozed_until)}" if alert.snoozed_until else ""
    return ", ".join(part for part in (f"with {alert.owner}" if alert.owner else "", until) if part) or "nobody yet"
