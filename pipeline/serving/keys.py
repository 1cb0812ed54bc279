"""Keys of the scoring service: who may score, report outcomes, or read. The ledger holds no more than their SHA-256."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from pipeline.errors import MendError
from pipeline.stores.engine import iso
from pipeline.stores.ledger import Ledger

KIND, REVOKED = "api_key", "api_key_revoked"
_SECRET_BYTES, _ID_BYTES = 32, 4
_A_KEY = re.compile(r"Bearer (mend_([0-9a-f]{8})_[A-Za-z0-9_-]{43})")


class Scope(StrEnum):
    """What a key may be used for."""

    SCORE = "score"
    LABEL = "label"
    READ = "read"


SCOPE_OF = {
    "/predict": Scope.SCORE,
    "/predict/batch": Scope.SCORE,
    "/labels": Scope.LABEL,
    "/model/info": Scope.READ,
    "/monitoring/stats": Scope.READ,
    "/metrics": Scope.READ,
}
"""Whoever asks for anything else, `/health` and `/openapi.json`, needs no key."""


class NoKeyError(MendError):
    """No key, or none that holds."""

    code, exit_code = "serving.no_key", 4


class NotInScopeError(MendError):
    """The key holds, but not for this."""

    code, exit_code = "serving.not_in_scope", 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key as it is on record."""

    key_id: str
    name: str
    sha256: str
    scopes: frozenset[Scope]
    expires_at: datetime | None
    revoked: bool

    def holds(self, now: datetime) -> bool:
        """Neither revoked nor expired."""
        return not self.revoked and (self.expires_at is None or now < self.expires_at)


def new_secret() -> tuple[str, str]:
    """A key nobody has had before, and the id in it.

    256 random bits are beyond guessing, so one round of SHA-256 without salt keeps them.

    Source:
        NIST SP 800-63B, 5.1.2.2: look-up secrets with at least 112 bits of entropy are hashed with an approved one-way
        function; salt and stretching are for less.

    >>> secret, key_id = new_secret()
    >>> secret.startswith(f"mend_{key_id}_"), len(secret)
    (True, 57)
    """
    key_id = secrets.token_hex(_ID_BYTES)
    return f"mend_{key_id}_{secrets.token_urlsafe(_SECRET_BYTES)}", key_id


def digest_of(secret: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(secret.encode()).hexdigest()


def body_of(secret: str, *, name: str, scopes: Sequence[Scope], expires_at: datetime | None) -> dict[str, Any]:
    """What the ledger holds of a key."""
    ends = None if expires_at is None else iso(expires_at)
    return {"name": name, "sha256": digest_of(secret), "scopes": sorted(scopes), "expires_at": ends}


def keys_on_record(ledger: Ledger) -> dict[str, Key]:
    """Every key by its id, oldest first."""
    revoked = {entry.key for entry in ledger.entries(kind=REVOKED)}
    return {
        entry.key: Key(
            key_id=entry.key,
            name=entry.body["name"],
            sha256=entry.body["sha256"],
            scopes=frozenset(Scope(scope) for scope in entry.body["scopes"]),
            expires_at=datetime.fromisoformat(entry.body["expires_at"]) if entry.body["expires_at"] else None,
            revoked=entry.key in revoked,
        )
        for entry in ledger.entries(kind=KIND)
    }


def require_key(authorization: str | None, scope: Scope, *, keys: Mapping[str, Key], now: datetime) -> None:
    """Let through who has a key for it. What was given is never repeated.

    Args:
        authorization: The request's header.
        scope: What is asked for.
        keys: By id.
        now: UTC.

    Raises:
        NoKeyError: None was given, or it is not known, revoked, or expired.
        NotInScopeError: It is not for this.

    >>> secret, key_id = new_secret()
    >>> key = Key(key_id=key_id, name="app", sha256=digest_of(secret), scopes=frozenset({Scope.SCORE}),
    ...           expires_at=None, revoked=False)
    >>> require_key(f"Bearer {secret}", Scope.SCORE, keys={key_id: key}, now=datetime(2026, 1, 1))
    """
    given = _A_KEY.fullmatch(authorization or "")
    key = None if given is None else keys.get(given[2])
    if given is None or key is None or not hmac.compare_digest(digest_of(given[1]), key.sha256) or not key.holds(now):
        raise NoKeyError("expected the header Authorization: Bearer KEY with a key that holds")
    if scope not in key.scopes:
        raise NotInScopeError(f"this key is not for {scope}")
