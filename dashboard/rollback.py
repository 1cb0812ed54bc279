"""Going back to an earlier champion: the form, the one call that does it, and what the watch of a promotion says."""

from __future__ import annotations

from datetime import timedelta

import streamlit as st

from dashboard import loaders, sign_in, watch_words, words
from dashboard.components import facts, label, listed
from dashboard.decision import tell_the_registry
from dashboard.signature_form import signature_form
from pipeline.errors import MendError
from pipeline.promotion.rollback import rollback
from pipeline.promotion.watching_period import standing_watch
from pipeline.wiring import Workspace

ROLLING, ANSWER = "rolling_back", "rolled_back"  # session state: (champion's number, version); (outcome, line)
ACTOR, REASON = "rollback_actor", "rollback_reason"  # keys of the form's fields
VERB = "Roll back"


def button(number: int, version: str, *, primary: bool = False) -> None:
    """Opens the form and does nothing else. `number`: of the champion on the page, which one wants away from."""
    st.button(
        f"Roll back to version {words.plain(version)}…",
        key=f"roll_back_{version}",
        type="primary" if primary else "secondary",
        icon=":material/undo:",
        on_click=open_form,
        args=(number, version),
    )


def open_form(number: int, version: str) -> None:
    """Remember that the form is open; a flag, so that every rerun shows it until it is answered."""
    st.session_state[ROLLING] = (number, version)
    st.session_state.pop(ANSWER, None)


def close_form() -> None:
    """Forget the form."""
    st.session_state.pop(ROLLING, None)
    st.session_state.pop(ANSWER, None)


def show_form() -> None:
    """The form, if it is open; else what the last one gave."""
    if ROLLING in st.session_state:
        number, version = st.session_state[ROLLING]
        st.dialog(f"Roll back to version {words.plain(version)}", position="right", on_dismiss=close_form)(form)(
            number, version
        )
    elif ANSWER in st.session_state:
        show_answer()


def form(number: int, version: str) -> None:
    """Who and why."""
    if ROLLING not in st.session_state:
        st.rerun()  # answered: a dialog reruns by itself, and the page behind it would still ask
    settings = loaders.workspace().settings
    st.markdown(
        f"Version {words.plain(version)} takes the champion's place back at once. What waits for a signature is out of "
        f"date then, and nothing is promoted for {settings.gate.cooldown / timedelta(days=1):g} days."
    )
    signature_form(
        settings,
        verb=VERB,
        icon=":material/undo:",
        actor_key=ACTOR,
        reason_key=REASON,
        on_click=submit,
        args=(number, version),
    )
    show_answer()


def submit(number: int, version: str) -> None:
    """Roll back. Reads the form, then makes one call, one transaction; nothing of Streamlit's runs meanwhile."""
    claimed, reason = st.session_state.get(ACTOR) or "", st.session_state[REASON]
    outcome, line = rolled_back(number, version, claimed=claimed, reason=reason)
    st.session_state[ANSWER] = (outcome, line)
    if outcome == "done":
        st.session_state.pop(ROLLING, None)  # a second click finds it gone


def rolled_back(number: int, version: str, *, claimed: str, reason: str) -> tuple[str, str]:
    """Do it and say what became of it: `done` or `refused`, and one line. Who decides is read anew."""
    try:
        workspace = loaders.workspace()
        person = sign_in.person(workspace.settings, claimed=claimed)
        done = rollback(workspace, version, person=person, reason=reason, now=workspace.now(), seen=number)
    except MendError as refusal:
        return "refused", str(refusal)
    tell_the_registry(workspace.settings.source)
    return "done", f"version {done['from_version']} was rolled back to version {done['to_version']}: {done['reason']}"


def show_answer() -> None:
    """What the last try gave."""
    outcome, line = st.session_state.get(ANSWER, ("", ""))
    if outcome == "refused":
        st.error(f"Not rolled back: {words.plain(line)}", icon=":material/block:")
    elif outcome == "done":
        st.success(f"On record: {words.plain(line)}", icon=":material/check_circle:")


def banner(workspace: Workspace) -> None:
    """That a rollback is proposed, with the button; and the form."""
    found = standing_watch(workspace)
    if found is not None and found["state"] == "proposes":
        with st.container(border=True):
            label(watch_words.STATES["proposes"])
            st.markdown(f"**{words.plain(watch_words.headline(found))}** {words.plain(found['reason'])}")
            button(found["number"], found["replaced"], primary=True)
    show_form()


def watch_box(workspace: Workspace) -> None:
    """What is known of the last promotion's promise; nothing where none is watched."""
    champion, found = workspace.require_champion(), standing_watch(workspace)
    if found is None:
        if champion["how"] == "promotion" and champion["digest"]:
            st.caption("The watch of this promotion begins with the next cycle.")
        return
    with st.container(border=True):
        st.header("After the promotion")
        label(watch_words.STATES[found["state"]])
        if found["state"] != "proposes":
            st.markdown(words.plain(watch_words.headline(found)))
        measured = watch_words.table(found)
        if measured is not None:
            facts(measured)
        listed(watch_words.lines(found))
        st.caption(
            "A rollback is proposed when a version is worse than the one it replaced and worse than its dossier "
            "promised, surely and by more than the gate's smallest gain; or when the same rows get other scores."
        )
