"""What a look found, as tables for people: what the drift notebook prints and the Drift page shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from monitoring.contribution import Contribution, Explained
from monitoring.summary import DriftSummary
from monitoring.worst_segments import SegmentShift
from pipeline.drift_words import movement_of

QUESTIONS = {
    "psi": "distribution (PSI)",
    "missing": "missing",
    "range": "beyond the reference",
    "new_category": "never seen",
}
_CHECKS = (
    "feature",
    "code",
    "question",
    "observed",
    "expected",
    "critical",
    "limit",
    "fold",
    "drifted",
    "since",
    "rows",
)
_CONTRIBUTIONS = (
    "feature",
    "importance_share",
    "change",
    "low",
    "high",
    "movement",
    "leading_bin",
    "from",
    "to",
    "rows",
)
_SEGMENTS = ("segment", "value", "reference_rows", "window_rows", "share_from", "share_to", "mean_from", "mean_to")
_PAIRS = ("first", "second", "reference", "window", "reference_rows", "window_rows", "z")


def drift_checks_frame(summary: DriftSummary, units: Mapping[str, str] | None = None) -> pd.DataFrame:
    """One row per question, the farthest past its limit first. `fold`: how far on the way to the limit, 1 is at it."""
    notes = {note.feature: note for note in summary.notes}
    if summary.score_note is not None:
        notes[summary.score_note.feature] = summary.score_note
    rows = [
        {name: getattr(check, name) for name in _CHECKS if name not in ("question",)}
        | {"question": QUESTIONS[check.code]}
        | {"seen": movement_of(check, notes[check.feature], (units or {}).get(check.feature, ""))}
        for check in summary.checks
    ]
    frame = pd.DataFrame(rows, columns=[*_CHECKS, "seen"])
    return frame.sort_values(["fold", "observed"], ascending=False, ignore_index=True, kind="stable")


def contributions_frame(found: Sequence[Contribution], total: Explained | None = None) -> pd.DataFrame:
    """One row per feature, the one that moves the score most first; then what single features leave unexplained."""
    rows: list[dict[str, Any]] = [
        {
            "feature": each.feature,
            "importance_share": each.importance_share,
            "change": each.change,
            "low": each.change_interval[0] if each.change_interval else None,
            "high": each.change_interval[1] if each.change_interval else None,
            "movement": each.movement,
            "leading_bin": each.leading_bin,
            "from": each.leading_reference_share,
            "to": each.leading_window_share,
            "rows": each.window_rows,
        }
        for each in found
    ]
    if total is not None:
        rows.append({"feature": "(together, or inside bins)", "change": total.rest})
        rows.append({"feature": "(observed change of the mean score)", "change": total.observed})
    return pd.DataFrame(rows, columns=list(_CONTRIBUTIONS))


def segments_frame(found: Sequence[SegmentShift]) -> pd.DataFrame:
    """One row per segment value, the largest part in the change of the mean score first."""
    rows = [
        {
            "segment": each.segment,
            "value": each.value,
            "reference_rows": each.reference_rows,
            "window_rows": each.window_rows,
            "share_from": each.reference_share,
            "share_to": each.window_share,
            "mean_from": each.reference_mean,
            "mean_to": each.window_mean,
            "change_low": each.change_interval[0] if each.change_interval else None,
            "change_high": each.change_interval[1] if each.change_interval else None,
            "mix": each.mix,
            "within": each.within,
            "contribution": each.contribution,
        }
        for each in found
    ]
    return pd.DataFrame(rows, columns=[*_SEGMENTS, "change_low", "change_high", "mix", "within", "contribution"])


def joint_frame(joint: Mapping[str, Any] | None) -> pd.DataFrame:
    """One row per pair of features that carries a change of how they go together; none where nothing was found."""
    rows = [] if joint is None else [{name: pair[name] for name in _PAIRS} for pair in joint["pairs"]]
    return pd.DataFrame(rows, columns=list(_PAIRS))


def joint_sentence(joint: Mapping[str, Any] | None) -> str:
    """Whether features go together as they did, with the figures it rests on."""
    if joint is None:
        return "How features go together has not been tested: no window was judged."
    when = f"as of {joint['as_of'][:10]}"
    if joint["p_value"] is None:
        return f"How features go together could not be tested {when}: {joint['reason']}."
    verdict = "differently than" if joint["state"] == "drift" else "as"
    return (
        f"Features go together {verdict} in the reference, {when}: distance {joint['distance_d']:.2f} (floor "
        f"{joint['floor_d']:.2f}), p = {joint['p_value']:.2g} (level {joint['level']:.2g}), "
        f"{joint['window_rows']:,} rows."
    )
