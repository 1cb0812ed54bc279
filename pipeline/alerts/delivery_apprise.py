"""Sending, through Apprise: one address at a time, an answer for each, and no secret in any of it."""

from __future__ import annotations

import logging
import re
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apprise import NotifyBase

_PATIENCE_S = 20.0  # a mail server is given 15 s by Apprise itself; a cycle must not hang on a chat


def fault(url: str) -> str | None:
    """What is wrong with an address that can be seen without sending; None if nothing is."""
    return None if _service(url) is not None else "Apprise knows no such service, or a part of the address is missing"


def deliver(url: str, *, title: str, body: str, severe: bool) -> str | None:
    """Send one message to one address; None when its service took it, else why not, in words without secrets."""
    try:
        return fault(url) or _sent(url, title, body, severe)
    except Exception as error:  # noqa: BLE001  a plugin may raise anything; an alert that is not sent is told, not fatal
        return f"{type(error).__name__} while sending"


def _sent(url: str, title: str, body: str, severe: bool) -> str | None:
    import apprise  # half a second that a cycle without news need not pay

    heard: list[str] = []
    sender = apprise.Apprise()
    sender.add(url)
    result = sender.notify(
        body=body,
        title=title,
        notify_type=apprise.NotifyType.FAILURE if severe else apprise.NotifyType.INFO,
        body_format=apprise.NotifyFormat.TEXT,
        timeout=_PATIENCE_S,
        log_callback=lambda entry, _service: heard.append(entry.message),
    )
    attempts = [attempt for each in result for attempt in each]
    if attempts and attempts[-1]:  # not `result`: an address with optional=yes succeeds there even when it fails
        return None
    if result.status is apprise.AppriseResultStatus.TIMEOUT:
        return f"no answer within {_PATIENCE_S:.0f} s"
    # Only the number is taken from what the service said: its words may quote the address.
    code = re.search(r"error[= ](\d{3})\b", " ".join(heard))
    return f"refused with status {code[1]}" if code else "refused or not reached"


def _service(url: str) -> NotifyBase | None:
    import apprise

    logger = logging.getLogger("apprise")
    logger.propagate = False  # it logs addresses in part
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())  # without one, Python prints them on the terminal
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # its plugins load modules that Python is about to drop
        return apprise.Apprise.instantiate(url, suppress_exceptions=True)
