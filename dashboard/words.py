"""Numbers, states and reasons as people read them. Text in, text out: no Streamlit, no store."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import pandas as pd

from monitoring.values import DriftSummary
from pipeline.gate.dossier import Dossier
from pipeline.gate.values import Check, Interval, Outcome, Paired
from pipeline.promotion.state import Standing

Colour = Literal["green", "red", "orange", "gray", "blue"]
Label = tuple[str, str, Colour]  # words, icon, colour: never colour alone

STATES: dict[str, Label] = {
    "drift": ("Drift", ":material/warning:", "red"),
    "ok": ("No drift", ":material/check_circle:", "green"),
    "no_data": ("No data", ":material/block:", "gray"),
    "too_few_rows": ("Too few rows", ":material/hourglass_empty:", "gray"),
    "failed": ("Not judged", ":material/error:", "orange"),
}
STANDINGS: dict[Standing, Label] = {
    Standing.PENDING: ("Waits for a signature", ":material/hourglass_top:", "orange"),
    Standing.WAITING: ("Waits for labels", ":material/hourglass_empty:", "gray"),
    Standing.REFUSED: ("Refused by the gates", ":material/block:", "red"),
    Standing.APPROVED: ("Approved", ":material/check_circle:", "green"),
    Standing.REJECTED: ("Rejected", ":material/cancel:", "red"),
    Standing.EXPIRED: ("Expired", ":material/timer_off:", "gray"),
    Standing.STALE: ("Out of date", ":material/history:", "gray"),
    Standing.SUPERSEDED: ("Judged again later", ":material/history:", "gray"),
}
OUTCOMES = {Outcome.PASSED: "✓ passed", Outcome.FAILED: "✗ failed", Outcome.UNDECIDED: "△ undecided"}
METRICS = {"f1": "F1", "auc": "AUC", "brier": "Brier score"}
LOWER_IS_BETTER = {"brier"}
_AT_MOST = {"G5", "G6"}  # gates whose observed value must stay below the limit


def day(moment: datetime) -> str:
    """A date, and the time where there is one.

    >>> day(datetime.fromisoformat("2006-07-01T00:00Z")), day(datetime.fromisoformat("2006-07-01T08:05Z"))
    ('1 Jul 2006', '1 Jul 2006 08:05')
    """
    text = f"{moment.day} {moment:%b %Y}"
    return text if (moment.hour, moment.minute) == (0, 0) else f"{text} {moment:%H:%M}"


def percent(share: float | None, digits: int = 0) -> str:
    """A share as a percentage, a dash where nothing was measured.

    >>> percent(0.692), percent(None), percent(0.0213, 1), percent(-0.001)
    ('69 %', '–', '2.1 %', '0 %')
    """
    return "–" if share is None or pd.isna(share) else f"{round(share * 100, digits) + 0.0:.{digits}f} %"  # no -0


def count(number: int, noun: str) -> str:
    """A number with its noun.

    >>> count(1, "row"), count(1772, "row"), count(2, "entry")
    ('1 row', '1,772 rows', '2 entries')
    """
    several = f"{noun[:-1]}ies" if noun.endswith("ry") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else several}"


def plain(text: object) -> str:
    """Any text, so that Markdown shows it letter by letter.

    >>> print(plain("new_business *and* <b>"))
    new\\_business \\*and\\* \\<b\\>
    """
    return re.sub(r"([\\`*_{}\[\]()<>#+\-.!|~$:^=&])", r"\\\1", " ".join(str(text).split()))


def gate_number(check: Check, value: float | None, *, signed: bool = False) -> str:
    """A gate's number in its own unit."""
    if value is None:
        return "–"
    sign = "+" if signed else ""
    if "relative" in check.unit or "share" in check.unit:
        return f"{value * 100:{sign}.1f} %"
    if "Brier" in check.unit or "absolute" in check.unit:
        return f"{value:{sign}.4f}"
    return f"{value:{sign},.0f}" + (" days" if check.unit == "days" else "")


def gate_limit(check: Check) -> str:
    """What the gate asks for."""
    return f"{'≤' if check.code in _AT_MOST else '≥'} {gate_number(check, check.threshold)}"


def gate_interval(check: Check) -> str:
    """The gate's interval in its own unit, and its level."""
    if check.interval is None:
        return "–"
    low, high = (gate_number(check, bound) for bound in (check.interval.low, check.interval.high))
    return f"{low} to {high} ({percent(check.interval.level)})"


