"""Values as tables for people: what notebooks print and pages show."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from monitoring.proxy import ProxyMetrics
from monitoring.summary import DriftSummary
from pipeline.gate.dossier import Dossier
from pipeline.gate.measured import LOWER_IS_BETTER, Evidence, Paired
from pipeline.gate.values import Interval

# Which metrics can share an axis, and what better means for those whose best value is not an end of their range.
PANELS = {
    "f1": "shares",
    "auc": "shares",
    "gini": "shares",
    "ks": "shares",
    "brier": "score errors",
    "log_loss": "score errors",
    "calibration_intercept": "calibration",
    "calibration_slope": "calibration",
    "profit": "money",
}
IDEAL = {"calibration_intercept": "nearer 0", "calibration_slope": "nearer 1"}

_CHECKS = ("gate", "name", "outcome", "observed", "threshold", "unit", "interval", "margin")
_COMPARISON = ("metric", "panel", "better", "champion", "challenger", "difference", "low", "high", "level")
_SEGMENTS = ("segment", "value", "rows", "bad", "champion_f1", "challenger_f1", "drop", "interval")
_SWAP = ("segment", "value", "direction", "applicants", "good", "bad", "unknown", "amount", "result")
_COVERAGE = ("group", "value", "applicants", "not_mature", "mature_unlabelled", "labelled", "bad", "labelled_share")
_APPROVALS = ("segment", "value", "applicants", "champion_approved", "challenger_approved", "champion_rate")


def drift_frame(summary: DriftSummary) -> pd.DataFrame:
    """One row per feature, most drifted first; features that could not be judged last, with the reason."""
    judged = {item.feature: item for item in summary.features}
    rows = []
    for note in summary.notes:
        item = judged.get(note.feature)
        rows.append(
            {
                "feature": note.feature,
                "kind": note.kind,
                "drift_score": item.drift_score if item else None,
                "threshold": item.threshold if item else summary.policy.threshold,
                "drift_detected": item.drift_detected if item else None,
                "stat_test": item.stat_test if item else None,
                "moved": movement(note.summary),
                "missing_reference": note.reference_missing_share,
                "missing_current": note.current_missing_share,
                "rows": note.current_rows,
                "not_judged_because": note.reason,
            }
        )
    columns = ["feature", "kind", "drift_score", "threshold", "drift_detected", "stat_test", "moved"]
    frame = pd.DataFrame(rows, columns=[*columns, "missing_reference", "missing_current", "rows", "not_judged_because"])
    return frame.sort_values("drift_score", ascending=False, ignore_index=True, key=pd.to_numeric)


def movement(summary: dict[str, Any]) -> str:
    """How a feature moved, in its own unit.

    >>> movement({"reference": {"median": 72000.0}, "current": {"median": 95000.0}})
    'median 72,000 → 95,000 (+32 %)'
    >>> movement({"top": [{"category": "N", "reference_share": 0.86, "current_share": 1.0}], "new_categories": 0})
    'N 86 % → 100 %'
    """
    if "current" in summary:
        before, after = summary["reference"]["median"], summary["current"]["median"]
        change = f" ({after / before - 1:+.0%})".replace("%", " %") if before else ""
        return f"median {before:,g} → {after:,g}{change}"
    if summary.get("top"):
        most = max(summary["top"], key=lambda each: abs(each["current_share"] - each["reference_share"]))
        new = f"; {summary['new_categories']} new categories" if summary["new_categories"] else ""
        return f"{most['category']} {most['reference_share'] * 100:.0f} % → {most['current_share'] * 100:.0f} %{new}"
    return ""


def proxy_frame(proxy: ProxyMetrics) -> pd.DataFrame:
    """One column per stretch of traffic, one row per metric."""
    frame = pd.DataFrame([window.to_json() for window in proxy.windows]).drop(columns=["start", "end"])
    return frame.set_index("label").T.rename_axis(index="metric", columns=None)


def checks_frame(dossier: Dossier) -> pd.DataFrame:
    """One row per gate, in order; an undecided one says what it waits for, if waiting can help."""
    rows = [
        {
            "gate": check.code,
            "name": check.name,
            "outcome": check.outcome.value,
            "observed": check.observed,
            "threshold": check.threshold,
            "unit": check.unit,
            "interval": interval_text(check.interval),
            "margin": check.margin,
            "more_rows": check.more_rows,
            "decidable_at": check.decidable_at,
            "note": check.note,
        }
        for check in dossier.checks
    ]
    return _frame(rows, *_CHECKS, "more_rows", "decidable_at", "note")


def comparison_frame(evidence: Evidence) -> pd.DataFrame:
    """One row per paired metric: both models, the difference and its interval, the first champion, two baselines."""
    others = ("original", "everyone_bad", "base_rate")
    rows = [
        _paired_row(pair) | {name: getattr(getattr(evidence, name), pair.metric) for name in others}
        for pair in evidence.paired
    ]
    return _frame(rows, *_COMPARISON, *others)


def segments_frame(evidence: Evidence) -> pd.DataFrame:
    """One row per segment: both models' F1, the share of it that is lost, and the loss that so many rows can show."""
    rows = [
        {
            "segment": segment.segment,
            "value": segment.value,
            "rows": segment.rows,
            "bad": segment.positives,
            "champion_f1": segment.champion_f1,
            "challenger_f1": segment.challenger_f1,
            "drop": segment.drop,
            "interval": interval_text(segment.interval) or "not judged: too few rows",
            "log_loss_rise_nats": segment.log_loss_rise,
            "loss": segment.loss,
            "loss_interval": interval_text(segment.loss_interval) or "not judged: too few rows",
            "detectable_drop": segment.detectable_drop,
        }
        for segment in evidence.segments
    ]
    return _frame(rows, *_SEGMENTS, "log_loss_rise_nats", "loss", "loss_interval", "detectable_drop")


