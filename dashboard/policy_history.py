"""The policy page's third part: every dossier on record under thresholds set by sliders, beside what happened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard import loaders, policy_charts, policy_frames, policy_knobs, policy_loaders, viewer, words
from dashboard.components import chart, facts, listed, one_line_for_known_errors
from pipeline.gate.dossier import Dossier
from pipeline.policy_replay import WHAT_IT_COVERS, Replay, another_policy, replay, without_effect
from pipeline.wiring import Workspace

_REASONS = 5  # why the record cannot tell; the command line prints them all
_MOST = 50  # dossiers in the table; the command line prints them all


@st.fragment
def history(workspace: Workspace) -> None:
    """Sliders, what would change, when, at which gates, and every dossier with a link to its page."""
    viewer.follow()
    with one_line_for_known_errors():
        st.header("What would other thresholds have done?")
        known = policy_loaders.dossiers(workspace, loaders.head(workspace))
        if not known:
            st.info(
                "No challenger has been judged yet, so there is no history to replay. When drift lasts, one is trained "
                "and put through the gates. Until then the simulator above says what gates would do."
            )
            return
        today = workspace.settings.gate_policy
        st.caption(
            "Recorded evidence under other thresholds: same rows, same intervals. Sliders start at the policy in force."
        )
        readable = [each for each in known.values() if isinstance(each, Dossier)]
        changes = _sliders(policy_knobs.replay_knobs(today, readable))
        records = [(item, known[item.digest]) for item in loaders.desk(workspace)]
        found = replay(records, another_policy(today, changes))
        _show(found, changes)


def _sliders(knobs: list[policy_knobs.Knob]) -> dict[str, Any]:
    """Thresholds that a slider holds elsewhere than the policy in force has them."""
    places = [column for _ in knobs[::3] for column in st.columns(3)]  # row by row, on a phone too
    positions = [
        place.slider(
            knob.label,
            *(knob.low, knob.high, knob.today, knob.step),
            format="%g" if isinstance(knob.today, float) else "%d",
            key=knob.name,
            bind="query-params",
            help=knob.help,
        )
        for knob, place in zip(knobs, places, strict=False)
    ]
    st.button("Back to the policy in force", icon=":material/undo:", on_click=_put_back, args=(knobs,))
    return policy_knobs.moved(knobs, positions)


def _put_back(knobs: list[policy_knobs.Knob]) -> None:
    st.session_state.update({knob.name: knob.today for knob in knobs})


def _show(found: Replay, changes: Mapping[str, Any]) -> None:
    asked = policy_knobs.asked(found.policy, changes)
    st.markdown(f"**{words.plain(found.in_words())}** {words.plain(f'Asked: {asked}.')}")
    st.caption(WHAT_IT_COVERS)
    reasons = found.why_unknown()
    more = [f"and {len(reasons) - _REASONS} more reasons"] * (len(reasons) > _REASONS)
    listed([*found.let_off(), *reasons[:_REASONS], *more, *without_effect(found, changes), *found.measured_otherwise()])
    verdicts = policy_charts.verdicts_over_time(policy_frames.replay_frame(found))
    chart(verdicts, alt=f"Verdicts over time, recorded and under these thresholds. {found.in_words()}")
    gates = policy_frames.gates_frame(found)
    if len(gates):
        st.markdown("**Gate by gate**")
        st.caption("What each gate would have said. A square marks another outcome than was recorded.")
        many = ", ".join(f"{code} in {number}" for code, number in found.changed_by_gate.items())
        chart(policy_charts.gates_over_time(gates), alt=f"Six gates, dossier by dossier. Another outcome: {many}.")
    facts(policy_frames.replay_table(found, most=_MOST))
    if len(found.dossiers) > _MOST:
        st.caption(f"The first {_MOST} of {len(found.dossiers)}, changed ones first; mend policy replay prints all.")
