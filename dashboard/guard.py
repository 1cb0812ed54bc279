"""What stands before the desk: whom it answers, and what a browser is told to keep to. Plain ASGI, no Streamlit."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from pipeline.identity.desk import encrypted

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_logger = logging.getLogger("mend.desk")
_PORTS = {"http": 80, "https": 443}
_THEIR_SCRIPT = (
    "'sha256-THxz9J9+wf7rhwR2YkXJoSZ13UCmYyC+3lNDv2+8ugA='"  # the one that stands in Streamlit's page itself
)
_PAGE = {
    "default-src": "'self'",
    "script-src": f"'self' 'wasm-unsafe-eval' {_THEIR_SCRIPT}",  # no eval; Streamlit's protobuf counts in WebAssembly
    "style-src": "'self' 'unsafe-inline'",  # Streamlit and Vega write styles into the page
    "img-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
# A file kept for the browser may be a page of other people's scripts (Evidently's report): it may draw itself in an
# origin of its own, inside the desk, and reaches nobody, the desk included.
_FILE = {
    "sandbox": "allow-scripts",
    "default-src": "'none'",
    "script-src": "'unsafe-inline'",
    "style-src": "'unsafe-inline'",
    "img-src": "data: blob:",
    "font-src": "data:",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'self'",
}
_EVERYWHERE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Guard:
    """Refuses what other names and other pages ask, and puts the desk's policy on every answer.

    Args:
        app: The desk.
        names: Names by which browsers may ask for it, as `pipeline.identity.desk` gives them; no patterns.
    """

    def __init__(self, app: ASGIApp, names: Collection[str]) -> None:
        self.app, self.names = app, frozenset(name.lower().rstrip(".") for name in names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through to the desk, or answer it here."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        hosts, origins = (_values(scope, name) for name in ("host", "origin"))
        why = refusal(hosts, origins, names=self.names, from_a_page=scope["type"] == "websocket")
        begun = False

        async def guarded(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                host = "" if why else hosts[0]
                message = {**message, "headers": _with_policy(message["headers"], path=scope["path"], host=host)}
            await send(message)

        if why is not None:
            _logger.warning("refused a %s request for %r: %s", scope["type"], scope["path"], why)
            await _refuse(scope, receive, guarded)
            return
        try:
            await self.app(scope, receive, guarded)
        except Exception:
            if scope["type"] == "http" and not begun:  # whoever would answer further out knows no policy
                await _answer(guarded, 500, "Mend's desk could not answer this; its log says why.")
            raise


def refusal(hosts: Sequence[str], origins: Sequence[str], *, names: Collection[str], from_a_page: bool) -> str | None:
    """Why a request is none of the desk's; None where it is.

    Args:
        hosts: Every `Host` of the request: whom the browser believes to ask.
        origins: Every `Origin` of it: whose page asks. Browsers send none when a person follows a link.
        names: The desk's names.
        from_a_page: Only a page of the desk asks this, so that an `Origin` has to be there.

    >>> names = {"127.0.0.1", "desk.example"}
    >>> refusal(["desk.example"], ["https://desk.example"], names=names, from_a_page=True)
    >>> refusal(["evil.example:8501"], [], names=names, from_a_page=False)
    "Host: expected one of the desk's names, got ['evil.example:8501']"
    >>> refusal(["127.0.0.1:8501"], ["http://127.0.0.1:9000"], names=names, from_a_page=True)
    "Origin: expected the desk's own, over TLS or on this machine, got ['http://127.0.0.1:9000']"
    """
    asked = _address(f"//{hosts[0]}") if len(hosts) == 1 else None
    if asked is None or asked.hostname is None or asked.hostname.rstrip(".") not in names:
        return f"Host: expected one of the desk's names, got {list(hosts)}"
    if origins or from_a_page:
        page = _address(origins[0]) if len(origins) == 1 else None
        if page is None or not encrypted(origins[0]) or _place(page) != _place(asked, scheme=page.scheme):
            return f"Origin: expected the desk's own, over TLS or on this machine, got {list(origins)}"
    return None


def _address(url: str) -> SplitResult | None:
    """A URL that names a server and nothing further."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  raises where it is none
    except ValueError:
        return None
    return parts if parts.netloc and url.endswith(f"//{parts.netloc}") and "@" not in parts.netloc else None


def _place(parts: SplitResult, *, scheme: str = "") -> tuple[str, int | None]:
    """Name and port."""
    return (parts.hostname or "").rstrip("."), parts.port or _PORTS.get(scheme or parts.scheme)


def _values(scope: Scope, name: str) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name.encode()]


def _with_policy(headers: Sequence[tuple[bytes, bytes]], *, path: str, host: str) -> list[tuple[bytes, bytes]]:
    """An answer's headers, the desk's in place of any of the same name. `host`: as asked for, if it is the desk's."""
    file = path.startswith("/media/")
    # Older browsers take no websocket for 'self', and a policy cannot name an address in brackets.
    sockets = f" ws://{host} wss://{host}" if host and not host.startswith("[") else ""
    policy = _FILE if file else _PAGE | {"connect-src": f"'self'{sockets}"}
    ours = _EVERYWHERE | {
        "content-security-policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "x-frame-options": "SAMEORIGIN" if file else "DENY",
    }
    if not path.startswith("/static/"):  # Streamlit's own scripts and fonts, the same for everybody
        ours["cache-control"] = "no-store"
    kept = [(name, value) for name, value in headers if name.decode("latin-1").lower() not in ours]
    return [*kept, *((name.encode(), value.encode()) for name, value in ours.items())]


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})  # before it is accepted: the browser hears 403
    else:
        await _answer(send, 403, "Mend's desk does not answer to this name or this page; see docs/security.md.")


async def _answer(send: Send, status: int, line: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(line)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": line.encode()})
