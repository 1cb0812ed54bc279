"""Is the model well; what moved, how much, since when; what Mend did; what you are asked to sign."""

from __future__ import annotations

import streamlit as st

from dashboard import loaders, overview, pulse, rollback, viewer, words
from dashboard.components import clock, label, labels, not_seen, opened, weight_history
from dashboard.findings import state_label, to_do_label
from dashboard.state import Known, state_of
from pipeline.promotion.watching_period import standing_watch

workspace = opened()
limit = workspace.settings.retrain.min_importance


@st.fragment(run_every=pulse.EVERY)
def page() -> None:
    """All of it, drawn anew by itself: nobody types on this page."""
    viewer.follow()
    pulse.remember(workspace)
    cycles = loaders.cycles(workspace, loaders.head(workspace))
    last = cycles.iloc[-1].to_dict() if len(cycles) else None
    summary = loaders.summary_of(workspace, last) if last is not None else None
    result = loaders.result_of(workspace, last) if last is not None else None
    champion, waiting = loaders.reign(workspace), loaders.waiting(workspace)
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
    st.markdown(words.plain(overview_of_reign(champion)), help=viewer.on_hover(champion["since"]))
    for item in waiting:
        st.page_link(
            "views/review.py",
            label=f"Review version {words.plain(item.row['challenger'])}, before {words.day(item.row['expires_at'])}",
            icon=":material/fact_check:",
            query_params={"digest": item.digest},
        )
    if last is None:
        st.info("No cycle has run yet. Run `mend replay` (history) or `mend monitor` (from now on).")
        return
    if summary is None:
        not_seen(workspace, last)
    elif result is not None:
        labels(state_label(summary.state, result), to_do_label(result["diagnosis"]))
        st.markdown(words.plain(result["diagnosis"]["reason"]))
    overview.tiles(cycles, summary, result, limit=limit)
    left, right = st.columns(2, gap="medium")
    with left, st.container(border=True):
        if summary is not None:
            overview.moved(workspace, summary, result)
        else:
            st.caption("The last look failed: nothing is known of what moved.")
    with right, st.container(border=True):
        overview.performance(workspace, loaders.outcomes(workspace, cycles))
    with st.container(border=True):
        overview.what_happened(workspace, cycles)
    if found := loaders.open_alerts(workspace, loaders.head(workspace)):
        with st.container(border=True):
            overview.alerts(found)
    with st.container(border=True):
        weight_history(cycles, limit=limit)
    if result:
        with st.expander("Before outcomes are known: traffic and scores in numbers", icon=":material/table:"):
            overview.before_outcomes(result)


def overview_of_reign(champion: dict[str, object]) -> str:
    """Who is in production, since when, by whom."""
    signed = champion["signature"]
    by = f"signed by {champion['by']}" if champion["how"] == "promotion" else f"put in place by {champion['by']}"
    unverified = " (local, unverified)" if isinstance(signed, dict) and not signed.get("verified") else ""
    how = {"init": "as the first champion", "rollback": "by a rollback"}.get(str(champion["how"]), "by a promotion")
    since = words.day(champion["since"])  # type: ignore[arg-type]
    return f"Version {champion['version']} is champion since {since}, {how}, {by}{unverified}."


st.title("Overview")
clock(workspace)
rollback.banner(workspace)
page()
