"""Draws every page with nothing but the loopback interface: run inside a network namespace of its own.

`unshare --net --map-root-user python cut_off.py SETTINGS` prints what was drawn, as JSON.
"""

from __future__ import annotations

import fcntl
import json
import socket
import struct
import sys
from pathlib import Path

from dashboard_builders import PAGES
from desk_builders import drawn_whole, served
from playwright.sync_api import sync_playwright
from test_browser import CHROMIUM, FLAGS, open_in

SIOCSIFFLAGS, IFF_UP = 0x8914, 0x1  # netdevice(7)


def loopback_up() -> None:
    """A new namespace has a loopback interface, and it is down."""
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))


def elsewhere() -> str:
    """What becomes of a connection to another machine."""
    try:
        socket.create_connection(("192.0.2.1", 443), timeout=5).close()  # RFC 5737: nobody's address
    except OSError as error:
        return str(error.strerror)
    return "answered"


def main(config: Path) -> None:
    """Open every page and say what was drawn on it, and what it complained of."""
    loopback_up()
    found: dict[str, int] = {}
    complaints: list[str] = []
    with served(config) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for name in PAGES:
            page, seen = open_in(browser, f"{url}/{name.removeprefix('overview')}", width=1440)
            found[name] = drawn_whole(page, name)
            complaints += seen["errors"] + [host for host in seen["hosts"] if host not in ("127.0.0.1", "")]
            page.close()
        browser.close()
    print(json.dumps({"elsewhere": elsewhere(), "drawn": found, "complaints": complaints}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
