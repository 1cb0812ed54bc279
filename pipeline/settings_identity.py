"""Settings of `[identity]`: how this desk knows who somebody is."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from pipeline.settings_types import Section, parse_day

UNKNOWN_TOKEN = "unknown token"  # noqa: S105  the actor of a refusal, never a name that may sign
_ISSUER = (
    r"https://[^\s#]+|http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?(/[^\s#]*)?"  # in the clear on this machine only
)
_HEADER = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # a token of RFC 9110, 5.6.2


class TokenHash(Section):
    """What the settings hold of a token: its SHA-256, and when it ends."""

    sha256: str
    ends_at: datetime | None = None


def _a_token_hash(given: object) -> object:
    """Read `sha256:…` or `sha256:… until 2027-01-31`; a token itself, put here by mistake, is not repeated."""
    if isinstance(given, TokenHash):
        return given
    found = re.fullmatch(r"sha256:([0-9a-f]{64})(?: until (\S+))?", given) if isinstance(given, str) else None
    if found is None:
        raise ValueError('expected "sha256:" and 64 hex digits, as `mend token` prints, got something else (not shown)')
    return {"sha256": found[1], "ends_at": found[2] and parse_day(found[2]).astimezone(UTC)}


def _a_header(given: object) -> object:
    if given != "" and not (isinstance(given, str) and re.fullmatch(_HEADER, given)):
        raise ValueError(f"expected a header's name, as in X-Forwarded-User, got {given!r}")
    return given


Header = Annotated[str, BeforeValidator(_a_header)]


class IdentitySettings(Section):
    """Whose word is taken for who somebody is; see docs/security.md."""

    mode: Literal["local", "oidc", "proxy"] = Field(default="local", description="local: nobody vouches, loopback only")
    issuer: str = Field(default="", description="oidc: the `iss` of every sign-in, exactly")
    role_claim: str = Field(default="groups", min_length=1, description="oidc: the claim that holds the roles")
    secrets: Path = Field(
        default=Path("secrets.toml"), description="oidc: Streamlit's [auth]; relative to the settings file"
    )
    hosts: tuple[str, ...] = Field(default=(), description="oidc, proxy: names by which browsers ask for the desk")
    proxy_header: Header = Field(default="", description="proxy: header that names the user")
    proxy_roles_header: Header = Field(default="", description="proxy: header that lists roles, comma-separated")
    proxy_secret_header: Header = Field(default="", description="proxy: header with the secret that only it knows")
    proxy_secret_file: Path | None = Field(
        default=None, description="proxy: file with that secret, relative to the settings file; else MEND_PROXY_SECRET"
    )
    tokens: dict[str, Annotated[TokenHash, BeforeValidator(_a_token_hash)]] = Field(
        default={}, description="actor and the SHA-256 of their token, as `mend token new` prints it"
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.mode == "oidc" and not re.fullmatch(_ISSUER, self.issuer):
            raise ValueError(f"issuer: expected https://…, as the sign-in's `iss` says it, got {self.issuer!r}")
        if self.mode == "proxy" and not (self.proxy_header and self.proxy_secret_header):
            raise ValueError("mode proxy: expected proxy_header and proxy_secret_header, both")
        return self

    @model_validator(mode="after")
    def _local_is_nowhere_else(self) -> Self:
        if self.mode == "local" and self.hosts:
            raise ValueError("hosts: mode local is for this machine only")
        if any(not re.fullmatch(r"[A-Za-z0-9.-]+", host) for host in self.hosts):
            raise ValueError(f"hosts: expected names without port, as in desk.bank.example, got {list(self.hosts)}")
        return self

    @model_validator(mode="after")
    def _headers_differ(self) -> Self:
        named = [
            each.lower() for each in (self.proxy_header, self.proxy_roles_header, self.proxy_secret_header) if each
        ]
        if len(set(named)) < len(named):
            raise ValueError("proxy_header, proxy_roles_header, proxy_secret_header: expected three different headers")
        return self

    @model_validator(mode="after")
    def _tokens_are_somebody_s(self) -> Self:
        if any(not actor.strip() or actor == UNKNOWN_TOKEN for actor in self.tokens):
            raise ValueError(f"tokens: expected the name of an actor, not nobody's and not {UNKNOWN_TOKEN!r}")
        return self
