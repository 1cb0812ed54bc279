"""Which cycle a page is about: one of the newest from a list, or any other by its day, step by step, or by a link."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import streamlit as st

from dashboard import findings, loaders, words
from dashboard.components import pick
from pipeline.wiring import Workspace

LINK = "as_of"  # in the page's address, and the key of the list
DAY = "cycle_day"


def pick_cycle(workspace: Workspace) -> loaders.Cycle:
    """The cycle to look at, the newest at the start; there is one. The page's address names it (`?as_of=`)."""
    head = loaders.head(workspace)
    offered: list[loaders.Cycle] = loaders.cycles(workspace, head)[::-1].to_dict("records")  # type: ignore[assignment]
    of = loaders.counts(workspace, head).cycles
    names = {_name(cycle): cycle for cycle in offered}
    if (linked := _linked(workspace)) is not None:
        names.setdefault(_name(linked), linked)  # however old it is
    with st.container(horizontal=True, vertical_alignment="bottom"):
        picked = pick("Cycle", list(names), link=LINK, shown=lambda name: _told(names[name]))
        before, after = loaders.neighbours(workspace, names[picked])
        for word, icon, beside in (("Earlier", "chevron_left", before), ("Later", "chevron_right", after)):
            st.button(
                word,
                icon=f":material/{icon}:",
                disabled=beside is None,
                on_click=_go_to,
                args=(_name(beside),) if beside else (),
                key=f"cycle_{word.lower()}",
            )
        if of > len(offered):
            _by_day(workspace)
    if of > len(offered):
        st.caption(f"The list has the newest {len(offered):,} of {words.count(of, 'cycle')}; a day finds any other.")
    return names[picked]


def _linked(workspace: Workspace) -> loaders.Cycle | None:
    """The cycle that the address names; where none ran then, the last one before, and the page says so."""
    wanted = st.query_params.get(LINK, "")
    found = loaders.cycle_linked(workspace, wanted)
    if found is not None and not _name(found).startswith(wanted):
        st.warning(words.plain(f"No cycle ran at {wanted}; here is the last one before."))
        _go_to(_name(found))
    return found


def _by_day(workspace: Workspace) -> None:
    ends = loaders.span(workspace)
    assert ends is not None
    st.date_input(
        "Or the last one of a day (UTC)",
        None,
        min_value=ends[0].date(),
        max_value=ends[1].date(),
        format="YYYY-MM-DD",
        key=DAY,
        on_change=_go_to_day,
        args=(workspace,),
        width=170,
    )


def _go_to_day(workspace: Workspace) -> None:
    """The last cycle of the day that was chosen or, where none ran on it, before it."""
    day, st.session_state[DAY] = st.session_state[DAY], None  # so that the same day can be chosen again
    if day is None:
        return
    end = datetime.combine(day, time(), tzinfo=UTC) + timedelta(days=1)
    found = loaders.cycle_before(workspace, end - timedelta(microseconds=1))
    if found is not None:
        _go_to(_name(found))


def _go_to(name: str) -> None:
    st.query_params[LINK] = st.session_state[LINK] = name


def _name(cycle: loaders.Cycle) -> str:
    return f"{cycle['as_of']:%Y-%m-%dT%H:%M}"


def _told(cycle: loaders.Cycle) -> str:
    return f"{words.day(cycle['as_of'])} · {findings.state_text(cycle)}"
