"""How good is the champion on the current window, whose outcomes nobody knows yet, and is that estimate to be trusted?

The same estimate is made for past windows, with the labels known at their time, and held against what came true.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from monitoring.estimate_track import Checked, Trust, trust
from monitoring.estimated import CANNOT_SEE, METRICS, Estimate, Recalibration, estimates, realised, recalibration
from monitoring.values import Window, time_text
from pipeline.desk import Desk
from pipeline.training import model_files  # noqa: F401  scoring needs it, and here it is imported while a kernel warms

# At most 8 windows are tested, so that a cycle costs the same after ten years as after one. Scores are recalibrated on
# the labels of 8 lookbacks: that adds sqrt(1 + 1/8) - 1 = 6 % to the error that chance leaves.
BACK_TESTS = 8
LOOKBACKS_OF_LABELS = 8

BOOKED_ONLY = (
    "Outcomes are known of booked loans only. Estimates are calibrated on these and checked on these: they do not say "
    "how applicants who were refused would have paid."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackTest:
    """The estimate of a past window as it would have been made then, beside what came true.

    `rows`: with a known outcome by now; both sides are over these. `estimates` has one per metric, `checks` those that
    have a value on both sides.
    """

    window: Window
    rows: int
    estimates: tuple[Estimate, ...]
    checks: tuple[Checked, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "window": {"start": time_text(self.window.start), "end": time_text(self.window.end), "rows": self.rows},
            "estimates": [found.to_json() for found in self.estimates],
            "realised": {check.estimate.metric: check.realised for check in self.checks},
            "missed": [check.estimate.metric for check in self.checks if check.missed],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimated:
    """Estimates of the current window, one per metric, and their record.

    `rows`: scored in the window and estimated from. `before_training_end`: left out, since the champion may have been
    trained on them. `other_models`: among `rows`, scored by another model than today's champion; they count with the
    score they got, which is not recalibrated. `back_tests`: newest first.
    """

    as_of: datetime
    champion: str
    window: Window
    rows: int
    before_training_end: int
    other_models: int
    estimates: tuple[Estimate, ...]
    trust: tuple[Trust, ...]
    back_tests: tuple[BackTest, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "schema_version": 1,
            "timestamp": time_text(self.as_of),
            "champion": self.champion,
            "window": {"start": time_text(self.window.start), "end": time_text(self.window.end), "rows": self.rows},
            "before_training_end": self.before_training_end,
            "other_models": self.other_models,
            "estimates": [found.to_json() for found in self.estimates],
            "trust": [verdict.to_json() for verdict in self.trust],
            "back_tests": [test.to_json() for test in self.back_tests],
            "cannot_see": CANNOT_SEE,
            "booked_only": BOOKED_ONLY,
        }


def estimate_performance(desk: Desk, traffic: pd.DataFrame) -> Estimated:
    """Estimate the current window's AUC, F1, Brier score and default rate, and judge these estimates by their record.

    Args:
        desk: A workspace at one moment.
        traffic: `desk.traffic()`, whose labels are not looked at: among young rows the bad ones come first.
    """
    version = desk.workspace.require_champion()["version"]
    trained_until: datetime = desk.workspace.challenger(version)["train_end"]
    past = _Past(desk, version, trained_until)
    tests = tuple(_back_test(past, window) for window in reversed(past.windows))
    scored = traffic[traffic["event_time"] >= trained_until]
    own = (scored["model_version"] == version).to_numpy()
    first = trained_until + desk.settings.monitor.lookback + desk.workspace.horizon
    return Estimated(
        as_of=desk.as_of,
        champion=version,
        window=desk.window,
        rows=len(scored),
        before_training_end=len(traffic) - len(scored),
        other_models=int((~own).sum()),
        estimates=estimates(scored["score"], scored["decision"], past.calibrated_at(desk.as_of), own=own),
        trust=tuple(
            trust(
                metric,
                [check for test in tests for check in test.checks if check.estimate.metric == metric],
                first_possible=first if first > desk.as_of else None,
            )
            for metric in METRICS
        ),
        back_tests=tests,
    )


def estimates_frame(found: Estimated) -> pd.DataFrame:
    """One row per metric: for people. Where the record does not bear the estimate out there is no number, but a reason.

    `sampling_error`: the part of the standard error that is chance alone; `past_errors`: realised less estimated,
    newest first.
    """
    rows = []
    for estimate, verdict in zip(found.estimates, found.trust, strict=True):
        shown = verdict.trusted and estimate.value is not None
        rows.append(
            {
                "metric": estimate.metric,
                "estimate": estimate.value if shown else None,
                "interval": _interval_text(estimate) if shown else "",
                "sampling_error": estimate.sampling_error if shown else None,
                "rows": estimate.rows,
                "labels": estimate.labels,
                "verdict": "trusted" if shown else "abstains",
                "why": estimate.reason or verdict.reason,
                "past_errors": ", ".join(_past_errors(found.back_tests, estimate.metric)),
            }
        )
    return pd.DataFrame(rows)


class _Past:
    """Mature applications since the champion's training, scored by it; fetched once, each stretch bounded in length."""

    def __init__(self, desk: Desk, version: str, trained_until: datetime) -> None:
        workspace = desk.workspace
        self.horizon, self.lookback = workspace.horizon, desk.settings.monitor.lookback
        self.trained_until, closed = trained_until, desk.as_of - workspace.horizon
        # Windows are counted from the training end, not back from now: the record stays the same from one cycle to the
        # next until a window is added, and it is looked at as often as there is something new to see.
        whole = max(0, (closed - trained_until) // self.lookback)
        starts = [trained_until + number * self.lookback for number in range(max(0, whole - BACK_TESTS), whole)]
        self.windows = [Window(start=start, end=start + self.lookback) for start in starts]
        stretches = [(window.start, window.end) for window in self.windows]
        stretches += [self._labels_for(moment) for moment in (*(window.end for window in self.windows), desk.as_of)]
        model = workspace.model(version)
        parts = []
        for start, end in _merged(stretches):
            part = workspace.traffic.outcomes(start, end, as_of=desk.as_of)
            part = part[part["y"].notna()]
            parts.append(part[["event_time", "y", "known_at"]].assign(score=model.score(part)))
        self.rows = pd.concat(parts) if parts else pd.DataFrame(columns=["event_time", "y", "known_at", "score"])
        self.rows["decision"] = (self.rows["score"] >= model.threshold).astype(float)

    def during(self, start: datetime, end: datetime) -> pd.DataFrame:
        """Rows with event times in [start, end) and an outcome known by now."""
        times = self.rows["event_time"]
        return self.rows[(times >= start) & (times < end)]

    def calibrated_at(self, moment: datetime) -> Recalibration | None:
        """What could have been fitted at this moment: on rows mature by then, with labels known by then.

        A label that was corrected since counts as known from its correction on.
        """
        rows = self.during(*self._labels_for(moment))
        rows = rows[rows["known_at"] <= moment]
        return recalibration(rows["y"], rows["score"], rows["decision"]) if len(rows) else None

    def _labels_for(self, moment: datetime) -> tuple[datetime, datetime]:
        end = moment - self.horizon
        return max(self.trained_until, end - LOOKBACKS_OF_LABELS * self.lookback), end


def _merged(stretches: Sequence[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """The same times, nothing twice; empty stretches are left out."""
    merged: list[tuple[datetime, datetime]] = []
    for start, end in sorted(stretch for stretch in stretches if stretch[0] < stretch[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def _back_test(past: _Past, window: Window) -> BackTest:
    rows = past.during(window.start, window.end)
    found = estimates(rows["score"], rows["decision"], past.calibrated_at(window.end))
    true = realised(rows["y"], rows["score"], rows["decision"]) if len(rows) else dict.fromkeys(METRICS)
    checks = [
        Checked(end=window.end, estimate=estimate, realised=came_true)
        for estimate in found
        if estimate.value is not None and (came_true := true[estimate.metric]) is not None
    ]
    return BackTest(window=window, rows=len(rows), estimates=found, checks=tuple(checks))


def _interval_text(estimate: Estimate) -> str:
    return f"[{estimate.low:.3g}, {estimate.high:.3g}] at {estimate.level:.0%}".replace("%", " %")


def _past_errors(tests: Sequence[BackTest], metric: str) -> list[str]:
    return [f"{check.error:+.3f}" for test in tests for check in test.checks if check.estimate.metric == metric]
