"""Who decides, and why: the form that every act of a person has, whatever is decided."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from dashboard import sign_in, words
from pipeline.clock import wall_clock
from pipeline.errors import RefusedError
from pipeline.promotion.person import require_authority
from pipeline.settings import Settings


def signature_form(
    settings: Settings,
    *,
    verb: str,
    icon: str,
    actor_key: str,
    reason_key: str,
    on_click: Callable[..., None],
    args: tuple[Any, ...],
) -> None:
    """A name, where nobody vouches for one, a reason, and the button.

    Args:
        settings: Who may, and how they are known.
        verb: On the button.
        icon: On the button.
        actor_key: Of the name in the session, in mode local.
        reason_key: Of the reason in the session.
        on_click: Handler of the button.
        args: Handed to it.
    """
    approvers, local = settings.approval.approvers, settings.identity.mode == "local"
    if local and not approvers:
        st.error("Nobody is on the list: add names to `approval.approvers` in the settings.")
        return
    if not local:
        _show_decider(settings)
    with st.form("signature", border=False):
        if local:
            st.selectbox(
                "Who decides",
                approvers,
                index=None,
                key=actor_key,
                placeholder="Choose your name",
                format_func=words.legible,
            )
            st.caption("Local, unverified: this page takes your word for who you are.")
        st.text_area("Reason (goes on record)", key=reason_key, max_chars=2000)
        st.form_submit_button(verb, type="primary", icon=icon, on_click=on_click, args=args)


def _show_decider(settings: Settings) -> None:
    """Who is about to decide, known by the sign-in and by nothing they could type; and whether they may."""
    try:
        someone = sign_in.person(settings)
        st.text(f"You decide as {words.legible(someone.name or someone.subject, most=words.CELL)}, on record as:")
        st.code(words.legible(someone.actor), language=None, wrap_lines=True)
        require_authority(someone, settings.approval, settings.identity, wall=wall_clock())
    except RefusedError as refusal:
        st.warning(f"You cannot decide: {words.plain(refusal)}. A try is refused, and goes on record.")
