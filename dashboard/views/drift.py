"""What does one window look like against the reference, what does that do to the score, and what is to be done?"""

from __future__ import annotations

import streamlit as st

from dashboard import drift, loaders, ranking, words
from dashboard.components import clock, finding, listed, not_seen, opened, weight_history
from dashboard.cycle_picker import pick_cycle
from pipeline.drift_frames import drift_checks_frame
from pipeline.watching import units

workspace = opened()
head = loaders.head(workspace)

st.title("Drift")
clock(workspace)
if loaders.newest_cycle(workspace) is None:
    st.info("No window has been judged yet. Run `mend replay` (history) or `mend monitor` (from now on).")
    st.stop()
cycle = pick_cycle(workspace)
summary, result = loaders.summary_of(workspace, cycle), loaders.result_of(workspace, cycle)
if summary is None:
    not_seen(workspace, cycle)
    st.stop()
finding(summary, result)
checks = drift_checks_frame(summary, units(workspace.settings))
frame = ranking.ranked(summary, ranking.shares_of(result), units(workspace.settings))
left, right = st.columns(2, gap="medium")
with left, st.container(border=True):
    drift.ranked(frame, summary)
with right, st.container(border=True):
    drift.how(workspace, frame, summary)
if result and result["moved"]:
    with st.expander(f"In words: {words.count(len(result['moved']), 'change')}", icon=":material/notes:"):
        listed(result["moved"])
if cycle["why"]:
    st.caption(words.plain(f"The retrain signal: {cycle['why']}."))
if len(checks):
    drift.questions(summary, checks)
drift.unjudged(summary)
with st.container(border=True):
    drift.over_time(workspace, frame)
with st.container(border=True):
    weight_history(loaders.history(workspace, head), limit=workspace.settings.retrain.min_importance)
if result:
    with st.container(border=True):
        drift.score(result)
    with st.container(border=True):
        drift.together(result)
with st.container(border=True):
    if summary.rows:
        drift.one_feature(workspace, summary, checks, frame)
    else:
        st.caption("There is no row in this window to draw.")
with st.container(border=True):
    drift.any_window(workspace, summary)
with st.container(border=True):
    drift.other_tools(workspace, summary, cycle, result)
