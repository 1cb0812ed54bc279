"""The policy page's first part: what is in force, who set it, and what the error budget was spent on."""

from __future__ import annotations

from itertools import groupby

import streamlit as st

from dashboard import loaders, policy_charts, policy_frames, policy_loaders, words
from dashboard.components import chart, facts
from pipeline.error_budget import error_budget
from pipeline.policy_in_force import SECTIONS, in_force
from pipeline.wiring import Workspace


def how_it_is_changed(workspace: Workspace) -> None:
    """Not here; and what a change does to what waits."""
    waits = len(loaders.waiting(workspace))
    st.info(
        "Nothing on this page changes anything. A threshold is changed in the settings file "
        f"({words.plain(workspace.settings.source.name)}), or in the variable that set it. A changed gate policy voids "
        "what waits for a signature: reject it, or let it expire; the next cause trains anew. "
        + (f"That would be {words.count(waits, 'dossier')} now." if waits else "Nothing waits now."),
        icon=":material/lock:",
    )


def thresholds(workspace: Workspace) -> None:
    """Every threshold with value, reason and origin, a tab for each section."""
    st.header("Thresholds in force")
    found = {name: list(part) for name, part in groupby(in_force(workspace.settings), key=lambda each: each.section)}
    for tab, (section, each) in zip(st.tabs([SECTIONS[name] for name in found]), found.items(), strict=True):
        with tab:
            st.caption(words.plain(f"[{section}] in the settings file. The reason is that of the default."))
            facts(policy_frames.thresholds_table(each))


def budget(workspace: Workspace) -> None:
    """What the year's chance of a false promotion was spent on, and what a try today may take."""
    st.header("The error budget")
    found = error_budget(workspace.ledger, workspace.settings.gate_policy, now=workspace.now())
    spent, yearly = words.percent(found.spent_365_days, 2), words.percent(found.yearly)
    with st.container(horizontal=True):
        st.metric("Spent in the last 365 days", f"{spent} of {yearly}")
        st.metric("Tries in the last 365 days", found.tries_365_days)
        st.metric("A try today may take", words.percent(found.next_try, 2))
    tries = policy_loaders.tries(workspace, loaders.head(workspace))
    spent_by = policy_frames.tries_frame(tries)
    if spent_by.empty:
        st.caption("No challenger has been compared yet, so nothing was spent.")
        return
    st.caption(
        "Bars: the chance that each try took of promoting a model that is no better. Line: what was spent in the 365 "
        "days before. Dashed: the budget of any 365 days."
    )
    told = f"{words.count(len(spent_by), 'try')} on record; {spent} spent in the last 365 days, of {yearly}."
    in_a_year = policy_frames.spending_frame(tries, until=workspace.now())
    chart(policy_charts.budget(spent_by, in_a_year, yearly=found.yearly), alt=told)
