"""The servers that are compared: how each is started, asked and stopped. One worker each."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from serving_bank import Applications, Bank

HERE = Path(__file__).parent
MEND, POSTGRESQL = "Mend, durable log (SQLite)", "Mend, durable log (PostgreSQL)"
CONSTANT, PLAIN = "the same app, constant answer, no log", "plain FastAPI + DataFrame, no log"
MLFLOW = "mlflow models serve, no log"
_STARTS_WITHIN_S = 120.0


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server that can be started; `bank` if it logs there."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    path: str
    bodies: Sequence[bytes]
    bank: Bank | None = None

    def requests(self) -> str:
        """The bytes to send, for the client."""
        head = f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: "
        return json.dumps([f"{head}{len(body)}\r\n\r\n{body.decode()}" for body in self.bodies])

    def probability(self, port: int, place: int = 0) -> float:
        """What it says of one application."""
        asked = Request(f"http://127.0.0.1:{port}{self.path}", self.bodies[place], {"Content-Type": "application/json"})
        with urlopen(asked, timeout=10) as answer:  # noqa: S310
            said: dict[str, Any] = json.load(answer)
        return float(said["predictions"][0][1] if "predictions" in said else said["probability"])


def servers(bank: Bank, models: Path, applications: Applications, *, postgresql: Bank | None) -> list[Server]:
    """All of them; the port is the last word of each command."""
    python, asked = sys.executable, {"path": "/predict", "bodies": applications.bodies()}
    serve = [python, "-m", "pipeline", "serve", "--port"]
    flags = ["--env-manager", "local", "--workers", "1", "--model-uri", str(models / "mlflow"), "--port"]
    found = [Server(name=MEND, command=serve, bank=bank, environment=bank.environment, **asked)]
    if postgresql is not None:
        environment = postgresql.environment
        found.append(Server(name=POSTGRESQL, command=serve, bank=postgresql, environment=environment, **asked))
    for_mlflow = {"path": "/invocations", "bodies": applications.bodies_for_mlflow()}
    return [
        *found,
        Server(
            name=CONSTANT, command=[python, str(HERE / "serving_constant.py")], environment=bank.environment, **asked
        ),
        Server(
            name=PLAIN,
            command=[python, str(HERE / "serving_plain.py"), str(models)],
            environment=bank.environment,
            **asked,
        ),
        Server(
            name=MLFLOW,
            command=[python, "-m", "mlflow", "models", "serve", *flags],
            environment=bank.environment,
            **for_mlflow,
        ),
    ]


@contextmanager
def running(server: Server, folder: Path) -> Iterator[int]:
    """Start it and wait until it answers; its port. At the end it is stopped, with the processes that it started."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    path = [str(Path(sys.executable).parent), server.environment["PATH"]]  # MLflow calls `uvicorn` by its name
    environment = {**server.environment, "PATH": os.pathsep.join(path)}
    with (folder / f"{port}.log").open("w+", encoding="utf-8") as log:
        process = subprocess.Popen(  # noqa: S603  our own words
            [*server.command, str(port)], env=environment, cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
        try:
            _wait_for(server, port, process, Path(log.name))
            yield port
        finally:
            with suppress(ProcessLookupError):  # it may have ended by itself
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(60)


def _wait_for(server: Server, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _STARTS_WITHIN_S
    while time.monotonic() < end and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"{server.name} does not start: {log.read_text(encoding='utf-8')[-2000:]}")
