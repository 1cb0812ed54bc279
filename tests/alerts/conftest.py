"""A real HTTP server that keeps what it is sent, and workspaces that send to it."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from alerts_builders import alert_settings

from pipeline.settings import load_settings
from pipeline.wiring import open_workspace


@dataclass
class Inbox:
    """What arrived, by path; `answers` holds the statuses of paths that refuse."""

    port: int = 0
    got: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    answers: dict[str, int] = field(default_factory=dict)

    def url(self, path: str = "box") -> str:
        return f"json://127.0.0.1:{self.port}/{path}"

    def bodies(self, path: str = "box") -> list[str]:
        return [message["message"] for where, message in self.got if where == f"/{path}"]


@pytest.fixture
def inbox():
    box = Inbox()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            content = json.loads(self.rfile.read(int(self.headers["content-length"])))
            status = box.answers.get(self.path, 200)
            if status == 200:
                box.got.append((self.path, content))
            self._answer(status)

        def do_GET(self):
            box.asked.append(self.path)
            self._answer(box.answers.get(self.path, 200))

        def _answer(self, status):
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    box.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True, kwargs={"poll_interval": 0.01})
    thread.start()
    yield box
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def open_watched(tmp_path):
    """Opens workspaces that tell addresses; closed at the end."""
    opened = []

    def open_one(*urls, folder=tmp_path, **lines):
        folder.mkdir(exist_ok=True, parents=True)
        opened.append(open_workspace(load_settings(alert_settings(folder, *urls, **lines))))
        return opened[-1]

    yield open_one
    for workspace in opened:
        workspace.ledger.engine.dispose()
        workspace.traffic.engine.dispose()
