"""When drift is a reason to train: it has lasted, and it is still there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from monitoring.values import DriftSummary, time_text, utc, whole

Reason = Literal["drift", "schedule", "person"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalPolicy:
    """How long drift must last: in at least `min_violations` of the last `of_last` windows, the latest included."""

    min_violations: int = 2
    of_last: int = 3

    def __post_init__(self) -> None:
        if not 1 <= whole(self.min_violations, "min_violations") <= whole(self.of_last, "of_last"):
            raise ValueError(f"need 1 <= min_violations <= of_last, got {self.min_violations} of {self.of_last}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainSignal:
    """A reason to train a challenger. `windows`: ids of the windows that caused it, oldest first (drift only)."""

    reason: Reason
    windows: tuple[str, ...] = ()
    as_of: datetime
    note: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "as_of", utc(self.as_of, "as_of"))
        if self.reason not in ("drift", "schedule", "person"):
            raise ValueError(f"reason must be drift, schedule or person, got {self.reason!r}")
        if bool(self.windows) is not (self.reason == "drift"):
            raise ValueError(f"drift, and only drift, names its windows; got {self.reason} with {self.windows}")

    @property
    def key(self) -> str:
        """Identity of the cause, 16 hex digits: what must not start a second training.

        Drift is its windows, whenever they were judged and however it is worded; a schedule is its time; a person's
        request is its time and words.
        """
        cause = {
            "drift": [*self.windows],
            "schedule": [time_text(self.as_of)],
            "person": [time_text(self.as_of), self.note],
        }
        canonical = json.dumps([self.reason, *cause[self.reason]], separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def drift_signal(summaries: Sequence[DriftSummary], *, policy: SignalPolicy) -> RetrainSignal | None:
    """The signal that these windows give, or None.

    Args:
        summaries: Judged windows of one model, in any order. Windows that overlap repeat one another's evidence: to ask
            that drift *lasts*, pass windows that follow one another. A window judged twice counts once, as last judged.
        policy: How many of the last how many must have drifted; fewer windows than `of_last` will do.

    Returns:
        A signal as of the latest window's judgement, or None. A window that could not be judged is no violation, and
        while it is the latest nothing fires.
    """
    recent = _recent(summaries, policy)
    violating = [summary for summary in recent if summary.dataset_drift_detected]
    if len(violating) < policy.min_violations or violating[-1] is not recent[-1]:
        return None
    return RetrainSignal(
        reason="drift",
        windows=tuple(summary.window.window_id for summary in violating),
        as_of=recent[-1].timestamp,
        note=explain(summaries, policy=policy),
    )


def explain(summaries: Sequence[DriftSummary], *, policy: SignalPolicy) -> str:
    """One sentence on why `drift_signal` fires on these windows, or why it does not.

    >>> explain([], policy=SignalPolicy())
    'No window has been judged yet.'
    """
    recent = _recent(summaries, policy)
    if not recent:
        return "No window has been judged yet."
    verdicts = [summary.dataset_drift_detected for summary in recent]
    latest = {True: "the latest included", False: "the latest did not", None: "the latest could not be judged"}
    windows = "window" if len(recent) == 1 else f"{len(recent)} windows"
    unjudged = f"{verdicts.count(None)} not judged; " if None in verdicts else ""
    needs = f"{unjudged}a signal needs {policy.min_violations} of {policy.of_last} and the latest"
    return f"{verdicts.count(True)} of the last {windows} drifted, {latest[verdicts[-1]]} ({needs})."


def _recent(summaries: Sequence[DriftSummary], policy: SignalPolicy) -> list[DriftSummary]:
    """The last windows, oldest first; of a window judged twice, the later judgement."""
    by_judgement = sorted(summaries, key=lambda summary: summary.timestamp)
    distinct = {summary.window.window_id: summary for summary in by_judgement}
    in_order = sorted(distinct.values(), key=lambda summary: (summary.window.end, summary.window.start))
    return in_order[-policy.of_last :]
