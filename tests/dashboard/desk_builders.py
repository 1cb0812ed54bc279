"""Desks as `mend dashboard` opens them, and who vouches for the people at them: a real OpenID provider, a real proxy."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext, SSLSocket
from threading import Event, Thread
from typing import TYPE_CHECKING

from builders import REPOSITORY

from pipeline.settings import CONFIG_VARIABLE

if TYPE_CHECKING:
    from playwright.sync_api import Page

FEWEST_CHARTS = {"overview": 4, "drift": 4, "performance": 4, "review": 4, "policy": 4, "runs": 1, "ledger": 1}
SECRET = "0123456789abcdef" * 2
ANN = {"sub": "ann", "name": "Ann *Officer*", "groups": ["staff", "risk-approvers"]}
BOB = {"sub": "bob", "name": "Bob Analyst", "groups": ["staff"]}
CAT = {"sub": "cat", "email": "cat@bank.example", "groups": "risk-approvers"}


def a_free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait_for(port: int) -> None:
    """Until somebody listens."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(f"nobody listens on {port}")


@contextmanager
def running(
    command: list[str], port: int, *, folder: Path = REPOSITORY, log: Path | None = None, **variables: str
) -> Iterator[str]:
    """A server of its own process, until the block ends. `log`: file for what it says; else nobody hears it."""
    with (log or Path(os.devnull)).open("wb") as said:
        command_env = os.environ | variables
        with subprocess.Popen(command, env=command_env, cwd=folder, stdout=said, stderr=said) as server:
            try:
                wait_for(port)
                yield f"http://127.0.0.1:{port}"
            finally:
                server.terminate()


@contextmanager
def streamlit_run(folder: Path, *, log: Path | None = None, **variables: str) -> Iterator[str]:
    """The desk.py of a folder as `mend dashboard` starts ours, on a port of its own."""
    port = a_free_port()
    command = [sys.executable, "-m", "streamlit", "run", "desk.py", "--server.port", str(port)]
    with running(command, port, folder=folder, log=log, **variables) as url:
        yield url


@contextmanager
def served(config: Path) -> Iterator[str]:
    """Our pages behind their guard, over these settings."""
    with streamlit_run(REPOSITORY / "dashboard", **{CONFIG_VARIABLE: str(config)}) as url:
        yield url


def drawn_whole(page: Page, name: str) -> int:
    """How many charts a page has, once there are enough for this page and every one of them has marks on it."""
    page.wait_for_function(
        """fewest => {
            const charts = [...document.querySelectorAll('[data-testid=stVegaLiteChart]')];
            return charts.length >= fewest && charts.every(each => each.querySelector('canvas, svg.marks'));
        }""",
        arg=FEWEST_CHARTS[name],
        timeout=60_000,
    )
    return page.locator("[data-testid=stVegaLiteChart]").count()


@contextmanager
def a_provider(*people: Mapping[str, object], lasts_s: int = 3600) -> Iterator[str]:
    """An OpenID provider that knows these people; yields its issuer."""
    port = a_free_port()
    claims = [part for each in people for part in ("--user-claims", json.dumps(each))]
    command = [sys.executable, "-m", "oidc_provider_mock", "-p", str(port), "-e", str(lasts_s), *claims]
    with running(command, port) as url:
        yield url


@contextmanager
def a_desk(config: Path, *, port: int = 0, **variables: str) -> Iterator[str]:
    """`mend dashboard` with these settings."""
    port = port or a_free_port()
    command = [sys.executable, "-m", "pipeline", "--config", str(config), "dashboard", "--port", str(port)]
    with running(command, port, **variables) as url:
        yield url


def known_by_oidc(config: Path, provider: str, *, port: int, issuer: str = "") -> None:
    """Change the settings: people sign in with this provider."""
    secrets = config.with_name("secrets.toml")
    lines = {
        "redirect_uri": f"http://127.0.0.1:{port}/oauth2callback",
        "cookie_secret": SECRET,
        "client_id": "mend",
        "client_secret": "between us",
        "server_metadata_url": f"{provider}/.well-known/openid-configuration",
    }
    secrets.write_text("[auth]\n" + "\n".join(f'{key} = "{value}"' for key, value in lines.items()), encoding="utf-8")
    secrets.chmod(0o600)
    add(
        config, 'approver_roles = ["risk-approvers"]', "[identity]", 'mode = "oidc"', f'issuer = "{issuer or provider}"'
    )


def known_by_proxy(config: Path, *, approver: str) -> None:
    """Change the settings: a proxy says who people are."""
    headers = ['proxy_header = "X-Forwarded-User"', 'proxy_secret_header = "X-Proxy-Secret"']
    text = config.read_text(encoding="utf-8").replace("approvers = [", f'approvers = ["{approver}", ')
    config.write_text(text, encoding="utf-8")
    add(config, "[identity]", 'mode = "proxy"', *headers)


def add(config: Path, *lines: str) -> None:
    """Append lines; the file ends in its section `[approval]`."""
    config.write_text("\n".join([config.read_text(encoding="utf-8"), *lines, ""]), encoding="utf-8")


@contextmanager
def a_site(page: str) -> Iterator[str]:
    """Somebody else's site on this machine: one page, whatever is asked for."""

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *given: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        serving = Thread(target=server.serve_forever)
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            serving.join()


@contextmanager
def asked_for(asked: list[str]) -> Iterator[int]:
    """A port of this machine that answers nobody, and remembers each that came."""
    ended = Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            while not ended.is_set():
                if select.select([listening], [], [], 0.1)[0]:
                    with listening.accept()[0] as came:
                        asked.append(str(came.getpeername()))

        accepting = Thread(target=accept)
        accepting.start()
        try:
            yield int(listening.getsockname()[1])
        finally:
            ended.set()
            accepting.join()


@contextmanager
def a_proxy(desk: str, *, tls: SSLContext | None = None, **headers: str) -> Iterator[str]:
    """A reverse proxy that adds headers to the first request of a connection, and leaves in what the browser sent."""
    ours = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items()).encode()
    target, ended, relays = int(desk.rpartition(":")[2]), Event(), list[Thread]()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            while not ended.is_set():
                if select.select([listening], [], [], 0.1)[0]:
                    pair = (listening.accept()[0], socket.create_connection(("127.0.0.1", target)))
                    relays.append(Thread(target=_relay, args=(*pair, ours, ended, tls)))
                    relays[-1].start()

        accepting = Thread(target=accept)
        accepting.start()
        try:
            yield f"{'https' if tls else 'http'}://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            ended.set()
            for thread in (accepting, *relays):
                thread.join()


def _relay(browser: socket.socket, desk: socket.socket, ours: bytes, ended: Event, tls: SSLContext | None) -> None:
    """Carry bytes both ways until one side hangs up."""
    with desk:
        try:
            with browser if tls is None else tls.wrap_socket(browser, server_side=True) as opened:
                head, _, rest = opened.recv(65536).partition(b"\r\n")
                desk.sendall(head + b"\r\n" + ours + rest)
                while not ended.is_set():
                    # What TLS has read ahead no longer shows on the socket.
                    ready = isinstance(opened, SSLSocket) and opened.pending()
                    for source in [opened] if ready else select.select([opened, desk], [], [], 0.1)[0]:
                        found = source.recv(65536)
                        if not found:
                            return
                        (desk if source is opened else opened).sendall(found)
        except OSError:
            return  # one of the two hung up


def a_certificate(folder: Path, name: str) -> SSLContext:
    """TLS for a name that nobody but its own certificate vouches for."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
    subprocess.run([*made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
