"""Where a browser is sent after a sign-in: to a page of the desk, and nowhere else."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.way_back import COOKIE, PAGES, WayBack, link_of


def answered(path: str, *, query: str = "", cookie: str = "", root: str = "") -> dict[str, list[str]]:
    """Headers of the answer of an app that sends everybody to its first page."""
    sent: list[dict[str, Any]] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 302, "headers": [(b"location", f"{root}/".encode())]})
        await send({"type": "http.response.body", "body": b""})

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"cookie", cookie.encode())] if cookie else []
    scope = {
        "type": "http",
        "method": "GET",
        "path": root + path,
        "root_path": root,
        "query_string": query.encode(),
        "headers": headers,
    }
    asyncio.run(WayBack(app)(scope, None, send))  # type: ignore[arg-type]
    found: dict[str, list[str]] = {}
    for name, value in sent[0]["headers"]:
        found.setdefault(name.decode(), []).append(value.decode())
    return found


def kept(link: str) -> str:
    return f"{COOKIE}={quote(link, safe='')}"


def test_a_page_s_link_comes_back_after_the_sign_in() -> None:
    (cookie,) = answered("/review", query="digest=ab12")["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert answered("/oauth2callback", query="code=1", cookie=cookie.partition(";")[0])["location"] == [
        "/review?digest=ab12"
    ]


def test_under_a_prefix_the_link_keeps_it() -> None:
    assert answered("/oauth2callback", cookie=kept("/drift"), root="/mend")["location"] == ["/mend/drift"]
    assert "Path=/mend/oauth2callback" in answered("/drift", root="/mend")["set-cookie"][0]


@pytest.mark.parametrize(
    "link",
    [
        *(
            "//evil.example",
            "https://evil.example/review",
            "/\\evil.example",
            "/review/../x",
            "/review\r\nX: y",
            "review",
        ),
        *("/static/x.js", "/review?" + "a" * 600, "/review?x=\N{SNOWMAN}"),
    ],
)
def test_no_other_place_is_gone_to(link: str) -> None:
    assert answered("/oauth2callback", cookie=kept(link))["location"] == ["/"]


@pytest.mark.parametrize("path", ["/", "/static/a.js", "/_stcore/health", "/oauth2callback", "/unknown"])
def test_nothing_but_a_page_is_remembered(path: str) -> None:
    assert "set-cookie" not in answered(path)


@given(st.text(max_size=40))
def test_whatever_a_cookie_says_the_way_leads_to_a_page_of_the_desk(text: str) -> None:
    found = link_of(text)
    assert found is None or found.partition("?")[0] in {f"/{page}" for page in PAGES}


def test_every_page_but_the_first_is_known() -> None:
    from pathlib import Path

    views = {view.stem for view in (Path(__file__).parents[2] / "dashboard" / "views").glob("*.py")}
    assert views - {"__init__", "overview"} == set(PAGES)
