"""Whom the desk answers, and what stands on every answer: the rule by itself, and a real server asked by hand."""

from __future__ import annotations

import asyncio
import base64
import doctest
import http.client
import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from builders import REPOSITORY, a_settings_file
from desk_builders import streamlit_run
from hypothesis import given
from hypothesis import strategies as st

from dashboard import guard
from dashboard.guard import Guard, refusal
from pipeline.settings import CONFIG_VARIABLE

NAMES = frozenset({"127.0.0.1", "localhost", "::1", "desk.example"})


def test_examples_are_true() -> None:
    found = doctest.testmod(guard)
    assert found.attempted > 0
    assert found.failed == 0


# --- the rule -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        pytest.param("127.0.0.1:8501", "http://127.0.0.1:8501", id="this machine"),
        pytest.param("[::1]:8501", "http://[::1]:8501", id="this machine, IPv6"),
        pytest.param("localhost", "http://localhost", id="port 80"),
        pytest.param("desk.example", "https://desk.example", id="behind TLS"),
        pytest.param("desk.example", "https://desk.example:443", id="behind TLS, port said by one"),
        pytest.param("desk.example:443", "https://desk.example", id="behind TLS, port said by the other"),
        pytest.param("desk.example:8443", "https://desk.example:8443", id="behind TLS, another port"),
        pytest.param("Desk.Example.", "https://desk.example", id="a name as DNS writes it"),
    ],
)
def test_a_page_of_the_desk_may_ask_it(host: str, origin: str) -> None:
    assert refusal([host], [origin], names=NAMES, from_a_page=True) is None


@pytest.mark.parametrize(
    "origin",
    [
        pytest.param("http://127.0.0.1:9000", id="another port"),
        pytest.param("http://localhost:8501", id="another name of this machine"),
        pytest.param("http://evil.example:8501", id="another machine"),
        pytest.param("http://127.0.0.1.evil.example:8501", id="a name that begins like ours"),
        pytest.param("http://127.0.0.1:8501@evil.example", id="our name as a user"),
        pytest.param("http://127.0.0.1:8501/page", id="a page, which is no origin"),
        pytest.param("http://127.0.0.1", id="no port"),
        pytest.param("ftp://127.0.0.1:8501", id="another scheme"),
        pytest.param("null", id="a page without origin"),
        pytest.param("file://", id="a file"),
        pytest.param("", id="empty"),
        pytest.param("http://[127.0.0.1:8501", id="no URL"),
        pytest.param("http://127.0.0.1:x", id="no port number"),
    ],
)
@pytest.mark.parametrize("from_a_page", [True, False])
def test_another_page_may_not(origin: str, from_a_page: bool) -> None:
    why = refusal(["127.0.0.1:8501"], [origin], names=NAMES, from_a_page=from_a_page)
    assert why is not None
    assert why.startswith("Origin: expected the desk's own")


def test_a_desk_that_others_reach_takes_no_page_that_came_in_the_clear() -> None:
    assert refusal(["desk.example"], ["http://desk.example"], names=NAMES, from_a_page=True) is not None


@pytest.mark.parametrize(
    "hosts",
    [
        pytest.param([], id="none"),
        pytest.param([""], id="empty"),
        pytest.param(["127.0.0.1:8501", "127.0.0.1:8501"], id="twice"),
        pytest.param(["evil.example:8501"], id="another name"),
        pytest.param(["127.0.0.1.evil.example"], id="a name that begins like ours"),
        pytest.param(["evil.example@127.0.0.1"], id="a user"),
        pytest.param(["127.0.0.1/evil"], id="a path"),
        pytest.param(["127.0.0.1:99999"], id="no port"),
        pytest.param(["[::1"], id="half an address"),
        pytest.param(["*"], id="a pattern"),
    ],
)
def test_another_name_is_not_answered(hosts: list[str]) -> None:
    why = refusal(hosts, [], names=NAMES, from_a_page=False)
    assert why is not None
    assert why.startswith("Host: expected one of the desk's names")


