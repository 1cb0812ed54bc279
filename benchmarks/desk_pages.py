"""Pages of a desk, opened in Chromium: how long the server took to make each, and when its first chart was drawn.

The server's time is what the browser waited for: from the moment at which it asked for the page over its WebSocket to
the moment at which the server said that the page was finished, both by the clock of Chromium's network (DevTools
protocol), so that neither drawing nor this script's own pace is counted. The first chart is counted from the start of
the navigation, in a window of 1,440 by 900.
"""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, sync_playwright

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]
CHART = "[data-testid=stVegaLiteChart] :is(canvas, svg.marks)"
READY = '[data-testid="stApp"][data-test-script-state="notRunning"] h1'
PATIENCE_MS = 180_000
_WATCH = """selector => {
  const look = () => {
    if (document.querySelector(selector)) window.firstDrawn = performance.now();
    else requestAnimationFrame(look);
  };
  look();
}"""


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One page opened once; `chart_s` is None where the page has no chart."""

    server_s: float
    chart_s: float | None


@dataclass(kw_only=True)
class _Wire:
    """What went over a page's WebSocket: when it was asked for and finished, in Chromium's seconds; charts in it."""

    asked: list[float] = field(default_factory=list)
    finished: list[float] = field(default_factory=list)
    charts: int = 0

    def listen(self, session: CDPSession) -> None:
        """Read every frame; what is no message of Streamlit's does not count."""
        session.on("Network.webSocketFrameSent", self._sent)
        session.on("Network.webSocketFrameReceived", self._received)
        session.send("Network.enable")

    def _sent(self, event: dict[str, Any]) -> None:
        from streamlit.proto.BackMsg_pb2 import BackMsg

        if BackMsg.FromString(_bytes(event)).WhichOneof("type") == "rerun_script":
            self.asked.append(event["timestamp"])

    def _received(self, event: dict[str, Any]) -> None:
        from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

        message = ForwardMsg.FromString(_bytes(event))
        if message.WhichOneof("type") == "script_finished":
            self.finished.append(event["timestamp"])
        self.charts += message.delta.new_element.WhichOneof("type") == "vega_lite_chart"


def _bytes(event: dict[str, Any]) -> bytes:
    return base64.b64decode(event["response"]["payloadData"])


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser.

    Raises:
        RuntimeError: There is none.
    """
    if CHROMIUM is None:
        raise RuntimeError("no Chromium on PATH: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def reader(browser: Browser) -> Iterator[BrowserContext]:
    """Somebody who has never been here: nothing is in the browser's cache."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    context.add_init_script(f"({_WATCH})({CHART!r})")
    yield context
    context.close()


def pages_of(context: BrowserContext, address: str) -> dict[str, str]:
    """Path by the name under which the navigation lists a page."""
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector(READY)
    links = page.locator("[data-testid=stSidebarNavLink]")
    links.first.wait_for()
    found = {link.inner_text().splitlines()[-1]: str(link.get_attribute("href")) for link in links.all()}
    page.close()
    return {name: path.removeprefix(address).strip("/") for name, path in found.items()}


def visit(context: BrowserContext, url: str) -> Visit:
    """Open a page in a tab of its own, wait until it is whole, and close it.

    Raises:
        RuntimeError: The page shows an error, or the server never said that it was finished.
    """
    page, wire = context.new_page(), _Wire()
    wire.listen(context.new_cdp_session(page))
    page.goto(url)
    page.wait_for_selector(READY)
    if wire.charts:
        page.wait_for_function("() => window.firstDrawn !== undefined")
    _require_well(page, url)
    drawn = page.evaluate("() => window.firstDrawn ?? null")
    page.close()
    if not wire.asked or not wire.finished:
        raise RuntimeError(f"{url}: the server did not say that the page was finished")
    return Visit(server_s=wire.finished[-1] - wire.asked[0], chart_s=drawn / 1000 if wire.charts else None)


def _require_well(page: Page, url: str) -> None:
    trouble = page.locator('[data-testid="stException"], [data-testid="stAlertContentError"]')
    if trouble.count():
        raise RuntimeError(f"{url}: {trouble.first.inner_text()[:500]}")
