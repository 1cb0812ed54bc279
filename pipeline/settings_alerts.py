"""Settings of telling people: `[alerts]`. Addresses hold secrets, so they are never shown whole."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr

from pipeline.settings_types import Count, PositiveDuration, Section

# Only these write a host where others (slack, discord, tgram, pover, …) write a token.
_WITH_A_HOST = {"http", "https", "json", "jsons", "form", "forms", "xml", "xmls", "mailto", "mailtos"}


def address_name(url: str, position: int) -> str:
    """How an address is spoken of: its place in the list, its scheme, and its host if that is no secret.

    >>> address_name("jsons://ann:secret@hooks.example.org:8443/key", 1)
    '1 jsons://hooks.example.org'
    >>> address_name("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", 2)
    '2 slack://…'
    """
    scheme = url.partition("://")[0].lower()
    try:
        host = urlsplit(url).hostname if scheme in _WITH_A_HOST else None
    except ValueError:
        host = None
    return f"{position} {scheme}://{host or '…'}"


def _an_address(url: object, where: str) -> SecretStr:
    text = url.get_secret_value() if isinstance(url, SecretStr) else url
    if not isinstance(text, str) or not re.fullmatch(r"[a-zA-Z][a-zA-Z0-9+.-]*://\S+", text):
        raise ValueError(f"{where}: expected scheme://…, got something else (not shown, it may hold a secret)")
    return SecretStr(text)


def _addresses(given: object) -> object:
    """Checked one by one here: a complaint of pydantic's own would quote the address."""
    if not isinstance(given, list | tuple):
        raise ValueError("expected a list of addresses, got something else (not shown, it may hold a secret)")
    return tuple(_an_address(url, f"address {position}") for position, url in enumerate(given, start=1))


def _a_web_address(given: object) -> object:
    if given is None:
        return None
    address = _an_address(given, "address")
    if urlsplit(address.get_secret_value()).scheme not in ("http", "https"):
        raise ValueError("address: expected http:// or https://, got another scheme")
    return address


class AlertSettings(Section):
    """Whom to tell when something is wrong, how soon, and how often."""

    urls: Annotated[tuple[SecretStr, ...], BeforeValidator(_addresses)] = Field(
        default=(), description="Apprise addresses, as in mailtos://user:password@example.org"
    )
    open_after: Count = Field(default=1, description="cycles in a row; the limits already hold the false alarms")
    close_after: Count = Field(default=3, description="clear cycles in a row; fewer would flap")
    remind_after: PositiveDuration = timedelta(days=7)
    max_messages_per_day: Count = Field(default=24, description="to each address, in a day of UTC")
    no_cycle_after: PositiveDuration | None = Field(default=None, description="default: 3 × monitor.interval")
    heartbeat_file: Path = Field(default=Path("heartbeat.json"), description="relative to the workspace")
    heartbeat_url: Annotated[SecretStr | None, BeforeValidator(_a_web_address)] = Field(
        default=None, description="asked for (GET) after each cycle that did not fail"
    )

    @property
    def addresses(self) -> dict[str, str]:
        """Address by its name."""
        found = [secret.get_secret_value() for secret in self.urls]
        return {address_name(url, position): url for position, url in enumerate(found, start=1)}
