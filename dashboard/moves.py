"""What moved in a window, as tables whose cells are safe as Markdown; every number with an interval or a count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from dashboard import findings, words
from monitoring.contribution import Contribution
from monitoring.summary import DriftSummary, FeatureNote
from monitoring.worst_segments import SegmentShift
from pipeline.drift_frames import contributions_frame, segments_frame

Result = Mapping[str, Any]

SEGMENTS_SHOWN = 8


def questions_table(summary: DriftSummary, checks: pd.DataFrame) -> pd.DataFrame:
    """Every question, the farthest past its limit first. `checks`: `drift_frames.drift_checks_frame`'s."""
    by_question = {(check.feature, check.code): check for check in summary.checks}
    rows = [
        {
            "Feature": words.plain(row["feature"]),
            "Question": words.plain(row["question"]),
            "Verdict": "◆ beyond" if row["drifted"] else "● within" if pd.notna(row["limit"]) else "– cannot tell",
            "Seen": words.plain(row["seen"]),
            "Limit": words.plain(findings.limit_text(by_question[row["feature"], row["code"]])),
            "Since": words.day(row["since"]) if pd.notna(row["since"]) else "–",
            "Rows": f"{row['rows']:,}",
        }
        for row in checks.to_dict("records")
    ]
    return pd.DataFrame(rows)


def unjudged_table(notes: Sequence[FeatureNote]) -> pd.DataFrame:
    """Features that were not judged, by the reason."""
    by_reason: dict[str, list[str]] = {}
    for note in notes:
        by_reason.setdefault(note.reason or "no reason on record", []).append(note.feature)
    names = [words.plain(", ".join(features)) for features in by_reason.values()]
    return pd.DataFrame({"Features": names, "Why": [words.plain(reason) for reason in by_reason]})


def contributions(result: Result) -> pd.DataFrame:
    """`drift_frames.contributions_frame` of what stands in a monitoring result; features without rows left out."""
    frame = contributions_frame([Contribution(**each) for each in result["contributions"]])
    return frame[frame["change"].notna()].reset_index(drop=True)


def contributions_table(frame: pd.DataFrame) -> pd.DataFrame:
    """What each feature's move does to the mean score."""
    rows = [
        {
            "Feature": words.plain(row["feature"]),
            "Carries of the score": words.percent(row["importance_share"]),
            "Change, points (95 %)": f"{findings.pp(row['change'])} "
            f"({findings.pp(row['low'])} to {findings.pp(row['high'])})",
            "Most of it": words.plain(
                f"{row['leading_bin']}: {words.percent(row['from'])} → {words.percent(row['to'])}"
            ),
            "Rows": f"{row['rows']:,.0f}",
        }
        for row in frame.to_dict("records")
    ]
    return pd.DataFrame(rows)


def segments_table(result: Result) -> pd.DataFrame:
    """The segment values with the largest part in the change of the mean score; they overlap across segments."""
    shifts = [SegmentShift(**{k: v for k, v in each.items() if k != "contribution"}) for each in result["segments"]]
    rows = [
        {
            "Segment": words.plain(f"{row['segment']} = {row['value']}"),
            "Of all rows": f"{words.percent(row['share_from'])} → {words.percent(row['share_to'])} "
            f"({row['reference_rows']:,} → {row['window_rows']:,})",
            "Mean score (95 % of its change)": f"{words.percent(row['mean_from'], 1)} → "
            f"{words.percent(row['mean_to'], 1)} ({_ends(row['change_low'], row['change_high'])})",
            "Part, points": findings.pp(row["contribution"]),
        }
        for row in segments_frame(shifts).head(SEGMENTS_SHOWN).to_dict("records")
    ]
    return pd.DataFrame(rows)


def pairs_table(joint: Result | None) -> pd.DataFrame:
    """Pairs of features that go together differently, where that was found."""
    found = joint["pairs"] if joint is not None and joint["state"] == "drift" else []
    rows = [
        {
            "Pair": words.plain(
                f"{pair['first']} ({pair['first_score']}) with {pair['second']} ({pair['second_score']})"
            ),
            "Reference": _correlation(pair, "reference"),
            "Window": _correlation(pair, "window"),
        }
        for pair in found
    ]
    return pd.DataFrame(rows)


def other_tools_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Scores as Evidently computes them. `frame`: `frames.drift_frame`'s."""
    judged = frame[frame["drift_score"].notna()]
    return pd.DataFrame(
        {
            "Feature": judged["feature"].map(words.plain),
            "At their limit": judged["drift_detected"].map({True: "beyond", False: "within"}),
            "Score": judged["drift_score"].map("{:.3f}".format),
            "Test": judged["stat_test"].map(words.plain),
            "Rows": judged["rows"].map("{:,}".format),
        }
    )


def _ends(low: float | None, high: float | None) -> str:
    return "too few rows" if low is None or pd.isna(low) else f"{findings.pp(low)} to {findings.pp(high)}"


def _correlation(pair: Result, side: str) -> str:
    value, interval, rows = pair[side], pair[f"{side}_interval"], words.count(pair[f"{side}_rows"], "row")
    if value is None:
        return f"does not vary, {rows}"
    ends = f" ({interval[0]:+.2f} to {interval[1]:+.2f})" if interval else ""
    return f"{value:+.2f}{ends}, {rows}"
