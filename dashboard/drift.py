"""The sections of the Drift page."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import charts, distributions, drift_charts, findings, heat, loaders, moves, ranking, words
from dashboard.components import chart, facts, one_line_for_known_errors, pick_feature
from dashboard.framed import framed
from monitoring.checks import SCORE
from monitoring.summary import DriftSummary
from pipeline.drift_frames import joint_sentence
from pipeline.frames import drift_frame
from pipeline.watching import units
from pipeline.wiring import Workspace

MOST_SMALL = 6  # distributions beside the ranking
BY_HAND = "window_by_hand"  # session state: the stretch that somebody asked to look at
Result = Mapping[str, Any]


def ranked(frame: pd.DataFrame, summary: DriftSummary) -> None:
    """Which feature, how bad, since when."""
    st.header("What moved, where it matters")
    if frame.empty:
        st.caption("No feature could be judged in this window, which is not the same as no drift.")
        return
    st.caption(
        "The worst question of each feature (have its values moved, is more or less missing, do values lie where the "
        "reference has none?), the heaviest change first: distance to its limit times the share of the score that "
        "rests on it. Diamonds are beyond, circles within; dashed is the limit, where chance ends with so many rows or "
        "a change begins to matter. By chance alone some question passes it in 1 of "
        f"{1 / summary.policy.look_level:,.0f} looks."
    )
    if not summary.judged:
        st.caption("This window has no verdict: what could be computed says how these rows are, not how things are.")
    beyond = ", ".join(frame.loc[frame["drifted"], "feature"]) or "none"
    chart(drift_charts.what_moved(frame), alt=f"{len(frame)} features; past their limit: {beyond}.")


def how(workspace: Workspace, frame: pd.DataFrame, summary: DriftSummary) -> None:
    """The heaviest changes as small pictures, reference beside window."""
    st.header("How it moved")
    known = workspace.settings.data.features
    names = [name for name in frame["feature"] if name in known][:MOST_SMALL]
    if not names or not summary.rows:
        st.caption("There is no row in this window to draw.")
        return
    before, now = _both(workspace, summary)
    st.caption(
        f"Grey: the reference, {words.count(len(before), 'row')}. Blue: this window, {_of_rows(now, summary)}. "
        "Numbers up to their 95 % point, what lies beyond in the last step; the most frequent categories."
    )
    with st.grid(3, min_column_width=150):
        for row in frame[frame["feature"].isin(names)].to_dict("records"):
            name = row["feature"]
            with st.container():
                mark = "◆" if row["drifted"] else "●"
                st.markdown(f"**{words.plain(name)}**  \n{mark} {words.plain(row['told'].split(' · ')[0])}")
                _small(known[name], before[name], now[name], alt=f"{name}: {row['seen']}")


def _small(feature: Any, before: pd.Series, now: pd.Series, *, alt: str) -> None:
    if feature.kind == "numeric":
        shares = distributions.numeric_shares(before, now, bins=20, upper=0.95)
        chart(drift_charts.small_distribution(shares, unit=words.unit_of(feature.unit)), alt=alt)
    else:
        chart(drift_charts.small_categories(distributions.category_shares(before, now, most=4)), alt=alt)


def _both(workspace: Workspace, summary: DriftSummary) -> tuple[pd.DataFrame, pd.DataFrame]:
    window = summary.window
    return (
        loaders.reference(workspace, workspace.reference_sha256),
        loaders.window(workspace, str(workspace.root), window.start, window.end, summary.timestamp),
    )


def _of_rows(now: pd.DataFrame, summary: DriftSummary) -> str:
    """How many rows a drawing of the window stands on."""
    if len(now) >= summary.rows:
        return words.count(len(now), "row")
    return f"{len(now):,} of {words.count(summary.rows, 'row')}, evenly spaced in time"


def over_time(workspace: Workspace, frame: pd.DataFrame) -> None:
    """Feature by time."""
    st.header("Feature by time")
    head = loaders.head(workspace)
    looks, of = loaders.looks(workspace, head, heat.MOST_LOOKS), loaders.counts(workspace, head).cycles
    features = frame["feature"].tolist()
    if not features or not looks:
        st.caption("No look could judge a feature yet.")
        return
    table = heat.heat(looks, features)
    judged = int(table.groupby("as_of")["judged"].any().sum())
    st.caption(
        "How far past its limit each feature was; a diamond where it was beyond, a dash where nothing could be said. "
        f"{judged:,} of {words.count(len(looks), 'look')} shown could judge, of {of:,} on record."
        + (" Shown are the worst of each stretch, the first and the newest." if of > len(looks) else "")
    )
    beyond = int(table["drifted"].sum())
    chart(
        drift_charts.heat(table),
        alt=f"{len(features)} features at {len(looks)} looks; beyond the limit {beyond} times.",
    )


def questions(summary: DriftSummary, checks: pd.DataFrame) -> None:
    """Every question in numbers, and the score's own PSI."""
    value, beside = findings.psi_text(findings.check_of(summary, SCORE, "psi"))
    st.markdown(f"The score itself: PSI **{value}** ({beside}).")
    limited = int(checks["limit"].notna().sum())
    if limited < len(checks):
        st.caption(f"{words.count(len(checks) - limited, 'question')} without a limit: too few rows to tell.")
    with st.expander(f"All {len(checks)} questions in numbers", icon=":material/table:"):
        facts(moves.questions_table(summary, checks))


