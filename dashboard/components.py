"""Small pieces that every page is made of."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import charts, findings, loaders, viewer, words
from monitoring.summary import DriftSummary
from pipeline.errors import MendError
from pipeline.wiring import Workspace


@contextmanager
def one_line_for_known_errors() -> Iterator[None]:
    """A fault that Mend knows by name is one clear line, never a traceback."""
    try:
        yield
    except MendError as error:
        st.error(words.plain(error), icon=":material/error:")


def opened() -> Workspace:
    """The workspace, or the empty state that says how to get one."""
    workspace = loaders.workspace()
    if not workspace.initialised:
        st.info(
            "No model lives here yet. Run `make demo` to replay real loans up to the first decision, "
            "or `mend init` to start with your own settings.",
            icon=":material/rocket_launch:",
        )
        st.stop()
    return workspace


def clock(workspace: Workspace) -> None:
    """What time it is in this workspace, whose clock says so, and in which zone times are told."""
    last, now = workspace.ledger.last_cycle(), workspace.now()
    name = words.plain(workspace.settings.model.name)
    simulated = "lives on a simulated clock, " if last is not None and last["clock"] == "replay" else ""
    zone = words.plain(viewer.zone_name())
    st.caption(f"{name} · {simulated}as of **{words.day(now)}** · times in {zone}", help=viewer.on_hover(now))


def label(found: words.Label) -> None:
    """A state as a badge: words and an icon, and a colour beside them."""
    text, icon, colour = found
    st.badge(text, icon=icon, color=colour)


def labels(*found: words.Label) -> None:
    """Badges in a row that wraps."""
    with st.container(horizontal=True, gap="small"):
        for each in found:
            label(each)


def chart(figure: Any, *, alt: str) -> None:
    """A chart as wide as its place, with its content in words for those who do not see it."""
    for part in _parts(figure):
        if isinstance(part.data, pd.DataFrame):
            part.data = words.legible_frame(part.data)
    spoken: Any = Unchecked(figure.configure_mark(aria=False))  # as a whole in words, not hundreds of marks one by one
    st.altair_chart(spoken, width="stretch", alt=words.legible(alt))


class Unchecked:
    """A chart that is not checked against Vega-Lite's schema at each drawing, which took a quarter of a page's time.

    The tests check every chart of the demo.
    """

    def __init__(self, figure: Any) -> None:
        self.figure = figure

    def to_dict(self) -> dict[str, Any]:
        """The chart's specification, as Streamlit asks for it."""
        return dict(self.figure.to_dict(validate=False))


def _parts(figure: Any) -> Iterator[Any]:
    """A chart and the charts that it is made of."""
    yield figure
    for name in ("layer", "hconcat", "vconcat", "concat"):
        for each in getattr(figure, name, []):
            yield from _parts(each)


def finding(summary: DriftSummary, result: Mapping[str, Any] | None) -> None:
    """What a window's look came to: state and recommendation as badges, then verdict, what to do, and why."""
    said = words.plain(findings.verdict(summary, result))
    if result is None:
        label(findings.state_label(summary.state))
        st.markdown(f"{said} No diagnosis is on record.")
        return
    diagnosis = result["diagnosis"]
    labels(findings.state_label(summary.state, result), findings.to_do_label(diagnosis))
    do, why = (words.plain(each) for each in (findings.to_do(diagnosis), diagnosis["reason"]))
    st.markdown(f"{said} **{do}.** {why}")


def not_seen(workspace: Workspace, cycle: Mapping[Any, Any]) -> None:
    """Why there is nothing to show of a cycle; that is not calm."""
    number = loaders.other_format(workspace, cycle)
    if number is not None:
        st.warning(findings.other_format(number))
        return
    st.warning("The drift notebook of this cycle failed. Nothing is known about drift in this window.")
    st.text(words.legible(cycle["note"]))


def weight_history(cycles: pd.DataFrame, *, limit: float) -> None:
    """How much of the score's importance had moved at each look; says how many have no number: a gap is not calm."""
    st.header("Drift over time")
    if cycles.empty:
        st.caption("No cycle has run yet.")
        return
    judged, told = cycles[cycles["weighted_share"].notna()], words.percent(limit)
    numbered, of = int(judged["of_cycles"].sum()), int(cycles["of_cycles"].sum())
    st.caption(
        "Share of what the score rests on (the champion's importance) that features beyond their limit carry. Dashed: "
        f"{told}; a window calls for a new model from here, unless its feed is broken or outcomes say that the model "
        f"holds. {numbered:,} of {words.count(of, 'cycle')} have one; a grey line marks each of the others."
        + (
            " Drawn are the worst with and without one of each stretch, the first and the newest."
            if of > len(cycles)
            else ""
        )
    )
    if len(judged):
        newest = words.percent(judged["weighted_share"].iloc[-1])
        alt = f"Share of importance that moved, of {words.count(numbered, 'cycle')}; newest {newest}, line at {told}."
        chart(charts.weight_over_time(cycles, limit=limit), alt=alt)


def facts(table: pd.DataFrame) -> None:
    """A table as page text: it wraps on a phone, a screen reader finds it. Cells must be safe as Markdown."""
    st.table(table.map(unbroken), border="horizontal", hide_index=True)


def unbroken(cell: object) -> object:
    """A number stays with its sign and unit when a narrow cell wraps.

    >>> unbroken("≥ 30.0 %"), unbroken(3)
    ('≥\\xa030.0\\xa0%', 3)
    """
    return re.sub(r"(?<=[≥≤✓✗△]) | (?=%)", "\N{NO-BREAK SPACE}", cell) if isinstance(cell, str) else cell


def listed(lines: Sequence[str]) -> None:
    """Sentences as a list, letter by letter."""
    st.markdown("\n".join(f"- {words.plain(line)}" for line in lines))


def leaf(total: int, *, key: str) -> int:
    """Leaf through a list of so many, page by page, as the address says; returns how many are before the page."""
    if total <= loaders.PAGE:
        return 0
    return (st.pagination(-(-total // loaders.PAGE), key=key, bind="query-params") - 1) * loaders.PAGE


def pick(label: str, options: Sequence[str], *, link: str, shown: Callable[[str], str]) -> str:
    """One of the options, the first at the start; the page's address names the choice, so that it can be sent on."""
    wanted = st.query_params.get(link)
    found = next((option for option in options if wanted and option.startswith(wanted)), None)
    if wanted and found is None:
        st.warning(f"The link names a {label.lower()} that is not on this page; here is the first instead.")

    def legibly(option: str) -> str:
        return words.legible(shown(option), most=words.CELL)

    if st.session_state.get(link) not in options:
        st.session_state[link] = found or options[0]
    picked = st.selectbox(label, options, format_func=legibly, key=link)
    assert picked is not None
    st.query_params[link] = picked
    return picked


def pick_feature(names: Sequence[str]) -> str | None:
    """One feature; the page's address names it (`?feature=`). None where there is none to choose from."""
    if not names:
        st.caption("There is no feature to choose from.")
        return None
    return pick("Feature", names, link="feature", shown=str)
