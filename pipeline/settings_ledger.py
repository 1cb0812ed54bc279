"""Settings of `[ledger]`: where its newest hash is left outside the database. An address may hold a secret."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr

from pipeline.settings_types import Section


def anchor_name(address: str, position: int) -> str:
    """How an anchor is spoken of: its place in the list and its file, or its host alone: a path may be the secret.

    >>> anchor_name("https://hooks.example.org/T1JJ3T3L2", 2)
    '2 https://hooks.example.org'
    >>> anchor_name("file:/mnt/audit/mend.jsonl", 1)
    '1 file:/mnt/audit/mend.jsonl'
    """
    if address.startswith("http"):
        url = urlsplit(address)
        return f"{position} {url.scheme}://{url.hostname}"
    return f"{position} {address}"


def _an_anchor(given: object, position: int) -> SecretStr:
    text = given.get_secret_value() if isinstance(given, SecretStr) else given
    if isinstance(text, str) and re.fullmatch(r"file:[^\0\n]+|log:", text):
        return SecretStr(text)
    try:
        if isinstance(text, str) and re.fullmatch(r"https?://[^\s@]+", text) and urlsplit(text).hostname:
            return SecretStr(text)
    except ValueError:
        pass
    raise ValueError(f"anchor {position}: expected file:PATH, log: or https://…, got something else (not shown)")


def _anchors(given: object) -> object:
    """Checked one by one here: a complaint of pydantic's own would quote the address."""
    if not isinstance(given, list | tuple):
        raise ValueError("expected a list of anchors, got something else (not shown, it may hold a secret)")
    return tuple(_an_anchor(each, position) for position, each in enumerate(given, start=1))


class LedgerSettings(Section):
    """Where the ledger's newest hash is left, so that a tail that was cut off is missed."""

    anchors: Annotated[tuple[SecretStr, ...], BeforeValidator(_anchors)] = Field(
        default=(), description="file:PATH (relative to the workspace; one file for each ledger), log: or https://…"
    )

    @property
    def addresses(self) -> dict[str, str]:
        """Address by its name."""
        found = [secret.get_secret_value() for secret in self.anchors]
        return {anchor_name(address, position): address for position, address in enumerate(found, start=1)}
