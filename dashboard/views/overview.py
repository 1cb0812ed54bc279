"""Is the model well; what moved, how much, since when; what Mend did; what you are asked to sign."""

from __future__ import annotations

import streamlit as st

from dashboard import loaders, overview, pulse, rollback, viewer, words
from dashboard.components import clock, finding, label, not_seen, one_line_for_known_errors, opened, weight_history
from dashboard.state import Known, state_of
from pipeline.promotion.watching_period import standing_watch

workspace = opened()
limit = workspace.settings.retrain.min_importance


@st.fragment(run_every=pulse.EVERY)
def page() -> None:
    """All of it, drawn anew by itself: nobody types on this page."""
    viewer.follow()
    with one_line_for_known_errors():
        pulse.remember(workspace)
        draw()


def draw() -> None:
    """State, what moved, what Mend did, what waits."""
    head = loaders.head(workspace)
    last = loaders.newest_cycle(workspace)
    champion, waiting = loaders.reign(workspace), loaders.waiting(workspace)
    summary = loaders.summary_of(workspace, last) if last is not None else None
    result = loaders.result_of(workspace, last) if last is not None else None
    state, sentence = state_of(
        Known(
            champion=champion["version"],
            silence=pulse.silence(workspace),
            looked=last is not None,
            summary=summary,
            result=result,
            waiting=[(item.row["challenger"], item.row["expires_at"]) for item in waiting],
            watch=standing_watch(workspace),
        )
    )
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        label(state)
        st.markdown(f"**{words.plain(sentence)}**", width="content")
    st.markdown(words.plain(overview.reign(champion)), help=viewer.on_hover(champion["since"]))
    overview.links(waiting)
    if last is None:
        st.info("No cycle has run yet. Run `mend replay` (history) or `mend monitor` (from now on).")
        return
    if summary is None:
        not_seen(workspace, last)
    else:
        finding(summary, result)
    overview.tiles(loaders.cycles(workspace, head, overview.SPARK), summary, result, limit=limit)
    left, right = st.columns(2, gap="medium")
    with left, st.container(border=True):
        overview.moved(workspace, summary, result)
    with right, st.container(border=True):
        overview.performance(workspace, loaders.outcomes(workspace))
    rollback.watch_box(workspace)
    with st.container(border=True):
        overview.what_happened(workspace)
    if found := loaders.open_alerts(workspace, head):
        with st.container(border=True):
            overview.alerts(found)
    with st.container(border=True):
        weight_history(loaders.history(workspace, head), limit=limit)
    if result:
        with st.expander("Before outcomes are known: traffic, scores and estimates", icon=":material/table:"):
            overview.before_outcomes(result)


st.title("Overview")
clock(workspace)
rollback.banner(workspace)
page()
