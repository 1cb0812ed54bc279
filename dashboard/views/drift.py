"""What does one window look like against the reference?"""

from __future__ import annotations

import html
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import charts, distributions, loaders, words
from dashboard.components import chart, clock, drift_history, facts, label, opened, pick
from monitoring.values import DriftSummary
from pipeline.frames import drift_frame

workspace = opened()
cycles = loaders.cycles(workspace, loaders.head(workspace))


def show_features(summary: DriftSummary, frame: pd.DataFrame) -> None:
    """Every judged feature, ranked, with its limit and its movement; then those that were not judged, and why."""
    judged = frame[frame["drift_score"].notna()]
    st.subheader("What drifted")
    st.caption(f"Score per feature, most drifted first. Dashed: the limit of {summary.policy.threshold:g}.")
    top = ", ".join(f"{row['feature']} {row['drift_score']:.2f}" for row in judged.head(3).to_dict("records"))
    chart(charts.drift_scores(frame), alt=f"Drift scores of {len(judged)} features. Highest: {top}.")
    table = pd.DataFrame(
        {
            "Feature": judged["feature"].map(words.plain),
            "Verdict": judged["drift_detected"].map({True: "◆ drifted", False: "● within limit"}),
            "Score": judged["drift_score"].map("{:.3f}".format),
            "How it moved": judged["moved"].map(words.plain),
            "Missing": [
                f"{words.percent(row['missing_reference'], 1)} → {words.percent(row['missing_current'], 1)}"
                for row in judged.to_dict("records")
            ],
            "Test": judged["stat_test"].map(words.plain),
        }
    )
    with st.expander("Every feature in numbers", icon=":material/table:"):
        facts(table)


def show_unjudged(frame: pd.DataFrame) -> None:
    """Features that nothing is known about, which is not the same as calm ones."""
    left = frame[frame["drift_score"].isna()]
    if left.empty:
        return
    st.subheader("Not judged")
    st.caption("Nothing is known about the drift of these features.")
    reasons = left["not_judged_because"].fillna("the window was not judged").map(words.plain)
    facts(pd.DataFrame({"Feature": left["feature"].map(words.plain), "Why": reasons}))


def show_distribution(summary: DriftSummary, frame: pd.DataFrame) -> None:
    """One feature, reference beside window."""
    st.subheader("How one feature moved")
    name = st.selectbox("Feature", frame["feature"].tolist(), key="feature")
    bounds = (summary.window.start, summary.window.end)
    before = loaders.reference(workspace, workspace.reference_sha256)
    now = loaders.window(workspace, str(workspace.root), *bounds, summary.timestamp)
    moved = frame.set_index("feature").loc[name, "moved"] or "not judged in this window"
    st.text(f"{name}: {moved}")
    st.caption(
        f"Reference: {words.count(len(before), 'row')}. "
        f"Window: {words.count(len(now), 'row')}, {words.day(bounds[0])} to {words.day(bounds[1])}."
    )
    feature = workspace.settings.data.features[name]
    if feature.kind == "numeric":
        drawn: Any = charts.numeric_distribution(
            distributions.numeric_shares(before[name], now[name]), unit=feature.unit
        )
    else:
        drawn = charts.category_distribution(distributions.category_shares(before[name], now[name]))
    chart(drawn, alt=f"{name} in the reference and in the window: {moved}")


def show_report(cycle: dict[Any, Any]) -> None:
    """Evidently's own page: 4.5 MB, so only when asked for; in a frame that cannot reach this one."""
    st.subheader("Evidently's report")
    path = cycle["report_path"]
    if not path:
        every = workspace.settings.monitor.report_every
        st.caption(f"Not written for this cycle: it is written when the verdict changes, and every {every.days} days.")
        return
    sha256 = cycle["files"].get(path)
    verdict = loaders.document(workspace, cycle["metrics_path"], cycle["files"].get(cycle["metrics_path"]))["evidently"]
    if verdict:
        said = "drift" if verdict["dataset_drift_detected"] else "no drift"
        st.caption(
            f"Evidently's own verdict on this window: {said}, {words.percent(verdict['drift_share'])} of features."
        )
    st.download_button(
        "Download (4.5 MB)",
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
newest_first = cycles[::-1].to_dict("records")
names = {f"{cycle['as_of']:%Y-%m-%dT%H:%M}": cycle for cycle in newest_first}


def shown_cycle(name: str) -> str:
    """A cycle in the list: when, and what came of it."""
    share = names[name]["drift_share"]
    drifted = f" {words.percent(share)}" if pd.notna(share) else ""
    return f"{words.day(names[name]['as_of'])} · {words.STATES[names[name]['status']][0]}{drifted}"


cycle = names[pick("Cycle", list(names), link="as_of", shown=shown_cycle)]
label(words.STATES[cycle["status"]])
summary = loaders.summary_of(workspace, cycle)
if summary is None:
    st.warning("The drift notebook of this cycle failed. Nothing is known about drift in this window.")
    st.text(cycle["note"])
    st.stop()
st.markdown(words.plain(words.drift_verdict(summary)))
frame = drift_frame(summary)
if summary.features:
    with st.container(border=True):
        show_features(summary, frame)
with st.container(border=True):
    if summary.rows:
        show_distribution(summary, frame)
    else:
        st.caption("There is no row in this window to draw.")
with st.container(border=True):
    show_unjudged(frame)
    show_report(cycle)
with st.container(border=True):
    drift_history(cycles, limit=workspace.settings.monitor.drift_share)
