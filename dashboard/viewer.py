"""Whose clock times are told in: the browser's zone, with UTC beside it where it matters."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from dashboard import words


def follow() -> None:
    """Tell times in the viewer's zone from here on, in this run of a page or of a fragment."""
    words.VIEWER.set(zone())


def zone() -> tzinfo:
    """The browser's zone; UTC where it says none that is known here."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def zone_name() -> str:
    """The same by its name."""
    return str(zone())


def on_hover(moment: datetime) -> str:
    """What to show on hovering over a time: the same in UTC, to the second."""
    return f"{words.utc(moment)}, as it stands on record"
