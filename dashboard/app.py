"""The review desk: `mend dashboard` starts it. Pages are in views/; this file only says which there are."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboard import loaders, pulse, sign_in, viewer
from dashboard.components import one_line_for_known_errors
from pipeline.errors import MendError


def waiting() -> int:
    """How many decisions wait; the page itself says what is wrong when that cannot be known."""
    try:
        return len(loaders.waiting(loaders.workspace()))
    except MendError:
        return 0


st.set_page_config(page_title="Mend", page_icon=Path(__file__).parent / "icon.png", layout="wide")
st.logo(Path(__file__).parent / "icon.png", size="large")
viewer.follow()
sign_in.door()
count = waiting()
review = f"Review :orange-badge[{count}]" if count else "Review"
page = st.navigation(
    {
        "Monitor": [
            st.Page("views/overview.py", title="Overview", icon=":material/monitoring:", default=True),
            st.Page("views/drift.py", title="Drift", icon=":material/waterfall_chart:", url_path="drift"),
            st.Page("views/performance.py", title="Performance", icon=":material/target:", url_path="performance"),
        ],
        "Decide": [st.Page("views/review.py", title=review, icon=":material/fact_check:", url_path="review")],
        "Record": [
            st.Page("views/runs.py", title="Runs", icon=":material/play_circle:", url_path="runs"),
            st.Page("views/ledger.py", title="Ledger", icon=":material/history:", url_path="ledger"),
        ],
    }
)
with one_line_for_known_errors():
    pulse.remember(loaders.workspace())
    page.run()
with st.sidebar:
    pulse.pulse()
