"""Values as tables for people: what notebooks print and pages show."""

from __future__ import annotations

from typing import Any

import pandas as pd

from monitoring.proxy import ProxyMetrics
from monitoring.values import DriftSummary
from pipeline.gate.dossier import Dossier
from pipeline.gate.values import Evidence, Interval, Paired


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
    """One row per gate, in order."""
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
            "note": check.note,
        }
        for check in dossier.checks
    ]
    return pd.DataFrame(rows)


def comparison_frame(evidence: Evidence) -> pd.DataFrame:
    """One row per paired metric: both models, the difference and its interval."""
    return pd.DataFrame([_paired_row(pair) for pair in (evidence.f1, evidence.auc, evidence.brier)])


def segments_frame(evidence: Evidence) -> pd.DataFrame:
    """One row per segment, with both models' F1 and the share of it that is lost."""
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
        }
        for segment in evidence.segments
    ]
    columns = ["segment", "value", "rows", "bad", "champion_f1", "challenger_f1", "drop", "interval"]
    return pd.DataFrame(rows, columns=columns)


def interval_text(interval: Interval | None) -> str:
    """An interval as people read it.

    >>> interval_text(Interval(0.0164, 0.1301, 0.9))
    '[0.0164, 0.13] at 90 %'
    """
    return (
        ""
        if interval is None
        else f"[{interval.low:.3g}, {interval.high:.3g}] at {interval.level:.0%}".replace("%", " %")
    )


def _paired_row(pair: Paired) -> dict[str, Any]:
    return {
        "metric": pair.metric,
        "champion": pair.champion,
        "challenger": pair.challenger,
        "difference": pair.difference,
        "low": pair.interval.low if pair.interval else None,
        "high": pair.interval.high if pair.interval else None,
        "level": pair.interval.level if pair.interval else None,
    }