def test_a_link_is_followed_but_a_websocket_needs_a_page() -> None:
    assert refusal(["127.0.0.1:8501"], [], names=NAMES, from_a_page=False) is None
    assert refusal(["127.0.0.1:8501"], [], names=NAMES, from_a_page=True) is not None
    twice = ["http://127.0.0.1:8501"] * 2
    assert refusal(["127.0.0.1:8501"], twice, names=NAMES, from_a_page=True) is not None


@given(st.text(), st.text())
def test_nothing_that_can_be_sent_breaks_the_rule_or_gets_past_it(host: str, origin: str) -> None:
    assert refusal([host], [origin], names=frozenset(), from_a_page=True) is not None
    if refusal([host], [origin], names=NAMES, from_a_page=True) is None:
        assert urlsplit(origin).hostname in NAMES


def test_without_names_nobody_is_answered() -> None:
    assert refusal(["127.0.0.1"], [], names=frozenset(), from_a_page=False) is not None


# --- the middleware -----------------------------------------------------------------------------------------------


def asked(app: Any, names: list[str]) -> tuple[int, dict[str, str]]:
    """Ask an app behind the guard for a page; its status and headers."""
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    scope = {"type": "http", "path": "/", "headers": [(b"host", b"desk.example")]}
    with suppress(ZeroDivisionError):
        asyncio.run(Guard(app, names)(scope, receive, send))
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}


async def broken(scope: Any, receive: Any, send: Any) -> None:
    raise ZeroDivisionError


