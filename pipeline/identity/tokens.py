"""Tokens: what vouches for a person at the command line. The settings hold no more than their SHA-256."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping

from pipeline.settings_identity import TokenHash

PREFIX = "mend_"  # so that a scanner of leaked secrets can know one
_BYTES = 32  # 256 bits: beyond guessing, so one round of SHA-256 without salt keeps it


def new_token() -> str:
    """A token nobody has had before.

    >>> len(new_token()), new_token() == new_token()
    (48, False)
    """
    return PREFIX + secrets.token_urlsafe(_BYTES)


def token_hash(token: str) -> str:
    """What the settings hold of a token.

    >>> token_hash("mend_x")[:15]
    'sha256:8f40de28'
    """
    return f"sha256:{hashlib.sha256(token.encode()).hexdigest()}"


def owner(token: str, tokens: Mapping[str, TokenHash]) -> tuple[str, TokenHash] | None:
    """Whose token this is; every hash is compared, each in constant time, so that time tells nothing.

    Args:
        token: What was given.
        tokens: Actor and hash, from the settings.
    """
    given, found = token_hash(token), None
    for actor, known in tokens.items():
        if hmac.compare_digest(given, f"sha256:{known.sha256}"):
            found = (actor, known)
    return found
