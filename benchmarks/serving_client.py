"""A client that costs little: raw sockets, keep-alive, requests written beforehand, the next asked after each answer.

Run as a script: port, connections, seconds to warm up, seconds to count, and a file of requests (JSON, one text each).
It prints one JSON object. Anything but a 200 ends it. Every answer is counted, those of the warm-up apart.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from array import array
from itertools import cycle, islice
from pathlib import Path

_OK = b"HTTP/1.1 200 "


class Connection(asyncio.Protocol):
    """Asks, waits for the whole answer, asks again, until it is told to stop; then `done`."""

    def __init__(self, requests: list[bytes], first: int) -> None:
        self._requests = cycle(islice(cycle(requests), first, first + len(requests)))
        self._buffer, self._needs, self._stopping = b"", 0, False
        self.times: array[float] = array("d")  # asked, answered, asked, answered, …
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Ask the first."""
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._asked = time.perf_counter()
        self._transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        """Read on; a whole answer is counted."""
        self._buffer += data
        if not self._needs and (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            self._needs = end + 4 + _length(self._buffer[:end])
        if not self._needs or len(self._buffer) < self._needs:
            return
        if not self._buffer.startswith(_OK):
            self._fail(self._buffer.decode(errors="replace"))
            return
        self.times.extend((self._asked, time.perf_counter()))
        self._buffer, self._needs = self._buffer[self._needs :], 0
        if self._stopping:
            self._transport.close()
            self.done.set_result(None)
        else:
            self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        """The server may not hang up first."""
        self._fail(f"hung up: {error}")

    def stop(self) -> None:
        """After the answer that is under way."""
        self._stopping = True

    def _fail(self, why: str) -> None:
        if not self.done.done():
            self.done.set_exception(RuntimeError(why[:500]))


def _length(head: bytes) -> int:
    """Content-Length of an answer's head.

    >>> _length(b"HTTP/1.1 200 OK\\r\\nContent-Length: 12")
    12
    """
    return int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])


async def run(port: int, connections: int, *, warm_s: float, seconds: float, requests: list[bytes]) -> dict[str, float]:
    """Ask over so many connections at once; answers a second, and latencies in ms, of the seconds that count."""
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda i=i: Connection(requests, i * 31), "127.0.0.1", port)  # type: ignore[misc]
        for i in range(connections)
    ]
    asking = [connection for _, connection in made]
    begin = time.perf_counter() + warm_s
    loop.call_later(warm_s + seconds, lambda: [each.stop() for each in asking])
    await asyncio.gather(*(each.done for each in asking))
    return _told([each.times for each in asking], begin=begin, seconds=seconds)


def _told(times: list[array[float]], *, begin: float, seconds: float) -> dict[str, float]:
    pairs = [(asked, answered) for each in times for asked, answered in zip(each[::2], each[1::2], strict=True)]
    took = sorted((answered - asked) * 1000 for asked, answered in pairs if begin <= answered < begin + seconds)
    if not took:
        raise RuntimeError("no answer came in the time that counts")
    p50, p99 = (took[min(int(len(took) * share), len(took) - 1)] for share in (0.5, 0.99))
    return {"rate": len(took) / seconds, "p50_ms": p50, "p99_ms": p99, "counted": len(took), "answered": len(pairs)}


def main() -> None:
    """Read the arguments, ask, print."""
    port, connections, warm_s, seconds, path = sys.argv[1:]
    requests = [text.encode() for text in json.loads(Path(path).read_text(encoding="utf-8"))]
    try:
        from uvloop import run as run_loop
    except ImportError:
        run_loop = asyncio.run
    asked = run(int(port), int(connections), warm_s=float(warm_s), seconds=float(seconds), requests=requests)
    print(json.dumps(run_loop(asked)))  # noqa: T201  its caller reads it


if __name__ == "__main__":
    main()
