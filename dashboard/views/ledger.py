"""Who did what, and when; and whether the record still says what was written."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard import charts, exports, loaders, rollback, words
from dashboard.components import chart, clock, facts, opened
from pipeline.promotion.rollback import earlier_champions
from pipeline.stores.verify import Verification, verify

workspace = opened()
head = loaders.head(workspace)
SHOWN = 500  # entries on the page; the exports hold them all
KINDS = ("decision", "champion", "dossier", "challenger", "signal", "cycle", "run", "reference")
MORE_KINDS = (
    *("signature", "request", "rollback", "watch", "pruned", "erasure"),
    *("refused_decision", "refused_request", "refused_rollback", "refused_clock"),
    *("registry_followed", "registry_moved_by_hand"),
)


def show_verification(found: Verification) -> None:
    """Verified, or every place where the record breaks."""
    files = f" and {words.count(found.files, 'file')}" if found.files else ""
    if found.verified:
        st.success(
            f"Verified: {words.count(found.entries, 'entry')}{files}.",
            icon=":material/verified:",
        )
        return
    st.error(f"The record breaks in {words.count(len(found.breaks), 'place')}:", icon=":material/gpp_bad:")
    st.text("\n".join(words.legible(each, most=300) for each in found.breaks))


def show_champions() -> None:
    """Who was champion when, and how they came to be."""
    st.header("Champions")
    reigns = loaders.champions(workspace, head)
    until = reigns["until"].fillna(pd.Timestamp(workspace.now()))
    chart(
        charts.reigns(reigns.assign(until=until)),
        alt=f"{len(reigns)} champions in order; now version {reigns['version'].iloc[-1]}.",
    )
    table = pd.DataFrame(
        {
            "Version": reigns["version"].map(words.plain),
            "Since": reigns["since"].map(words.day),
            "Until": [words.day(moment) if pd.notna(moment) else "now" for moment in reigns["until"]],
            "How": reigns["how"],
            "Signed digest": [f"`{digest[:12]}`" if digest else "–" for digest in reigns["digest"]],
        }
    )
    facts(table[::-1])
    show_ways_back(int(reigns["number"].iloc[-1]))


def show_ways_back(number: int) -> None:
    """A button for every earlier champion that one can go back to, and why not for the others."""
    earlier = earlier_champions(workspace)
    if not earlier:
        return
    with st.container(horizontal=True):
        for each in earlier:
            if each.why_not is None:
                rollback.button(number, each.version)
    for each in earlier:
        if each.why_not is not None:
            st.caption(words.plain(f"No way back to version {each.version}: {each.why_not}"))
    rollback.show_form()


def show_entries() -> None:
    """The newest entries of one kind or of all, and one of them in full."""
    st.header("Entries")
    kind = st.selectbox(
        "Kind", ["", *KINDS, *MORE_KINDS], format_func=lambda each: each.replace("_", " ") or "all", key="kind"
    )
    found = loaders.entries(workspace, head, kind or None, SHOWN)
    if not found:
        st.caption("No entry of this kind.")
        return
    table = pd.DataFrame(
        {
            "#": [entry.seq for entry in found],
            "At": [words.day(entry.at) for entry in found],
            "Kind": [entry.kind for entry in found],
            "By": [entry.actor for entry in found],
            "Key": [entry.key for entry in found],
            "Recorded": [f"{entry.recorded_at:%Y-%m-%d %H:%M:%S}" for entry in found],
            "Hash": [entry.hash for entry in found],
        }
    )
    st.dataframe(
        words.legible_frame(table), hide_index=True, height=380, alt=f"{len(found)} ledger entries, newest first."
    )
    by_seq = {entry.seq: entry for entry in found}
    seq = st.selectbox(
        "One entry in full",
        list(by_seq),
        index=None,
        placeholder="Choose a number",
        key="entry",
        format_func=lambda each: f"#{each} {by_seq[each].kind} {words.legible(by_seq[each].key, most=40)}",
    )
    if seq is not None:
        st.json(words.legible_document(by_seq[seq].to_json()))


st.title("Ledger")
clock(workspace)
show_verification(loaders.verified(workspace, head))
st.caption(
    "Chain and rows, checked within the last minute. Files are checked on request: that reads every one of them."
)
with st.container(horizontal=True):
    full = st.button("Verify every file too", icon=":material/fact_check:")
    st.download_button(
        "Export CSV",
        data=lambda: exports.as_csv(workspace.ledger),
        file_name="ledger.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
    )
    st.download_button(
        "Export JSON",
        data=lambda: exports.as_json(workspace.ledger),
        file_name="ledger.json",
        mime="application/json",
        icon=":material/download:",
        on_click="ignore",
    )
if full:
    with st.spinner("Reading every file on record"):
        show_verification(verify(workspace.ledger, workspace=workspace.root))
with st.container(border=True):
    show_champions()
with st.container(border=True):
    show_entries()