def swap_frame(evidence: Evidence) -> pd.DataFrame:
    """One row per segment value and direction, totals first: applicants whose decision changes, and what came of it.

    `amount` is money at stake of all of them, `result` what booking those of known outcome earns (+) or loses (-).
    """
    rows = [{name: getattr(cell, name) for name in _SWAP} for cell in evidence.swap]
    return _frame(rows, *_SWAP)


def coverage_frame(evidence: Evidence) -> pd.DataFrame:
    """One row per score band, vintage and segment value; `labelled_share` is of the mature."""
    rows = [
        {
            "group": cell.group,
            "value": cell.value,
            "applicants": cell.applicants,
            "not_mature": cell.applicants - cell.mature,
            "mature_unlabelled": cell.mature - cell.labelled,
            "labelled": cell.labelled,
            "bad": cell.bad,
            "labelled_share": cell.share,
            "final_at": cell.final_at,
        }
        for cell in evidence.cells
    ]
    return _frame(rows, *_COVERAGE, "final_at")


def approvals_frame(evidence: Evidence) -> pd.DataFrame:
    """One row per segment value: whom each model approves. Information, not a finding and not legal advice."""
    rows = [
        {
            "segment": cell.segment,
            "value": cell.value,
            "applicants": cell.applicants,
            "champion_approved": cell.champion_approved,
            "challenger_approved": cell.challenger_approved,
            "champion_rate": cell.champion_rate,
            "challenger_rate": cell.challenger_rate,
            "rate_change": cell.rate_change,
            "rate_change_interval": interval_text(cell.rate_change_interval) or "not compared: too few applicants",
            "champion_impact_ratio": cell.champion_impact_ratio,
            "challenger_impact_ratio": cell.challenger_impact_ratio,
            "below_floor": cell.below_floor,
        }
        for cell in evidence.approvals
    ]
    ratios = ("champion_impact_ratio", "challenger_impact_ratio", "below_floor")
    return _frame(rows, *_APPROVALS, "challenger_rate", "rate_change", "rate_change_interval", *ratios)


def interval_text(interval: Interval | None) -> str:
    """An interval as people read it.

    >>> interval_text(Interval(0.0164, 0.1301, 0.9))
    '[0.0164, 0.13] at 90 %'
    >>> interval_text(Interval(-12345.6, 0.5, 0.9))
    '[-12,346, 0.5] at 90 %'
    """
    if interval is None:
        return ""
    low, high = (f"{end:,.0f}" if abs(end) >= 1000 else f"{end:.3g}" for end in (interval.low, interval.high))
    return f"[{low}, {high}] at {level_text(interval)}"


def level_text(interval: Interval) -> str:
    """A confidence level, with as many digits as it takes: the error budget makes uneven ones.

    >>> [level_text(Interval(0.0, 1.0, level)) for level in (0.9, 0.98004, 0.99846)]
    ['90 %', '98 %', '99.85 %']
    """
    return f"{interval.level * 100:.4g} %"


def _frame(rows: Iterable[dict[str, Any]], *columns: str) -> pd.DataFrame:
    """Columns stand even where there are no rows."""
    return pd.DataFrame(list(rows), columns=list(columns))


def _paired_row(pair: Paired) -> dict[str, Any]:
    return {
        "metric": pair.metric,
        "panel": PANELS[pair.metric],
        "better": IDEAL.get(pair.metric, "lower" if pair.metric in LOWER_IS_BETTER else "higher"),
        "champion": pair.champion,
        "challenger": pair.challenger,
        "difference": pair.difference,
        "low": pair.interval.low if pair.interval else None,
        "high": pair.interval.high if pair.interval else None,
        "level": pair.interval.level if pair.interval else None,
    }
