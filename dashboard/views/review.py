"""Shall this challenger become the champion?"""

from __future__ import annotations

import streamlit as st

from dashboard import (
    applicants,
    decision,
    drift,
    earlier,
    evidence,
    in_shadow,
    loaders,
    overview,
    pack,
    ranking,
    verdicts,
    words,
)
from dashboard.components import clock, labels, listed, opened, pick
from dashboard.concerns import concerns
from pipeline.gate.dossier import Dossier
from pipeline.promotion.review import Reviewed
from pipeline.promotion.state import Standing
from pipeline.shadowing import last_shadow
from pipeline.watching import units

workspace = opened()
desk = loaders.desk(workspace)
unit = words.unit_of(workspace.settings.profit.unit)
MOST_FEATURES = 8
OPEN = (Standing.PENDING, Standing.WAITING)


def title(item: Reviewed) -> str:
    """The question, or its answer."""
    version = f"Version {words.plain(item.row['challenger'])}"
    return {
        Standing.PENDING: f"{version} → champion?",
        Standing.WAITING: f"{version} waits for more labels",
        Standing.APPROVED: f"{version} became champion",
        Standing.REJECTED: f"{version} was rejected",
        Standing.REFUSED: f"{version} was refused by the gates",
    }.get(item.standing, f"{version}: {words.STANDINGS[item.standing][0].lower()}")


def show_standing(item: Reviewed, dossier: Dossier) -> None:
    """What stands between this dossier and a signature, or the signature."""
    champion = workspace.require_champion()["version"]
    st.markdown(words.plain(verdicts.standing_story(item.standing, dossier, champion)))
    if item.decision is not None:
        with st.container(border=True):
            verdict, at = item.decision["verdict"], words.day(item.decision["at"])
            st.markdown(f"**{verdict.capitalize()}** as of {at} by {words.plain(item.decision['actor'])}, who wrote:")
            st.text(words.legible(item.decision["reason"]))
            signed = workspace.ledger.entry("signature", item.digest)
            st.caption(words.plain(verdicts.signed_as(signed.body if signed else None)))


def look_at(items: list[Reviewed]) -> Reviewed:
    """The dossier to look at: the one in the link, else what waits, else the newest."""
    by_digest = {item.digest: item for item in items}
    if len(items) == 1:
        return items[0]

    def shown(digest: str) -> str:
        row, standing = by_digest[digest].row, words.STANDINGS[by_digest[digest].standing][0]
        pair = f"Version {row['challenger']} against {row['champion']}"
        return f"{pair} · {standing} · {words.day(row['as_of'])} · {digest[:8]}"

    return by_digest[pick("Dossier", list(by_digest), link="digest", shown=shown)]


if not desk:
    st.title("Review")
    clock(workspace)
    st.info(
        "No challenger has been judged yet. When drift lasts, one is trained, put through the gates, and shown here."
    )
    st.stop()
head = st.container()
if desk[0].standing is not Standing.PENDING:
    labels_awaited = any(each.standing is Standing.WAITING for each in desk)
    below = "A challenger waits for more labels." if labels_awaited else "Below is what was judged before."
    st.info(f"Nothing waits for a person. {below}", icon=":material/done_all:")
item = look_at(desk)
dossier = loaders.dossier(workspace, item.digest)
cycle = loaders.cycle_at(workspace, workspace.challenger(dossier.challenger)["as_of"])
summary = loaders.summary_of(workspace, cycle) if cycle else None
result = loaders.result_of(workspace, cycle) if cycle else None

with head:
    st.title(title(item))
    clock(workspace)
    labels(
        words.STANDINGS[item.standing],
        verdicts.gates_label(dossier),
    )
if decision.DECIDING not in st.session_state:
    decision.show_answer(item.digest)
show_standing(item, dossier)
evidence.why(dossier, workspace.ledger.get("signal", dossier.signal_key), summary)
evidence.figures(dossier, summary, unit=unit)
if found := concerns(dossier, unit=unit):
    with st.container(border=True):
        st.markdown(":orange[:material/warning:] **Worth a look before deciding**")
        listed(found)
if summary is not None:
    ranked = ranking.ranked(summary, ranking.shares_of(result), units(workspace.settings))
    left, right = st.columns(2, gap="medium")
    with left, st.container(border=True):
        drift.ranked(ranked.head(MOST_FEATURES), summary)
    with right, st.container(border=True):
        drift.how(workspace, ranked, summary)
with st.container(border=True):
    evidence.comparison(dossier, unit=unit)
with st.container(border=True):
    evidence.gates(dossier)
with st.container(border=True):
    applicants.swap(dossier, unit=unit)
with st.container(border=True):
    in_shadow.show(last_shadow(workspace, dossier.challenger), unit=unit)
with st.container(border=True):
    applicants.segments(dossier)
with st.container(border=True):
    applicants.approvals(dossier)
with st.container(border=True):
    applicants.coverage(dossier)
with st.container(border=True):
    overview.what_happened(workspace)
with st.container(border=True):
    earlier.show(workspace, [each for each in desk if each.digest != item.digest])
with st.container(border=True):
    evidence.models(workspace, dossier)
with st.container(horizontal=True, vertical_alignment="center"):
    pack.button(workspace, item)
    st.caption("All of this page in one file, for whoever asks a year later and has no Mend.", width="content")
with st.expander("Hashes and files", icon=":material/fingerprint:"):
    evidence.files(workspace, item, dossier)
if item.standing in OPEN:
    decision.bar(item, dossier)
decision.show_form(dossier)
