"""After a sign-in the browser comes back to the page that was asked for. Streamlit would open the first one."""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

PAGES = ("drift", "performance", "review", "policy", "runs", "ledger")
COOKIE, LASTS_S = "mend_way_back", 600  # as long as somebody may take to sign in
_RETURNS_AT = "/oauth2callback"
_LONGEST = 500  # characters of a link within the desk


class WayBack:
    """Keeps a page's link in a cookie of the browser that asked for it, and sends it there when it has signed in.

    Only links to pages of this desk are followed, whatever the cookie says.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Remember, send back, or let it pass."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        root = scope.get("root_path", "")
        path = scope["path"].removeprefix(root)
        asked = link_of(f"{path}?{scope['query_string'].decode('latin-1')}")
        kept = link_of(_cookie(scope)) if path == _RETURNS_AT else None

        async def led(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message["headers"])
                if asked is not None:
                    headers.append((b"set-cookie", _set_cookie(asked, path=f"{root}{_RETURNS_AT}")))
                if kept is not None and message["status"] == 302:
                    headers = [(name, value) for name, value in headers if name.lower() != b"location"]
                    headers.append((b"location", f"{root}{kept}".encode("latin-1")))
                message = {**message, "headers": headers}
            await send(message)

        await self.app(scope, receive, led)


def link_of(text: str) -> str | None:
    """A link to a page of the desk, as it was written; None where it is no such link.

    >>> link_of("/review?digest=ab12"), link_of("/ledger?"), link_of("//evil.example/review"), link_of("/review/../x")
    ('/review?digest=ab12', '/ledger', None, None)
    """
    path, _, query = text.partition("?")
    fits = path.removeprefix("/") in PAGES and path.startswith("/") and len(text) <= _LONGEST
    if not fits or not query.isascii() or not query.isprintable() or " " in query:
        return None
    return f"{path}?{query}" if query else path


def _cookie(scope: Scope) -> str:
    found: SimpleCookie = SimpleCookie()
    for name, value in scope["headers"]:
        if name == b"cookie":
            try:
                found.load(value.decode("latin-1"))
            except CookieError:
                return ""
    return unquote(found[COOKIE].value) if COOKIE in found else ""


def _set_cookie(link: str, *, path: str) -> bytes:
    return f"{COOKIE}={quote(link, safe='')}; Path={path}; Max-Age={LASTS_S}; HttpOnly; SameSite=Lax".encode("latin-1")
