"""What does one window look like against the reference, what does that do to the score, and what is to be done?"""

from __future__ import annotations

import html
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import charts, distributions, findings, loaders, moves, words
from dashboard.components import chart, clock, facts, finding, listed, not_seen, opened, pick, weight_history
from monitoring.checks import SCORE
from monitoring.summary import DriftSummary
from pipeline.drift_frames import drift_checks_frame, joint_sentence
from pipeline.frames import drift_frame
from pipeline.watching import units

workspace = opened()
head = loaders.head(workspace)
cycles = loaders.cycles(workspace, head)


def show_questions(summary: DriftSummary, checks: pd.DataFrame) -> None:
    """Every question on its way to its limit; the score's own PSI in words."""
    st.subheader("How far each feature is on the way to its limit")
    st.caption(
        "The worst question of each: have its values moved (PSI), is more or less of it missing, do values lie where "
        "the reference has none? A limit is where chance ends with so many rows, or where a change begins to matter if "
        "that is farther out; by chance alone some question passes its limit in 1 of "
        f"{1 / summary.policy.look_level:,.0f} looks."
    )
    if not summary.judged:
        st.caption("This window has no verdict: what could be computed says how these rows are, not how things are.")
    limited = checks[checks["limit"].notna()]
    beyond = ", ".join(dict.fromkeys(checks.loc[checks["drifted"], "feature"])) or "none"
    if len(limited):
        chart(charts.check_limits(checks), alt=f"{limited['feature'].nunique()} features; past their limit: {beyond}.")
    if len(limited) < len(checks):
        st.caption(f"{words.count(len(checks) - len(limited), 'question')} without a limit: too few rows to tell.")
    value, beside = findings.psi_text(findings.check_of(summary, SCORE, "psi"))
    st.markdown(f"The score itself: PSI **{value}** ({beside}).")
    with st.expander(f"All {len(checks)} questions in numbers", icon=":material/table:"):
        facts(moves.questions_table(summary, checks))


def show_score(result: dict[str, Any]) -> None:
    """Which feature's move, and which segment, changed the mean score."""
    st.subheader("What that does to the score")
    frame = moves.contributions(result)
    if frame.empty:
        st.caption("Not computed: the window was not judged.")
        return
    st.caption(
        f"Change of the champion's mean score by each feature's move alone, with 95 % intervals; "
        f"{words.count(int(frame['rows'].max()), 'row')}. Features that move together are each given the move, so the "
        "parts need not add up."
    )
    most = frame.iloc[0]
    told = f"{most['feature']} {findings.pp(most['change'])} percentage points"
    chart(charts.contributions(frame), alt=f"Contributions of {len(frame)} features; most moves: {told}.")
    with st.expander("Every feature in numbers", icon=":material/table:"):
        facts(moves.contributions_table(frame))
    segments = moves.segments_table(result)
    if len(segments):
        st.markdown("**Segments with the largest part in the change of the mean score**")
        facts(segments)


def show_together(result: dict[str, Any]) -> None:
    """Do features hang together as they did?"""
    st.subheader("How features go together")
    st.text(joint_sentence(result["joint"]) if result["joint"] else "Not tested with this window.")
    pairs = moves.pairs_table(result["joint"])
    if len(pairs):
        st.caption("Pairs that show it most: correlation of the two, with its 95 % interval and rows.")
        facts(pairs)


def show_unjudged(summary: DriftSummary) -> None:
    """Features that nothing is known about, which is not the same as calm ones."""
    left = [note for note in (*summary.notes, summary.score_note) if note is not None and not note.evaluated]
    if not left:
        return
    with st.container(border=True):
        st.subheader("Not judged")
        st.caption("Nothing is known about the distribution of these.")
        facts(moves.unjudged_table(left))


