"""`make screenshots`: every page of the desk, drawn by a real browser from the demo's workspace, into docs/screenshots.

The workspace is copied first, so that looking at it changes nothing. Needs Chromium on PATH.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    "overview": "",
    "drift": "drift",
    "performance": "performance",
    "review": "review",
    "policy": "policy",
    "runs": "runs",
    "ledger": "ledger",
}
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]
LOOKS = {"": (1440, "light"), "_dark": (1440, "dark"), "_phone": (390, "light")}
ALL_LOOKS = ("overview", "review")  # the others in light alone
TALLEST = 2600  # pixels of a picture; a page goes on below


@contextmanager
def desk(workspace: Path) -> Iterator[str]:
    """`mend dashboard` over a copy of the workspace."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        shutil.copytree(workspace, Path(folder) / "var")
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        environment = os.environ | {"MEND_MODEL__WORKSPACE": str(Path(folder) / "var")}
        command = [sys.executable, "-m", "pipeline", "dashboard", "--port", str(port)]
        quiet = subprocess.DEVNULL
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=quiet, stderr=quiet) as server:  # noqa: S603
            try:
                _wait_for(port)
                yield f"http://127.0.0.1:{port}"
            finally:
                server.terminate()


def _wait_for(port: int) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise SystemExit("the desk did not start")


def picture(browser: Browser, url: str, path: Path, *, width: int, scheme: str) -> None:
    """One page, whole up to TALLEST, with every chart drawn."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(url)
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"] h1', timeout=120_000)
    height = page.locator('[data-testid="stMain"]').evaluate("main => main.scrollHeight")
    page.set_viewport_size({"width": width, "height": min(int(height) + 40, TALLEST)})
    page.wait_for_load_state("networkidle")
    page.wait_for_function("() => !document.querySelector('[data-testid=stSkeleton]')", timeout=60_000)
    page.wait_for_timeout(1500)  # charts fade in
    page.screenshot(path=path)
    page.close()
    with Image.open(path) as raw:
        raw.convert("RGB").quantize(192, dither=Image.Dither.NONE).save(path, optimize=True)


def main() -> None:
    """Take them all."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--workspace", type=Path, default=ROOT / "var")
    ask.add_argument("--out", type=Path, default=ROOT / "docs" / "screenshots")
    given = ask.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None or not (given.workspace / "ledger.db").exists():
        raise SystemExit("screenshots need Chromium on PATH and a workspace: apt install chromium, make demo CI=1")
    given.out.mkdir(parents=True, exist_ok=True)
    with desk(given.workspace) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        for name, path in PAGES.items():
            for suffix, (width, scheme) in LOOKS.items():
                if not suffix or name in ALL_LOOKS:
                    file = given.out / f"{name}{suffix}.png"
                    picture(browser, f"{url}/{path}", file, width=width, scheme=scheme)
                    print(f"{file.name}: {file.stat().st_size / 1000:,.0f} kB")  # noqa: T201
        browser.close()


if __name__ == "__main__":
    main()