async def lenient(scope: Any, receive: Any, send: Any) -> None:
    headers = [(b"X-Frame-Options", b"ALLOWALL"), (b"Cache-Control", b"public"), (b"x-kept", b"1")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


def test_a_bug_behind_the_guard_is_answered_with_the_policy_too() -> None:
    status, headers = asked(broken, ["desk.example"])
    assert status == 500
    assert headers["x-frame-options"] == "DENY"


def test_what_the_app_says_about_frames_and_caches_does_not_count() -> None:
    status, headers = asked(lenient, ["Desk.Example."])
    assert status == 200
    assert (headers["x-frame-options"], headers["cache-control"], headers["x-kept"]) == ("DENY", "no-store", "1")
    assert "X-Frame-Options" not in headers


# --- a real server ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """The port of a desk in mode local, and its log."""
    folder = tmp_path_factory.mktemp("guarded")
    variables = {CONFIG_VARIABLE: str(a_settings_file(folder))}
    with streamlit_run(REPOSITORY / "dashboard", log=folder / "log", **variables) as url:
        yield urlsplit(url).port or 0, folder / "log"


def get(port: int, path: str, *, method: str = "GET", **headers: str) -> tuple[int, Mapping[str, str], str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    found = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read().decode()
    connection.close()
    return found


def shaken_hands(port: int, *lines: str) -> int:
    """Ask for the desk's websocket, with these headers; the status of the answer: 101 is a yes."""
    key = base64.b64encode(os.urandom(16)).decode()
    given = ["GET /_stcore/stream HTTP/1.1", "Connection: Upgrade", "Upgrade: websocket", f"Sec-WebSocket-Key: {key}",
             "Sec-WebSocket-Version: 13", *lines, "", ""]  # fmt: skip
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall("\r\n".join(given).encode())
        return int(connection.recv(4096).split()[1])


@pytest.mark.parametrize(
    ("path", "status"),
    [("/", 200), ("/review", 200), ("/_stcore/health", 200), ("/_stcore/host-config", 200), ("/_stcore/metrics", 200),
     ("/media/none.html", 404), ("/_stcore/agent/none", 404), ("/oauth2callback", 302), ("//evil.example", 400)],
)  # fmt: skip
def test_every_answer_carries_the_policy(path: str, status: int, desk: tuple[int, Path]) -> None:
    found, headers, _ = get(desk[0], path)
    assert found == status
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert "evil" not in headers["content-security-policy"]
    assert policy["frame-ancestors"] == ("'self'" if path.startswith("/media/") else "'none'")
    assert headers["x-frame-options"] == ("SAMEORIGIN" if path.startswith("/media/") else "DENY")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers
    assert headers["cache-control"] == "no-store"


def test_a_page_may_load_from_the_desk_and_talk_to_its_own_websocket_alone(desk: tuple[int, Path]) -> None:
    host = f"localhost:{desk[0]}"
    policy = get(desk[0], "/", Host=host)[1]["content-security-policy"]
    assert f"connect-src 'self' ws://{host} wss://{host}" in policy
    assert set(re.findall(r"https?:|\*|'unsafe-eval'|script-src[^;]*'unsafe-inline'", policy)) == set()


def test_what_is_in_a_file_runs_without_an_origin_and_reaches_nobody(desk: tuple[int, Path]) -> None:
    policy = get(desk[0], "/media/none.html")[1]["content-security-policy"]
    assert "sandbox allow-scripts; default-src 'none'" in policy
    assert "connect-src" not in policy
    assert "allow-same-origin" not in policy


def test_streamlits_own_files_may_be_kept(desk: tuple[int, Path]) -> None:
    script = re.search(r'src="\.(/static/js/[^"]+)"', get(desk[0], "/")[2])
    assert script is not None
    status, headers, _ = get(desk[0], script[1])
    assert (status, headers["cache-control"].split(",")[0]) == (200, "public")


@pytest.mark.parametrize("path", ["/", "/_stcore/health", "/static/none.js", "/media/none.html", "/oauth2callback"])
def test_another_name_gets_one_line_and_the_log_says_which(path: str, desk: tuple[int, Path]) -> None:
    status, headers, said = get(desk[0], path, Host=f"evil.example:{desk[0]}")
    assert status == 403
    assert said == "Mend's desk does not answer to this name or this page; see docs/security.md."
    assert "x-frame-options" in headers
    assert "evil" not in headers["content-security-policy"]
    assert f"Host: expected one of the desk's names, got ['evil.example:{desk[0]}']" in desk[1].read_text()


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "PUT", "DELETE"])
def test_another_page_is_answered_nothing_whatever_it_asks(method: str, desk: tuple[int, Path]) -> None:
    path = "/_stcore/upload_file/a/b" if method in ("PUT", "DELETE") else "/_stcore/health"
    status, headers, said = get(desk[0], path, method=method, Origin="http://127.0.0.1:1")
    assert (status, said[:11]) == (403, "Mend's desk")
    assert "access-control-allow-origin" not in headers


def test_the_websocket_opens_to_the_desks_own_page_alone(desk: tuple[int, Path]) -> None:
    port = desk[0]
    ours, name = f"Origin: http://127.0.0.1:{port}", f"Host: 127.0.0.1:{port}"
    assert shaken_hands(port, name, ours) == 101
    assert shaken_hands(port, name) == 403
    assert shaken_hands(port, name, "Origin: http://127.0.0.1:1") == 403
    assert shaken_hands(port, name, f"Origin: http://localhost:{port}") == 403
    assert shaken_hands(port, name, "Origin: null") == 403
    assert shaken_hands(port, f"Host: evil.example:{port}", f"Origin: http://evil.example:{port}") == 403
    assert shaken_hands(port, f"Host: localhost:{port}", f"Origin: http://localhost:{port}") == 101


def test_a_line_break_in_what_a_browser_sent_makes_no_line_in_the_log(desk: tuple[int, Path]) -> None:
    get(desk[0], "/%0Aforged", Host="evil.example")
    assert "'/\\nforged'" in desk[1].read_text()
    assert "\nforged" not in desk[1].read_text()
