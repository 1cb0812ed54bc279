"""What a person sees of a fault of ours, and what the server's log keeps of it."""

from __future__ import annotations

import logging
import secrets

import streamlit as st

from dashboard import words
from pipeline.errors import MendError

_logger = logging.getLogger("mend.desk")


def one_line(error: Exception) -> bool:
    """Show what went wrong in one line; a bug's traceback goes to the log alone, under a number that the line names.

    Returns:
        True: Streamlit adds nothing of its own to the page.
    """
    if isinstance(error, MendError):
        st.error(words.plain(error), icon=":material/error:")
        return True
    number = secrets.token_hex(4)
    _logger.error("fault %s", number, exc_info=error)
    st.error(
        f"This page broke: a fault in Mend, number {number}. Reload the page. If it comes back, give the number to "
        "whoever runs this desk: its log tells more under it.",
        icon=":material/error:",
    )
    return True


class SaidOnce(logging.Filter):
    """Keeps back Streamlit's own copy of a traceback that is in the log with its number."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is another."""
        return record.msg != "Uncaught app execution"
