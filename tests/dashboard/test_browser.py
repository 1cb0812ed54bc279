"""What only a browser can tell: charts are drawn, nothing breaks, nothing leaves this machine, a phone suffices."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from desk_builders import served
from playwright.sync_api import Browser, Page, sync_playwright
from playwright.sync_api import TimeoutError as PageTimeoutError

from pipeline.settings import load_settings
from pipeline.wiring import open_workspace

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("demo")]
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]
CHARTS = {"": 4, "drift": 12, "performance": 8, "review": 17, "policy": 4, "runs": 5, "ledger": 1}
STREAMLITS_OWN = {  # what axe finds in elements that Streamlit makes by itself, and where
    "color-contrast": '[data-testid="stSlider"]',  # the value over a handle, in the dark
    "list": '[data-testid="stSidebarNav"]',
    "listitem": '[data-testid="stSidebarNav"]',
    "svg-img-alt": '[data-testid="stMetricChart"]',
    "scrollable-region-focusable": '[data-testid="stTable"]',  # wider than a phone, it scrolls by touch
}
LOOKS = pytest.mark.parametrize(
    ("width", "dark"), [(1440, False), (1440, True), (390, False)], ids=["light", "dark", "phone"]
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        if os.environ.get("MEND_REQUIRE_BROWSER") == "1":
            pytest.fail("MEND_REQUIRE_BROWSER=1, and there is no Chromium on PATH: apt install chromium")
        pytest.skip("NO BROWSER: no Chromium on PATH, so no page was drawn; apt install chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def address(demo: Path) -> Iterator[str]:
    with served(demo) as url:
        yield url


def open_in(browser: Browser, url: str, *, width: int, dark: bool = False) -> tuple[Page, dict[str, list[str]]]:
    """A page, fully drawn, and what it complained of and whom it asked."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light")
    seen: dict[str, list[str]] = {"errors": [], "hosts": []}
    page.on("pageerror", lambda error: seen["errors"].append(str(error)))
    page.on("request", lambda request: seen["hosts"].append(urlsplit(request.url).hostname or ""))
    page.goto(url)
    settle(page)
    return page, seen


def settle(page: Page) -> None:
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"] h1', timeout=60_000)
    page.wait_for_load_state("networkidle")


def choose(page: Page, who: str) -> None:
    """Choose a signer in the open dialog. A rerun of the page closes a list that was just opened, so it may take two."""
    settle(page)
    option = page.get_by_role("option", name=who)
    for _ in range(10):
        page.get_by_role("dialog").get_by_role("combobox").click()
        with suppress(PageTimeoutError):
            option.click(timeout=10_000)
            return
    raise AssertionError(f"{who} cannot be chosen")


def drawn(page: Page) -> int:
    """Charts that have marks on them: an empty frame has none."""
    count = "() => document.querySelectorAll('[data-testid=stVegaLiteChart] :is(canvas, svg.marks)').length"
    return int(page.evaluate(count))


def found_by_axe(page: Page) -> list[str]:
    """What axe-core finds wrong on a page, but for what Streamlit makes by itself."""
    inside = "([target, place]) => !!document.querySelector(target)?.closest(place)"
    return [
        f"{violation['id']}: {node['target']} {node['html'][:200]}"
        for violation in Axe().run(page).response["violations"]
        for node in violation["nodes"]
        if not ((place := STREAMLITS_OWN.get(violation["id"])) and page.evaluate(inside, [node["target"][0], place]))
    ]


@pytest.mark.parametrize("name", CHARTS)
@LOOKS
def test_a_page_is_drawn_whole_and_asks_nobody_else(
    name: str, width: int, dark: bool, address: str, browser: Browser
) -> None:
    page, seen = open_in(browser, f"{address}/{name}", width=width, dark=dark)
    page.wait_for_function(
        "n => document.querySelectorAll('[data-testid=stVegaLiteChart] :is(canvas, svg.marks)').length >= n",
        arg=CHARTS[name],
    )
    inner, outer = page.locator('[data-testid="stMain"]').evaluate("main => [main.scrollWidth, main.clientWidth]")
    assert drawn(page) == CHARTS[name]
    assert seen["errors"] == []
    assert set(seen["hosts"]) <= {"127.0.0.1", ""}
    assert page.locator('[data-testid="stException"], [data-testid="stAlertContentError"]').count() == 0
    assert inner <= outer <= width
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    assert found_by_axe(page) == []
    page.close()


def test_evidently_is_shown_in_a_frame_that_cannot_reach_the_desk(demo: Path, address: str, browser: Browser) -> None:
    workspace = open_workspace(load_settings(demo))
    shown = [cycle["as_of"] for cycle in workspace.ledger.acts("cycle") if cycle["report_path"]]
    workspace.ledger.engine.dispose()
    page, seen = open_in(browser, f"{address}/drift?as_of={shown[-1]:%Y-%m-%d}", width=1440)
    page.get_by_text("Show it here").click()
    report = page.frame_locator("iframe").frame_locator("iframe[sandbox]")
    report.get_by_text("Drift is detected for").first.wait_for(timeout=60_000)
    sandbox = page.frame_locator("iframe").locator("iframe").get_attribute("sandbox")
    assert sandbox == "allow-scripts"
    assert page.frames[-1].evaluate("() => origin") == "null"
    assert seen["errors"] == []
    assert set(seen["hosts"]) <= {"127.0.0.1", ""}
    page.close()


def test_the_evidence_pack_is_made_by_a_click_and_saved(demo: Path, address: str, browser: Browser) -> None:
    workspace = open_workspace(load_settings(demo))
    digest = workspace.ledger.acts("dossier")[-1]["digest"]
    workspace.ledger.engine.dispose()
    page, seen = open_in(browser, f"{address}/review?digest={digest}", width=1440)
    with page.expect_download(timeout=120_000) as saved:
        page.get_by_role("button", name="Evidence pack (HTML)").click()
    assert digest[:12] in saved.value.suggested_filename
    assert digest in saved.value.path().read_text(encoding="utf-8")
    assert seen["errors"] == []
    page.close()
