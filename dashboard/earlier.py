"""What was judged before and what came of it: each dossier in a line, with the gates that stood in its way."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from dashboard import loaders, verdicts, words
from dashboard.components import facts
from pipeline.errors import MendError
from pipeline.promotion.review import Reviewed
from pipeline.promotion.state import Standing
from pipeline.wiring import Workspace

SHOWN = 12  # in full; the rest in a table that scrolls


def show(workspace: Workspace, items: Sequence[Reviewed]) -> None:
    """The newest with why they were refused, the others in a table."""
    st.subheader("What was judged before, and what came of it")
    if not items:
        st.caption("Nothing: this is the first dossier.")
        return
    refused = sum(item.standing in (Standing.REFUSED, Standing.REJECTED) for item in items)
    st.caption(
        f"{words.count(len(items), 'other dossier')}, {refused:,} of them refused, by the gates or by a person. A "
        "challenger that waits is judged again, each time in a dossier of its own."
    )
    facts(pd.DataFrame([_line(workspace, item) for item in items[:SHOWN]]))
    if len(items) > SHOWN:
        with st.expander(f"{len(items) - SHOWN} older ones", icon=":material/history:"):
            st.dataframe(
                _plain_table(items[SHOWN:]), hide_index=True, alt=f"{len(items) - SHOWN} older dossiers, newest first."
            )


def _line(workspace: Workspace, item: Reviewed) -> dict[str, str]:
    row = item.row
    return {
        "Judged as of": words.day(row["as_of"]),
        "Version": words.plain(f"{row['challenger']} against {row['champion']}"),
        "Came to": words.STANDINGS[item.standing][0],
        "Why": words.plain(why(workspace, item)),
        "Dossier": f"[{item.digest[:8]}](review?digest={item.digest})",
    }


def why(workspace: Workspace, item: Reviewed) -> str:
    """What a person wrote, or the gates that did not pass; where the dossier cannot be read, that."""
    if item.decision is not None:
        return f"{item.decision['actor']}: {item.decision['reason']}"
    if item.standing not in (Standing.REFUSED, Standing.WAITING, Standing.SUPERSEDED):
        return "–"
    try:
        checks = loaders.gate_checks(workspace, item.digest)
    except MendError as error:
        return str(error)
    return verdicts.not_passed(checks)


def _plain_table(items: Sequence[Reviewed]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Judged as of": [words.day(each.row["as_of"]) for each in items],
            "Version": [each.row["challenger"] for each in items],
            "Against": [each.row["champion"] for each in items],
            "Came to": [words.STANDINGS[each.standing][0] for each in items],
            "Decided by": [each.decision["actor"] if each.decision else "" for each in items],
            "Reason": [each.decision["reason"] if each.decision else "" for each in items],
            "Digest": [each.digest[:12] for each in items],
        }
    )