def show_distribution(summary: DriftSummary, checks: pd.DataFrame) -> None:
    """One feature, reference beside window."""
    st.subheader("How one feature moved")
    known = workspace.settings.data.features
    worst_first = dict.fromkeys([*checks["feature"], *(note.feature for note in summary.notes)])
    name = st.selectbox("Feature", [each for each in worst_first if each in known], key="feature")
    bounds = (summary.window.start, summary.window.end)
    before = loaders.reference(workspace, workspace.reference_sha256)
    now = loaders.window(workspace, str(workspace.root), *bounds, summary.timestamp)
    asked = checks[checks["feature"] == name].to_dict("records")
    moved = "; ".join(row["seen"] for row in asked) or "not judged in this window"
    st.text(f"{name}: {moved}")
    st.caption(
        f"Reference: {words.count(len(before), 'row')}. "
        f"Window: {words.count(summary.rows, 'row')}, {words.day(bounds[0])} to {words.day(bounds[1])}"
        + (f"; drawn from {len(now):,} of them, evenly spaced in time." if len(now) < summary.rows else ".")
    )
    if known[name].kind == "numeric":
        shares = distributions.numeric_shares(before[name], now[name])
        drawn: Any = charts.numeric_distribution(shares, unit=known[name].unit)
    else:
        drawn = charts.category_distribution(distributions.category_shares(before[name], now[name]))
    chart(drawn, alt=f"{name} in the reference and in the window: {moved}")


def show_other_tools(summary: DriftSummary, cycle: dict[Any, Any], result: dict[str, Any] | None) -> None:
    """Scores as other tools compute them, and Evidently's own page: for comparison, never Mend's verdict."""
    st.subheader("Other tools, for comparison")
    st.caption("Mend's verdict does not rest on these scores or limits.")
    with st.expander("Other tools' scores at their usual limits (not Mend's verdict)", icon=":material/compare:"):
        st.caption(
            f"Normed Wasserstein and Jensen–Shannon distance as Evidently computes them, limit "
            f"{summary.policy.threshold:g} whatever the number of rows; Evidently calls drift from "
            f"{words.percent(summary.policy.drift_share)} of features."
        )
        facts(moves.other_tools_table(drift_frame(summary)))
    show_report(cycle, result)


def show_report(cycle: dict[Any, Any], result: dict[str, Any] | None) -> None:
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
        page = html.escape(loaders.recorded(workspace, path, sha256).decode(), quote=True)
        st.iframe(
            f'<iframe sandbox="allow-scripts" srcdoc="{page}" style="border:0;width:100%;height:98vh"></iframe>',
            height=800,
        )


st.title("Drift")
clock(workspace)
if cycles.empty:
    st.info("No window has been judged yet. Run `mend replay` (history) or `mend monitor` (from now on).")
    st.stop()
offered: list[dict[Any, Any]] = cycles[::-1].to_dict("records")
if (linked := loaders.cycle_linked(workspace, st.query_params.get("as_of", ""))) is not None:
    offered.append(linked)  # however old it is
names = {f"{cycle['as_of']:%Y-%m-%dT%H:%M}": cycle for cycle in offered}


def shown_cycle(name: str) -> str:
    """A cycle in the list: when, and what came of it."""
    return f"{words.day(names[name]['as_of'])} · {findings.state_text(names[name])}"


cycle = names[pick("Cycle", list(names), link="as_of", shown=shown_cycle)]
summary, result = loaders.summary_of(workspace, cycle), loaders.result_of(workspace, cycle)
if summary is None:
    not_seen(workspace, cycle)
    st.stop()
finding(summary, result)
if result:
    listed(result["moved"])
if cycle["why"]:
    st.caption(words.plain(f"The retrain signal: {cycle['why']}."))
checks = drift_checks_frame(summary, units(workspace.settings))
if len(checks):
    with st.container(border=True):
        show_questions(summary, checks)
show_unjudged(summary)
if result:
    with st.container(border=True):
        show_score(result)
    with st.container(border=True):
        show_together(result)
with st.container(border=True):
    if summary.rows:
        show_distribution(summary, checks)
    else:
        st.caption("There is no row in this window to draw.")
with st.container(border=True):
    weight_history(loaders.history(workspace, head), limit=workspace.settings.retrain.min_importance)
with st.container(border=True):
    show_other_tools(summary, cycle, result)