def score(result: Result) -> None:
    """Which feature's move, and which segment, changed the mean score; and how scores are spread now."""
    st.header("What that does to the score")
    frame = moves.contributions(result)
    if frame.empty:
        st.caption("Not computed: the window was not judged.")
        return
    left, right = st.columns(2, gap="medium")
    with left:
        st.caption(
            f"Change of the champion's mean score by each feature's move alone, with 95 % intervals; "
            f"{words.count(int(frame['rows'].max()), 'row')}. Features that move together are each given the move, so "
            "the parts need not add up."
        )
        most = frame.iloc[0]
        told = f"{most['feature']} {findings.pp(most['change'])} percentage points"
        chart(charts.contributions(frame), alt=f"Contributions of {len(frame)} features; most moves: {told}.")
    with right:
        score_spread(result)
    with st.expander("Every feature in numbers", icon=":material/table:"):
        facts(moves.contributions_table(frame))
    segments = moves.segments_table(result)
    if len(segments):
        st.markdown("**Segments with the largest part in the change of the mean score**")
        facts(segments)


def score_spread(result: Result) -> None:
    """Scores in the reference and in the window."""
    found = result.get("scores")
    if not found:
        st.caption("How scores are spread is not on record for this look; looks from now on have it.")
        return
    counts = {"reference": sum(found["reference"]), "window": sum(found["window"])}
    st.caption(
        f"How scores are spread: the reference, {words.count(counts['reference'], 'row')} the champion was not trained "
        f"on, and the window, {words.count(counts['window'], 'row')}. Red: the cut-off, {found['threshold']:.4f}. The "
        "last step holds everything above it."
    )
    frame = distributions.histogram_shares(found)
    told = f"reference {counts['reference']:,} rows, window {counts['window']:,} rows, cut-off {found['threshold']:.4f}"
    chart(drift_charts.score_spread(frame, threshold=found["threshold"]), alt=f"How scores are spread: {told}.")


def together(result: Result) -> None:
    """Do features hang together as they did?"""
    st.header("How features go together")
    st.text(words.legible(joint_sentence(result["joint"])) if result["joint"] else "Not tested with this window.")
    pairs = moves.pairs_table(result["joint"])
    if len(pairs):
        st.caption("Pairs that show it most: correlation of the two, with its 95 % interval and rows.")
        facts(pairs)


def unjudged(summary: DriftSummary) -> None:
    """Features that nothing is known about, which is not the same as calm ones."""
    left = [note for note in (*summary.notes, summary.score_note) if note is not None and not note.evaluated]
    if not left:
        return
    with st.container(border=True):
        st.header("Not judged")
        st.caption("Nothing is known about the distribution of these.")
        facts(moves.unjudged_table(left))


def one_feature(workspace: Workspace, summary: DriftSummary, checks: pd.DataFrame, frame: pd.DataFrame) -> None:
    """One feature in full, reference beside window."""
    st.header("One feature in full")
    known = workspace.settings.data.features
    order = [*frame["feature"], *checks["feature"], *(note.feature for note in summary.notes)]
    name = pick_feature([each for each in dict.fromkeys(order) if each in known])
    if name is None:
        return
    before, now = _both(workspace, summary)
    asked = checks[checks["feature"] == name].to_dict("records")
    moved = "; ".join(row["seen"] for row in asked) or "not judged in this window"
    st.text(words.legible(f"{name}: {moved}"))
    missing = [words.percent(float(rows[name].isna().mean()), 1) for rows in (before, now)]
    st.caption(
        f"Reference: {words.count(len(before), 'row')}, {missing[0]} missing. Window: {_of_rows(now, summary)}, "
        f"{missing[1]} missing, {words.day(summary.window.start)} to {words.day(summary.window.end)}."
    )
    if known[name].kind == "numeric":
        shares = distributions.numeric_shares(before[name], now[name])
        drawn: Any = charts.numeric_distribution(shares, unit=words.unit_of(known[name].unit))
    else:
        drawn = charts.category_distribution(distributions.category_shares(before[name], now[name]))
    chart(drawn, alt=f"{name} in the reference and in the window: {moved}")


