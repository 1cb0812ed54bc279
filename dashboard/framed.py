"""A page that somebody else's program wrote, shown inside one of ours, where it reaches nothing."""

from __future__ import annotations

import streamlit as st
from streamlit import runtime


def framed(page: bytes, *, sha256: str, height: int) -> None:
    """Show a page of HTML in a frame whose origin is nobody's: by its own attribute, and by the policy of `guard`.

    The frame asks for the page like for a picture. In the frame's attribute it would be held to the desk's own policy,
    under which no script runs that does not come with Streamlit.

    Args:
        page: The page. Its scripts run.
        sha256: Of the page. Streamlit tells large files apart by length and three samples; the name makes it sure.
        height: In pixels.
    """
    files = runtime.get_instance().media_file_mgr
    address = files.add(page, "text/html", "framed", file_name=f"{sha256}.html")
    st.iframe(
        f'<iframe sandbox="allow-scripts" src="{address}" style="border:0;width:100%;height:98vh"></iframe>',
        height=height,
    )
