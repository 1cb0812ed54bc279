"""The desk's pulse, in the sidebar of every page: does anybody look, what waits, is there something new?

A fragment of its own, so that it goes on by itself and disturbs nobody who types: a page is drawn anew only when
somebody asks for it.
"""

from __future__ import annotations

import streamlit as st

from dashboard import loaders, viewer, words
from dashboard.components import label
from pipeline.alerts.heartbeat import is_alive, read_heartbeat
from pipeline.clock import wall_clock
from pipeline.errors import MendError
from pipeline.wiring import Workspace

EVERY = "20s"
SEEN = "seen_head"  # session state: the ledger's head that the page was drawn at


def silence(workspace: Workspace) -> str | None:
    """Why nobody seems to be watching; None while somebody is, or where it does not apply."""
    settings = workspace.settings
    try:
        is_alive(read_heartbeat(settings), settings=settings, wall=wall_clock())
    except MendError as trouble:
        return str(trouble)
    return None


def remember(workspace: Workspace) -> None:
    """The page is drawn at this head of the ledger."""
    st.session_state[SEEN] = loaders.head(workspace)


@st.fragment(run_every=EVERY)
def pulse() -> None:
    """Heartbeat, what waits, and whether the ledger has moved on since the page was drawn."""
    viewer.follow()
    try:
        workspace = loaders.workspace()
        if not workspace.initialised:
            return
        _heart(workspace)
        _news(workspace)
    except MendError as error:
        st.error(words.plain(error), icon=":material/error:")


def _heart(workspace: Workspace) -> None:
    settings = workspace.settings
    try:
        told = is_alive(read_heartbeat(settings), settings=settings, wall=wall_clock())
    except MendError as trouble:
        label(("No heartbeat", ":material/heart_broken:", "red"))
        st.caption(words.plain(trouble))
        return
    last = workspace.ledger.last_cycle()
    if last is None:
        label(("No cycle yet", ":material/hourglass_empty:", "gray"))
    elif last["clock"] == "replay":
        label(("Simulated clock", ":material/fast_forward:", "gray"))
    else:
        label(("Watching", ":material/favorite:", "green"))
    st.caption(words.plain(told))


def _news(workspace: Workspace) -> None:
    if st.session_state.get(SEEN) in (None, loaders.head(workspace)):
        return
    st.caption("Something was added to the record since this page was drawn.")
    if st.button("Show what is new", icon=":material/refresh:", key="show_news", shortcut="Alt+N"):
        st.rerun()