def any_window(workspace: Workspace, summary: DriftSummary) -> None:
    """A stretch of one's own choice, looked at by hand."""
    st.header("Any window")
    st.caption(
        "Looks by hand at the applications between two days, against the same reference and limits. It is not on "
        "record, and the false-alarm budget, which counts looks, does not cover it."
    )
    with st.form("any_window", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        st.date_input("From", summary.window.start.date(), key="from", format="YYYY-MM-DD", width=170)
        st.date_input("To, that day included", _last_day(summary), key="to", format="YYYY-MM-DD", width=170)
        st.form_submit_button("Look", icon=":material/search:", on_click=_remember_window)
    if BY_HAND not in st.session_state:
        return
    start, end = st.session_state[BY_HAND]
    with one_line_for_known_errors():
        found = loaders.any_window(workspace, loaders.head(workspace), start, end)
        st.markdown(f"**{words.day(start)} to {words.day(end)}.** {words.plain(findings.verdict(found.summary))}")
        frame = ranking.ranked(found.summary, found.importance, units(workspace.settings))
        if len(frame):
            bare = frame.assign(told=frame["told"].str.replace(r"( · )?since .*$", "", regex=True))
            beyond = ", ".join(frame.loc[frame["drifted"], "feature"]) or "none"
            chart(drift_charts.what_moved(bare), alt=f"By hand, {found.summary.rows} rows; past their limit: {beyond}.")


def _remember_window() -> None:
    """The form's days, as a stretch: looked at until another one is asked for."""
    start, end = st.session_state["from"], st.session_state["to"]
    st.session_state[BY_HAND] = (_midnight(start), _midnight(end) + timedelta(days=1))


def _last_day(summary: DriftSummary) -> date:
    return (summary.window.end - timedelta(microseconds=1)).date()


def _midnight(day: Any) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)


def other_tools(workspace: Workspace, summary: DriftSummary, cycle: dict[Any, Any], result: Result | None) -> None:
    """Scores as other tools compute them, and Evidently's own page: for comparison, never Mend's verdict."""
    st.header("Other tools, for comparison")
    st.caption("Mend's verdict does not rest on these scores or limits.")
    with st.expander("Other tools' scores at their usual limits (not Mend's verdict)", icon=":material/compare:"):
        st.caption(
            f"Normed Wasserstein and Jensen–Shannon distance as Evidently computes them, limit "
            f"{summary.policy.threshold:g} whatever the number of rows; Evidently calls drift from "
            f"{words.percent(summary.policy.drift_share)} of features."
        )
        facts(moves.other_tools_table(drift_frame(summary)))
    _report(workspace, cycle, result)


def _report(workspace: Workspace, cycle: dict[Any, Any], result: Result | None) -> None:
    """Evidently's own page: 4.5 MB, so only when asked for; in a frame that cannot reach this one."""
    path = cycle["report_path"]
    if not path:
        every = workspace.settings.monitor.report_every
        st.caption(
            "Evidently's report was not written for this cycle: it is when the verdict changes, and every "
            f"{every.days} days."
        )
        return
    sha256 = cycle["files"].get(path)
    if result and (verdict := result["evidently"]):
        said = "drift" if verdict["dataset_drift_detected"] else "no drift"
        share = words.percent(verdict["drift_share"])
        st.caption(f"Evidently says of this window, at its own limits: {said}, {share} of features.")
    st.download_button(
        "Download Evidently's report (4.5 MB)",
        data=lambda: loaders.recorded(workspace, path, sha256),
        file_name=loaders.file_name(path),
        mime="text/html",
        icon=":material/download:",
        on_click="ignore",
    )
    if st.toggle("Show it here", key="report"):
        framed(loaders.recorded(workspace, path, sha256), sha256=sha256, height=800)
