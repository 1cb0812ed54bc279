"""The scoring service as an operator starts it, and somebody who asks it things."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import small_bank

from pipeline.settings import CONFIG_VARIABLE

_STARTS_WITHIN_S = 120.0


@dataclass
class Service:
    """A running `mend serve`."""

    process: subprocess.Popen[str]
    port: int

    def ask(
        self, path: str, body: Any = None, *, method: str | None = None, **headers: str
    ) -> tuple[int, Any, dict[str, str]]:
        """Send bytes as they are and anything else as JSON; returns status, body (JSON read) and headers."""
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            given = {"Content-Type": "application/json"} | {
                key.replace("_", "-"): each for key, each in headers.items()
            }
            connection.request(method or ("GET" if body is None else "POST"), path, raw, given)
            answer = connection.getresponse()
            text = answer.read()
            said = json.loads(text) if answer.headers.get_content_type() == "application/json" else text.decode()
            return answer.status, said, dict(answer.getheaders())
        finally:
            connection.close()

    def stop(self, how: int = signal.SIGTERM) -> int:
        """End it, and say with which code it ended."""
        self.process.send_signal(how)
        return self.process.wait(60)


@contextmanager
def serving(config: Path, *, port: int | None = None) -> Iterator[Service]:
    """Start it on a port of its own and wait until it says that it is ready."""
    port = port or free_port()
    command = [sys.executable, "-m", "pipeline", "serve", "--port", str(port)]
    environment = os.environ | {CONFIG_VARIABLE: str(config)}
    with subprocess.Popen(
        command, env=environment, cwd=config.parent, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        service = Service(process, port)
        try:
            _wait_for(service)
            yield service
        finally:
            process.kill()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def an_application(place: int = 0, **changes: Any) -> dict[str, Any]:
    """One of the small bank's applicants, as a request's body."""
    row = small_bank.applicants().iloc[place]
    return {name: row[name] for name in small_bank.SETTINGS.data.features} | changes


def _wait_for(service: Service) -> None:
    end = time.monotonic() + _STARTS_WITHIN_S
    while time.monotonic() < end:
        assert service.process.poll() is None, service.process.stderr.read() if service.process.stderr else ""
        try:
            if service.ask("/health")[0] == 200:
                return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("the service does not answer")
