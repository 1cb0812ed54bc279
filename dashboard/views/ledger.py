"""Who did what, and when; and whether the record still says what was written."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard import charts, exports, loaders, rollback, viewer, words
from dashboard.components import chart, clock, facts, leaf, opened
from pipeline.promotion.rollback import earlier_champions
from pipeline.stores.standing_verification import Standing

workspace = opened()
head = loaders.head(workspace)
SMALL, PATIENCE_S = 5_000, 30.0  # entries that are read in a second, or in some on a busy machine: worth the wait
MOST_BREAKS = 50
KINDS = ("decision", "champion", "dossier", "challenger", "signal", "cycle", "run", "reference")
MORE_KINDS = (
    *("signature", "request", "rollback", "watch", "pruned", "erasure"),
    *("refused_decision", "refused_request", "refused_rollback", "refused_clock"),
    *("registry_followed", "registry_moved_by_hand"),
)


def show_verification(found: Standing) -> None:
    """Verified, or every place where the record breaks; what was read, and when."""
    if found.running is not None:
        done = found.running.progress
        told = f"Reading entry {done.entries:,} of {found.running.of_entries:,}"
        if done.of_files:
            told = f"Reading file {done.files:,} of {done.of_files:,}"
        share = done.files / done.of_files if done.of_files else done.entries / max(found.running.of_entries, 1)
        st.progress(min(share, 1.0), text=told)
    if found.failed:
        st.error(words.plain(f"Not verified: {found.failed}"), icon=":material/gpp_bad:")
    if found.breaks:
        st.error(f"The record breaks in {words.count(len(found.breaks), 'place')}:", icon=":material/gpp_bad:")
        st.text("\n".join(words.legible(each, most=300) for each in found.breaks[:MOST_BREAKS]))
        if (more := len(found.breaks) - MOST_BREAKS) > 0:
            st.caption(f"And {more:,} more; `mend ledger verify` has all.")
    if found.full is None:
        st.info("Nothing is verified yet: the whole ledger is being read.", icon=":material/hourglass_top:")
        return
    full, added = found.full, found.added.entries if found.added else 0
    files = f" and {words.count(full.found.files, 'file')}" if full.with_files else ""
    if found.verified:
        st.success(f"Verified: {words.count(full.found.entries + added, 'entry')}{files}.", icon=":material/verified:")
    st.caption(
        f"All {words.count(full.found.entries, 'entry')}{files} were read until {words.day(full.ended)}; what was "
        f"added since, {words.count(added, 'entry')}, now. "
        + ("" if full.with_files else "Files are checked on request: that reads every one of them."),
        help=viewer.on_hover(full.ended),
    )


def verification() -> None:
    """What is known of the record, looked at again every second while all of it is read."""
    small = loaders.counts(workspace, head).entries <= SMALL
    reading = loaders.verification().look(patience_s=PATIENCE_S if small else 0.0).running is not None

    @st.fragment(run_every=1.0 if reading else None)
    def shown() -> None:
        viewer.follow()
        found = loaders.verification().look(patience_s=0.0)
        show_verification(found)
        if reading and found.running is None:
            st.rerun()

    shown()


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
            "Since, UTC": reigns["since"].map(words.utc),
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
    counts = loaders.counts(workspace, head)
    total = counts.kinds.get(kind, 0) if kind else counts.entries
    if not total:
        st.caption("No entry of this kind.")
        return
    found = loaders.entries(workspace, head, kind or None, skip=leaf(total, key="page"))
    table = pd.DataFrame(
        {
            "#": [entry.seq for entry in found],
            "At": [words.day(entry.at) for entry in found],
            "At, UTC": [words.utc(entry.at) for entry in found],
            "Kind": [entry.kind for entry in found],
            "By": [entry.actor for entry in found],
            "Key": [entry.key for entry in found],
            "Recorded": [words.day(entry.recorded_at) for entry in found],
            "Recorded, UTC": [words.utc(entry.recorded_at) for entry in found],
            "Hash": [entry.hash for entry in found],
        }
    )
    said = f"{len(found)} of {total} entries, newest first."
    st.dataframe(words.legible_frame(table), hide_index=True, height=380, alt=said)
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
verification()
with st.container(horizontal=True):
    st.button(
        "Verify every file too",
        icon=":material/fact_check:",
        on_click=loaders.verification().begin,
        kwargs={"with_files": True},
    )
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
with st.container(border=True):
    show_champions()
with st.container(border=True):
    show_entries()
