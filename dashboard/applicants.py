"""The sections of the Review page about applicants: swap set, segments, approval rates, coverage."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard import applicant_tables, charts, desk_charts, words
from dashboard.components import chart, facts, listed
from pipeline.frames import approvals_frame, coverage_frame, segments_frame, swap_frame
from pipeline.gate.coverage import VINTAGE
from pipeline.gate.dossier import Dossier
from pipeline.gate.fairness import DISCLAIMER
from pipeline.gate.swap import ALL

LONG = 30  # rows from which a table scrolls in its place


def shown(table: pd.DataFrame, *, alt: str) -> None:
    """A table of plain text: page text while it is short, else a place to scroll in."""
    if len(table) > LONG:
        st.dataframe(table, hide_index=True, height=420, alt=alt)
    else:
        facts(table.map(words.plain))


def swap(dossier: Dossier, *, unit: str) -> None:
    """Who is booked instead of whom, what became of them, and the money."""
    st.subheader("Swap set")
    measured = dossier.evidence
    st.markdown(words.plain(words.swap_sentence(measured, unit=unit)))
    frame = swap_frame(measured)
    if frame.empty:
        return
    totals = frame[frame["segment"] == ALL]
    known = ", ".join(f"{row['applicants']:,} {row['direction']}" for row in totals.to_dict("records"))
    chart(desk_charts.swap_outcomes(totals), alt=f"Applicants by outcome: {known}.")
    shown(applicant_tables.swap_table(totals, unit), alt="Applicants swapped in and out.")
    parts = frame[frame["segment"] != ALL]
    if len(parts):
        with st.expander("The swap set by segment", icon=":material/table:"):
            shown(applicant_tables.swap_table(parts, unit), alt=f"The same by segment, {len(parts)} rows.")
    st.caption(applicant_tables.swap_read_how(dossier))


def segments(dossier: Dossier) -> None:
    """Who gains and who loses, and what loss could be seen with so many rows."""
    st.subheader("Segments")
    frame = segments_frame(dossier.evidence)
    if frame.empty:
        st.caption("No segments are set: gate G6 has nothing to judge.")
        return
    chart(charts.segments(frame), alt=applicant_tables.segments_told(frame))
    table = applicant_tables.segments_table(dossier.evidence)
    shown(table, alt=f"F1 of both models in {words.count(len(frame), 'segment')}.")
    st.caption(applicant_tables.segments_read_how(dossier))


def approvals(dossier: Dossier) -> None:
    """Whom each model approves, by segment: information only."""
    st.subheader("Approval rates")
    policy, frame = dossier.evidence.fairness, approvals_frame(dossier.evidence)
    if policy is None or frame.empty:
        st.caption(
            f"Not looked at: no {'policy is' if policy is None else 'segments are'} set. It would be {DISCLAIMER}."
        )
        return
    st.markdown(applicant_tables.approvals_told(dossier, policy))
    table = applicant_tables.approvals_table(dossier.evidence)
    shown(table, alt=f"Approval rates of both models in {words.count(len(frame), 'segment')}.")
    st.caption(applicant_tables.approvals_read_how(policy))


def coverage(dossier: Dossier) -> None:
    """What the judgement rests on, what it cannot see, and when the rest is final."""
    measured = dossier.evidence
    st.subheader("What this covers")
    listed(applicant_tables.covered(dossier))
    frame = coverage_frame(measured)
    if frame.empty:
        return
    vintages, last = frame[frame["group"] == VINTAGE], applicant_tables.last_final(measured)
    st.markdown("**By quarter of application**")
    if last is not None:
        st.caption(f"The youngest applicant's outcome is final on {words.day(last.ceil('D'))}.")
    alt = applicant_tables.vintages_told(vintages)
    chart(charts.coverage_by_vintage(frame), alt=alt)
    st.caption("Solid: mature and labelled. Pale: mature without a label. Outline only: not mature.")
    rest = frame[frame["group"] != VINTAGE]
    with st.expander("Coverage in numbers: by quarter, score band and segment", icon=":material/table:"):
        shown(applicant_tables.coverage_table(vintages, final=True), alt=alt)
        table = applicant_tables.coverage_table(rest, final=False)
        shown(table, alt=f"Coverage of {len(rest)} score bands and segments.")