def gates_table(checks: Sequence[Check]) -> pd.DataFrame:
    """One row per gate, every number in its unit; safe to show as Markdown."""
    rows = [
        {
            "Gate": f"**{check.code}** {check.name}",
            "Outcome": OUTCOMES[check.outcome],
            "Observed": gate_number(check, check.observed),
            "Limit": gate_limit(check),
            "Margin": gate_number(check, check.margin, signed=True),
            "Interval": gate_interval(check),
            "Unit": check.unit,
        }
        for check in checks
    ]
    return pd.DataFrame(rows)


def passed(checks: Sequence[Check]) -> str:
    """How many gates passed."""
    return f"{sum(check.outcome is Outcome.PASSED for check in checks)} of {len(checks)} gates passed"


def gates_label(dossier: Dossier) -> Label:
    """The same as a badge."""
    return passed(dossier.checks), ":material/checklist:", "green" if dossier.promotable else "red"


def sure(pair: Paired) -> Literal["better", "worse", "unsure"]:
    """Whether the interval of the difference leaves out "the same", and on which side."""
    interval = pair.interval
    if interval is None or interval.low <= 0 <= interval.high:
        return "unsure"
    return "better" if (interval.low > 0) is not (pair.metric in LOWER_IS_BETTER) else "worse"


def between(interval: Interval | None, digits: int = 3) -> str:
    """An interval of a difference. A hyphen for minus: Streamlit reads the sign of a delta from it."""
    return "no interval" if interval is None else f"{interval.low:+.{digits}f} to {interval.high:+.{digits}f}"


def concerns(dossier: Dossier) -> list[str]:
    """What passed gates can hide, so that a signature is not given on a row of ticks alone."""
    found, measured = [], dossier.evidence
    for check in dossier.checks:
        if check.outcome is Outcome.PASSED and check.margin is not None and check.margin < 0:
            found.append(
                f"{check.code} passed although {gate_number(check, check.observed)} is beyond the limit of "
                f"{gate_number(check, check.threshold)}: its interval does not exclude luck ({check.note})."
            )
    for segment in measured.segments:
        if segment.positives and segment.champion_f1 > 0 and segment.challenger_f1 == 0:
            found.append(
                f"In {segment.name} version {dossier.challenger} finds none of {segment.positives} bad loans; "
                f"version {dossier.champion} finds some (F1 {segment.champion_f1:.2f})."
            )
    for version, model in ((dossier.champion, measured.champion), (dossier.challenger, measured.challenger)):
        if model.f1 is not None and measured.baseline_f1 is not None and model.f1 < measured.baseline_f1:
            found.append(f"Version {version}'s F1 of {model.f1:.3f} is below that of calling every loan bad.")
    return found


def drift_verdict(summary: DriftSummary) -> str:
    """What a window says about drift; a window that was not judged never reads as calm."""
    total = f"{summary.num_drifted_features} of {count(summary.num_features_evaluated, 'feature')}"
    limit = percent(summary.policy.drift_share)
    return {
        "drift": f"The population has drifted: {total} ({percent(summary.drift_share)}, limit {limit}).",
        "ok": f"No drift: {total} beyond their limit ({percent(summary.drift_share)}, limit {limit}).",
        "no_data": "No data: nothing was scored in this window. That says nothing about drift.",
        "too_few_rows": f"Too few rows: {count(summary.rows, 'row')}, {summary.policy.min_rows:,} needed. "
        "Not judged, which is not the same as no drift.",
        "failed": f"Could not be judged: {summary.reason or 'no reason on record'}. That is not the same as no drift.",
    }[summary.state.value]


def standing_story(standing: Standing, dossier: Dossier, champion: str) -> str:
    """What a dossier's standing means for the reader."""
    version, expires = dossier.challenger, day(dossier.expires_at)
    return {
        Standing.PENDING: f"Every gate passed. A listed person may sign until {expires}.",
        Standing.WAITING: "Labels are still missing; it is judged again each cycle. It can be rejected, not signed.",
        Standing.REFUSED: f"Version {version} cannot be signed: not every gate passed. Version {champion} stays.",
        Standing.APPROVED: f"Version {version} was signed and took the champion's place.",
        Standing.REJECTED: f"Version {version} was rejected by a person.",
        Standing.EXPIRED: f"Nobody signed by {expires}. Running out of time only ever refuses.",
        Standing.STALE: f"Judged against version {dossier.champion}; the champion is now version {champion}.",
        Standing.SUPERSEDED: f"Version {version} was judged again later; only the newest dossier can be signed.",
    }[standing]


def spreadsheet_safe(value: object) -> object:
    """A cell that no spreadsheet runs as a formula.

    >>> spreadsheet_safe("=1+1"), spreadsheet_safe("-x"), spreadsheet_safe("fine"), spreadsheet_safe(-3)
    ("'=1+1", "'-x", 'fine', -3)
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
