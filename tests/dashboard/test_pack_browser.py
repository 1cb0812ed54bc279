"""What only a browser can tell of a pack: opened from a file without a network, on a phone, in the dark, on paper."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from builders import AS_OF, a_dossier, judged
from pack_builders import decided, read
from playwright.sync_api import Browser, Page, sync_playwright
from pypdf import PdfReader

from dashboard import pack
from pipeline.promotion.review import pending
from pipeline.settings import load_settings
from pipeline.wiring import Workspace, open_workspace

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("demo")]
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
TITLES = ("Purpose and use", "Data", "Method", "Outcomes", "Limits", "Monitoring", "Change log", "Integrity")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        if os.environ.get("MEND_REQUIRE_BROWSER") == "1":
            pytest.fail("MEND_REQUIRE_BROWSER=1, and there is no Chromium on PATH: apt install chromium")
        pytest.skip("NO BROWSER: no Chromium on PATH, so no page was drawn; apt install chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def demo_pack(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the demo's challenger that waits for a signature: real notebooks, real drift, a real training record."""
    workspace = open_workspace(load_settings(demo))
    (item, *_) = pending(workspace, now=workspace.now())
    path = tmp_path_factory.mktemp("packs") / "pack.html"
    path.write_bytes(pack.make(workspace, item.digest, as_of=workspace.now()))
    workspace.ledger.engine.dispose()
    workspace.traffic.engine.dispose()
    return path


def opened(browser: Browser, path: Path, *, width: int = 1280, dark: bool = False) -> tuple[Page, dict[str, list[str]]]:
    """The file, without a network, and everything that it asked for or complained of."""
    size, scheme = {"width": width, "height": 900}, "dark" if dark else "light"
    context = browser.new_context(viewport=size, color_scheme=scheme, offline=True)  # type: ignore[arg-type]
    page, seen = context.new_page(), dict[str, list[str]](requests=[], errors=[])
    page.on("request", lambda request: seen["requests"].append(request.url))
    page.on("pageerror", lambda error: seen["errors"].append(str(error)))
    page.on("console", lambda message: seen["errors"].append(message.text))
    page.goto(path.as_uri())
    return page, seen


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False), (390, True)])
def test_it_opens_from_a_file_and_asks_nobody(width: int, dark: bool, demo_pack: Path, browser: Browser) -> None:
    page, seen = opened(browser, demo_pack, width=width, dark=dark)
    assert seen == {"requests": [demo_pack.as_uri()], "errors": []}
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    shown = page.locator("svg.chart")
    assert shown.count() == len(read(demo_pack.read_bytes()).drawings) == 12
    boxes = [shown.nth(place).bounding_box() for place in range(shown.count())]
    assert all(box is not None and box["height"] > 30 and box["x"] + box["width"] <= width for box in boxes)
    page.context.close()


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False)])
def test_axe_finds_nothing(width: int, dark: bool, demo_pack: Path, browser: Browser) -> None:
    page, _ = opened(browser, demo_pack, width=width, dark=dark)
    for folded in page.locator("details").all():
        folded.evaluate("each => each.open = true")
    found = Axe().run(page)
    assert found.response["violations"] == [], found.generate_report()
    assert len(found.response["passes"]) > 20
    page.context.close()


def test_a_drawing_is_readable_in_the_dark(demo_pack: Path, browser: Browser) -> None:
    page, _ = opened(browser, demo_pack, dark=True)
    colour = "each => [getComputedStyle(each).fill, getComputedStyle(document.body).backgroundColor]"
    text, ground = page.locator("svg .role-axis-label text").first.evaluate(colour)
    assert (text, ground) == ("rgb(230, 235, 244)", "rgb(15, 20, 28)")
    page.context.close()


def printed(page: Page) -> list[str]:
    """The text of each page of A4."""
    reader = PdfReader(BytesIO(page.pdf(prefer_css_page_size=True)))
    assert {(round(each.mediabox.width), round(each.mediabox.height)) for each in reader.pages} == {(595, 842)}
    return [" ".join(each.extract_text().split()) for each in reader.pages]


def test_it_prints_to_a_file_of_sensible_length_with_numbered_pages(demo_pack: Path, browser: Browser) -> None:
    page, _ = opened(browser, demo_pack)
    pages = printed(page)
    assert 12 <= len(pages) <= 25
    for number, text in enumerate(pages, start=1):
        assert f"{number} / {len(pages)}" in text
        assert "Mend evidence pack · dossier" in text
    whole = " ".join(pages)
    assert all(f"{number} {title}" in whole for number, title in enumerate(TITLES, start=1))
    assert "In this pack" in pages[1]  # the decision takes one page
    assert "6 of 6 gates passed" in pages[0]
    page.context.close()


def test_heads_of_tables_are_repeated_on_the_next_page(demo_pack: Path, browser: Browser) -> None:
    page, _ = opened(browser, demo_pack)
    questions = [text for text in printed(page) if "Feature Question Verdict Seen Limit Since Rows" in text]
    assert len(questions) >= 2
    page.context.close()


def test_the_longest_reason_leaves_the_decision_on_one_page(
    workspace: Workspace, browser: Browser, tmp_path: Path
) -> None:
    digest = judged(workspace, a_dossier())
    decided(workspace, digest, "rejected", reason="why\n" * 250_000)
    path = tmp_path / "pack.html"
    path.write_bytes(pack.make(workspace, digest, as_of=AS_OF))
    page, seen = opened(browser, path, width=390)
    assert seen["errors"] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    pages = printed(page)
    assert "In this pack" in pages[1]
    assert len(pages) < 30
    page.context.close()
