"""Servers that people open in a browser: started, waited for, how much memory they held, stopped."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_STARTS_WITHIN_S = 120.0


@dataclass(frozen=True, kw_only=True)
class Served:
    """A running server."""

    address: str
    pid: int
    ready_s: float  # from its start until it took a connection

    def cpu_s(self) -> float:
        """Seconds of processor that it and the processes it started have used: what a busy machine does not blur."""
        return sum(_cpu_s(pid) for pid in _family(self.pid))

    def peak_mb(self) -> float:
        """The most memory that it and the processes it started have held, each at its own worst moment (VmHWM)."""
        return sum(_peak_kb(pid) for pid in _family(self.pid)) / 1024


@contextmanager
def served(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> Iterator[Served]:
    """Start a server on a free port of this machine alone, and stop it with the processes that it started.

    Args:
        command: `{port}` in a word becomes the port.
        environment: Of the process.
        folder: Where it runs.

    Raises:
        RuntimeError: It does not start; the message is the end of what it said.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    words = [word.replace("{port}", str(port)) for word in command]
    with (folder / f"{port}.log").open("w+", encoding="utf-8") as log:
        began = time.monotonic()
        process = subprocess.Popen(  # noqa: S603  our own words
            words, env=dict(environment), cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
        try:
            _wait_for(port, process, Path(log.name))
            yield Served(address=f"http://127.0.0.1:{port}", pid=process.pid, ready_s=time.monotonic() - began)
        finally:
            with suppress(ProcessLookupError):  # it may have ended by itself
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(60)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _STARTS_WITHIN_S
    while time.monotonic() < end and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"{process.args}: does not start: {log.read_text(encoding='utf-8')[-2000:]}")


def _family(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for each in found:
        with suppress(OSError):
            for task in Path(f"/proc/{each}/task").iterdir():
                found.extend(int(child) for child in (task / "children").read_text().split())
    return found


def _peak_kb(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1])
    return 0


def _cpu_s(pid: int) -> float:
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0
