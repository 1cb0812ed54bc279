"""Signing: the form, and the one call that decides. What the form showed is what is signed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from threading import Thread
from typing import Any

import streamlit as st

from dashboard import loaders, sign_in, verdicts, words
from dashboard.components import labels
from dashboard.concerns import concerns
from dashboard.signature_form import signature_form
from pipeline.errors import MendError
from pipeline.gate.dossier import Dossier
from pipeline.promotion.decide import Verdict, decide
from pipeline.promotion.review import Reviewed
from pipeline.promotion.state import Standing
from pipeline.wiring import Workspace

DECIDING, ANSWER = "deciding", "answer"  # session state: (digest, verdict); (digest, outcome, line)
SHORTCUTS: dict[Verdict, str] = {"approved": "Alt+A", "rejected": "Alt+X"}  # they open the form and decide nothing
VERBS: dict[Verdict, str] = {"approved": "Approve", "rejected": "Reject"}


def bar(item: Reviewed, dossier: Dossier) -> None:
    """The buttons, for as long as there is something to decide; they open the form and decide nothing."""
    verdicts: dict[Standing, tuple[Verdict, ...]] = {
        Standing.PENDING: ("rejected", "approved"),
        Standing.WAITING: ("rejected",),
    }
    can_sign = item.standing is Standing.PENDING
    until = f"sign until {words.day(dossier.expires_at)}" if can_sign else "cannot be signed yet"
    with st.bottom, st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(
            f"**Version {words.plain(dossier.champion)} → {words.plain(dossier.challenger)}** · "
            f"{until} · digest `{dossier.digest[:12]}`",
            width="content",
        )
        with st.container(horizontal=True, width="content"):
            for verdict in verdicts[item.standing]:
                st.button(
                    f"{VERBS[verdict]}…",
                    key=f"open_{verdict}",
                    type="primary" if verdict == "approved" else "secondary",
                    icon=":material/check:" if verdict == "approved" else ":material/block:",
                    on_click=open_form,
                    args=(item.digest, verdict),
                    shortcut=SHORTCUTS[verdict],
                )


def open_form(digest: str, verdict: Verdict) -> None:
    """Remember that the form is open; a flag, so that every rerun shows it until it is answered."""
    st.session_state[DECIDING] = (digest, verdict)
    st.session_state.pop(ANSWER, None)


def close_form() -> None:
    """Forget the form."""
    st.session_state.pop(DECIDING, None)
    st.session_state.pop(ANSWER, None)


def show_form(dossier: Dossier) -> None:
    """The form, if it is open for the dossier on the page."""
    digest, verdict = st.session_state.get(DECIDING, ("", ""))
    if digest == dossier.digest:
        title = f"{VERBS[verdict]} version {words.plain(dossier.challenger)}"
        st.dialog(title, position="right", on_dismiss=close_form)(form)(dossier, digest, verdict)


def form(dossier: Dossier, digest: str, verdict: Verdict) -> None:
    """Who, why, and what exactly is signed."""
    if DECIDING not in st.session_state:
        st.rerun()  # answered: a dialog reruns by itself, and the page behind it would still ask
    labels(verdicts.gates_label(dossier))
    new, old = words.plain(dossier.challenger), words.plain(dossier.champion)
    st.markdown(
        f"Version {new} takes the place of version {old} at once."
        if verdict == "approved"
        else f"Version {new} is refused for good; version {old} stays."
    )
    if verdict == "approved" and (found := concerns(dossier)):
        st.warning(
            f"{words.count(len(found), 'point')} worth a look on this page: read before you sign.",
            icon=":material/warning:",
        )
    st.caption("You sign this digest: the SHA-256 of the evidence on this page.")
    st.code(digest, language=None, wrap_lines=True)
    signature_form(
        loaders.workspace().settings,
        verb=VERBS[verdict],
        icon=":material/draw:" if verdict == "approved" else ":material/block:",
        actor_key="actor",
        reason_key="reason",
        on_click=submit,
        args=(digest, verdict),
    )
    show_answer(digest)


def submit(digest: str, verdict: Verdict) -> None:
    """Decide. Reads the form, then makes one call, which is one transaction; nothing of Streamlit's runs meanwhile."""
    claimed, reason = st.session_state.get("actor") or "", st.session_state["reason"]
    outcome, line = decided(digest, verdict, claimed=claimed, reason=reason)
    st.session_state[ANSWER] = (digest, outcome, line)
    if outcome == "done":
        st.session_state.pop(DECIDING, None)  # a second click finds it gone


def decided(digest: str, verdict: Verdict, *, claimed: str, reason: str) -> tuple[str, str]:
    """Make the decision and say what became of it: `done` or `refused`, and one line. Who decides is read anew."""
    try:
        workspace = loaders.workspace()
        person = sign_in.person(workspace.settings, claimed=claimed)
        made = decide(workspace, digest, verdict, person=person, reason=reason, now=workspace.now())
    except MendError as refusal:
        return "refused", str(refusal)
    if verdict == "approved":
        tell_the_registry(workspace.settings.source)
    return "done", came_to(workspace, made)


def came_to(workspace: Workspace, made: Mapping[str, Any]) -> str:
    """Who is champion now, since when, and who decided."""
    row = workspace.ledger.get("dossier", made["digest"])
    version = "?" if row is None else row["challenger"]
    by, at = made["actor"], words.day(made["at"])
    if made["verdict"] == "approved":
        return f"version {version} is champion since {at}, signed by {by}"
    return f"version {version} was rejected by {by} at {at}; version {workspace.require_champion()['version']} stays"


def tell_the_registry(config: Path) -> None:
    """Let the registry follow, in a process of its own: MLflow takes seconds, and the ledger is the truth already."""
    command = [sys.executable, "-m", "pipeline", "--config", str(config), "reconcile"]
    root, quiet = Path(__file__).parent.parent, subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=root, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)  # noqa: S603
    Thread(target=process.wait, name="reconcile", daemon=True).start()


def show_answer(digest: str) -> None:
    """What the last try to decide on this dossier gave."""
    about, outcome, line = st.session_state.get(ANSWER, ("", "", ""))
    if about != digest:
        return
    if outcome == "refused":
        st.error(f"Not decided: {words.plain(line)}", icon=":material/block:")
    elif outcome == "done":
        st.success(f"On record: {words.plain(line)}", icon=":material/check_circle:")
