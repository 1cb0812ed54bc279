"""Who an OpenID Connect sign-in says somebody is. A claim of the wrong type never passes for one of the right type."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from pipeline.errors import RefusedError
from pipeline.promotion.person import Person
from pipeline.settings_identity import IdentitySettings

_LONGEST_SUBJECT = 255  # ASCII characters; OpenID Connect Core 1.0, section 2, `sub`
_NAMES = ("name", "preferred_username", "email")


def person_from_claims(claims: Mapping[str, object], identity: IdentitySettings) -> Person:
    """The person whom an ID token names, by issuer and subject; `require_authority` says whether they may act.

    A role is believed if the claim is one string or a list of nothing but strings; anything else is no role.
    An end that cannot be read is no end, which `require_authority` refuses.

    Args:
        claims: Claims of an ID token whose signature was checked when it came.
        identity: The issuer that counts here, and the claim that holds the roles.

    Raises:
        RefusedError: Another issuer, or no usable subject.

    Source:
        OpenID Connect Core 1.0, sections 2 and 5.7: issuer and subject together name somebody; e-mail and name do not.

    >>> identity = IdentitySettings(mode="oidc", issuer="https://id.bank.example")
    >>> person_from_claims({"iss": "https://id.bank.example", "sub": "ann", "groups": ["risk"]}, identity).actor
    'https://id.bank.example#ann'
    """
    issuer, subject = claims.get("iss"), claims.get("sub")
    if not isinstance(issuer, str) or issuer != identity.issuer:
        said = repr(issuer) if isinstance(issuer, str) else "nobody we can name"
        raise RefusedError(f"signed in by {said}; this desk takes the word of {identity.issuer!r} only")
    if not plain(subject) or len(str(subject)) > _LONGEST_SUBJECT:
        raise RefusedError(
            f"the sign-in by {issuer} names nobody: `sub` is not 1 to {_LONGEST_SUBJECT} plain characters"
        )
    names = [name for name in (claims.get(key) for key in _NAMES) if isinstance(name, str) and name.strip()]
    return Person(
        actor=f"{issuer}#{subject}",
        method="oidc",
        name=names[0].strip() if names else "",
        issuer=issuer,
        subject=str(subject),
        roles=roles_of(claims.get(identity.role_claim)),
        expires_at=end_of(claims.get("exp")),
    )


def plain(text: object) -> bool:
    """Whether this is a string of visible ASCII characters, at least one: a name that cannot pass for another.

    >>> plain("ann"), plain("ann "), plain(""), plain("аnn"), plain(["ann"])
    (True, False, False, False, False)
    """
    return isinstance(text, str) and text.isascii() and text.isprintable() and " " not in text and text != ""


def roles_of(claim: object) -> tuple[str, ...]:
    """Roles in a claim: one string, or a list of strings.

    >>> roles_of("risk"), roles_of(["risk", "audit"]), roles_of({"risk": True}), roles_of(["risk", 1]), roles_of("")
    (('risk',), ('risk', 'audit'), (), (), ())
    """
    listed = [claim] if isinstance(claim, str) else claim
    if not isinstance(listed, list) or not all(isinstance(role, str) and role.strip() for role in listed):
        return ()
    return tuple(listed)


def end_of(claim: object) -> datetime | None:
    """When a sign-in ends: seconds since 1970, UTC; None for anything that is not such a number.

    >>> end_of(1_800_000_000), end_of("1800000000"), end_of(True), end_of(float("nan")), end_of(10**30)
    (datetime.datetime(2027, 1, 15, 8, 0, tzinfo=datetime.timezone.utc), None, None, None, None)
    """
    if isinstance(claim, bool) or not isinstance(claim, int | float):
        return None
    try:
        return datetime.fromtimestamp(claim, UTC)
    except (ValueError, OverflowError, OSError):
        return None
