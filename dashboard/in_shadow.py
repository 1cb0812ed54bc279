"""The challenger in the shadow: how much would change on live traffic, before any outcome."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard import desk_charts, words
from dashboard.components import chart, facts
from pipeline.gate.shadow import Shadow
from pipeline.gate.swap import ALL, SwapCell


def show(found: Shadow | None, *, unit: str) -> None:
    """What is on record of it."""
    st.subheader("In the shadow: live traffic")
    if found is None:
        st.caption("Not held beside live traffic yet: each cycle does so while a challenger waits.")
        return
    span = f"{words.day(found.start)} to {words.day(found.end)}"
    if found.share is None:
        st.caption(f"Version {words.plain(found.champion)} scored nobody in the window of {span}.")
        return
    share, low, high = (words.percent(each, 1) for each in found.share)
    st.markdown(
        f"Of {words.count(found.rows, 'application')} of {span} version {words.plain(found.challenger)} would have "
        f"decided **{share}** otherwise ({low} to {high} at 95 %): approve {found.swapped_in.applicants:,} that were "
        f"declined, decline {found.swapped_out.applicants:,} that were approved."
    )
    others = f" {found.others:,} that another version scored are left out." if found.others else ""
    st.caption(f"How much changes, not whether it is better: no outcome is looked at.{others}")
    approved = {
        f"version {found.champion}": found.approved_by_champion / found.rows,
        f"version {found.challenger}": found.approved_by_challenger / found.rows,
    }
    told = ", ".join(f"{name} {words.percent(each, 1)}" for name, each in approved.items())
    st.caption(words.plain(f"Approved of all: {told}."))
    frame = pd.DataFrame([_row(cell) for cell in found.cells if cell.segment != ALL])
    if len(frame):
        chart(
            desk_charts.swapped(frame),
            alt=f"Applicants decided otherwise by segment: {len(frame)} cells, {found.disagreements} in all.",
        )
    with st.expander("In numbers", icon=":material/table:"):
        facts(pd.DataFrame([_told(cell, unit) for cell in found.cells]))


def _row(cell: SwapCell) -> dict[str, object]:
    return {
        "name": f"{cell.segment} = {cell.value}",
        "direction": cell.direction,
        "applicants": cell.applicants,
        "amount": cell.amount,
    }


def _told(cell: SwapCell, unit: str) -> dict[str, str]:
    return {
        "Applicants": words.plain(cell.segment if cell.segment == ALL else f"{cell.segment} = {cell.value}"),
        "Change": cell.direction,
        "How many": f"{cell.applicants:,}",
        "Amount at stake": words.money(cell.amount, unit),
    }
