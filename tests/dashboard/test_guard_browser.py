"""What only a browser can tell of the guard: pages are drawn under it, other pages get nothing, a bug shows no value."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from builders import REPOSITORY
from dashboard_builders import PAGES, config_of
from desk_builders import (
    SECRET,
    a_certificate,
    a_desk,
    a_proxy,
    a_site,
    add,
    asked_for,
    drawn_whole,
    known_by_proxy,
    served,
    streamlit_run,
)
from hostile_builders import READS_AS_MORE, TURNED, WITHOUT_WIDTH, hostile_workspace
from playwright.sync_api import Browser, Page
from test_browser import CHROMIUM, FLAGS, browser, open_in, settle  # noqa: F401  one is a fixture

from pipeline.wiring import Workspace

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("demo")]
WATCH = (
    "addEventListener('securitypolicyviolation', e => console.error('VIOLATION', e.violatedDirective, e.blockedURI))"
)
ASKED_ON_THE_WAY = re.compile(r"/_stcore/(health|host-config)$")  # Streamlit asks below a page, too, where its root is
OPENS = """url => new Promise(done => {
    const socket = new WebSocket(url, ["streamlit"]);
    socket.onopen = () => done("open");
    socket.onerror = () => done("refused");
})"""
FETCHES = """([url, mode]) => fetch(url, {mode, credentials: "include"})
    .then(answer => `answered ${answer.status}`, () => "refused")"""


@pytest.fixture(scope="module")
def address(demo: Path) -> Iterator[str]:
    with served(demo) as url:
        yield url


def place(name: str) -> str:
    """A page in the desk's addresses."""
    return name.removeprefix("overview")


@contextmanager
def watched(browser: Browser, url: str, *, width: int = 1440) -> Iterator[tuple[Page, list[str]]]:  # noqa: F811
    """A page, fully drawn, and what the console complained of."""
    page, complaints = browser.new_page(viewport={"width": width, "height": 900}), list[str]()
    page.add_init_script(WATCH)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
    page.on(
        "console",
        lambda said: (
            complaints.append(said.text)
            if said.type == "error" and not ASKED_ON_THE_WAY.search(said.location["url"])
            else None
        ),
    )
    page.goto(url)
    settle(page)
    yield page, complaints
    page.close()


def open_everything(page: Page) -> None:
    """Whatever a page shows only when it is asked for."""
    page.evaluate("() => document.querySelectorAll('details:not([open]) > summary').forEach(each => each.click())")
    settle(page)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_drawn_whole_under_the_policy(name: str, address: str, browser: Browser) -> None:  # noqa: F811
    with watched(browser, f"{address}/{place(name)}") as (page, complaints):
        drawn_whole(page, name)
        open_everything(page)
        drawn_whole(page, name)
        assert complaints == []


def test_the_forms_and_the_files_work_under_the_policy(address: str, browser: Browser) -> None:  # noqa: F811
    with watched(browser, f"{address}/review") as (page, complaints):
        page.get_by_role("button", name="Reject…").click()
        page.get_by_role("dialog").get_by_role("textbox").fill("not sent")
        settle(page)
        assert complaints == []
    with watched(browser, f"{address}/ledger") as (page, complaints):
        with page.expect_download() as download:
            page.get_by_role("button", name="Export CSV").click()
        assert download.value.suggested_filename == "ledger.csv"
        assert complaints == []


def test_in_another_sites_frame_the_desk_stays_blank(address: str, browser: Browser) -> None:  # noqa: F811
    with a_site("<h1>a page like any other</h1>") as other, a_site(f"<iframe src={other}></iframe>") as around:
        page = browser.new_page()
        page.goto(around)
        page.frame_locator("iframe").get_by_role("heading").wait_for()
        page.close()
    with a_site(f"<iframe src={address}/review></iframe>") as around:
        page = browser.new_page()
        page.goto(around, wait_until="networkidle")
        assert page.frames[1].url.startswith("chrome-error:")
        assert page.frames[1].locator("body").inner_text().strip() in ("", "127.0.0.1 refused to connect.")
        page.close()


def test_another_site_opens_no_websocket_and_reads_nothing(address: str, browser: Browser) -> None:  # noqa: F811
    stream = f"{address.replace('http', 'ws')}/_stcore/stream"
    page, _ = open_in(browser, address, width=1440)
    assert page.evaluate(OPENS, stream) == "open"
    assert page.evaluate(FETCHES, [f"{address}/_stcore/host-config", "cors"]) == "answered 200"
    with a_site("<h1>elsewhere</h1>") as other:
        page.goto(other)
        assert page.evaluate(OPENS, stream) == "refused"
        for path in ("/", "/_stcore/health", "/_stcore/host-config", "/media/none.html"):
            for mode in ("cors", "no-cors"):
                assert page.evaluate(FETCHES, [f"{address}{path}", mode]) == "refused"
        page.goto(other.replace("127.0.0.1", "localhost"))
        assert page.evaluate(OPENS, stream) == "refused"
        assert page.evaluate(OPENS, stream.replace("127.0.0.1", "localhost")) == "refused"
    page.close()


@contextmanager
def believing(browser: Browser, name: str, *, at: str = "127.0.0.1") -> Iterator[Browser]:  # noqa: F811
    """A browser that takes a name for this machine, whoever's it is, and does not guard this machine itself."""
    flags = [*FLAGS, f"--host-resolver-rules=MAP {name} {at}", "--disable-features=LocalNetworkAccessChecks"]
    another = browser.browser_type.launch(executable_path=CHROMIUM, args=flags)
    yield another
    another.close()


def test_a_name_that_was_bound_to_this_machine_gets_nothing(address: str, browser: Browser) -> None:  # noqa: F811
    port = urlsplit(address).port
    with believing(browser, "evil.example") as fooled:
        page = fooled.new_page()
        answer = page.goto(f"http://evil.example:{port}/review")
        assert answer is not None
        assert answer.status == 403
        assert page.locator("body").inner_text().startswith("Mend's desk does not answer to this name")
        # Their page, from before the name was bound anew: the same origin as ours under that name, and no policy on it.
        page.route(f"http://evil.example:{port}/theirs", lambda route: route.fulfill(body="<h1>theirs</h1>"))
        page.goto(f"http://evil.example:{port}/theirs")
        assert page.evaluate(FETCHES, ["/_stcore/host-config", "cors"]) == "answered 403"
        assert page.evaluate(OPENS, f"ws://evil.example:{port}/_stcore/stream") == "refused"
        page.goto(f"http://localhost:{port}/review")
        settle(page)


def test_behind_tls_the_desk_opens_under_its_name_and_in_the_clear_it_does_not(
    workspace: Workspace,
    browser: Browser,  # noqa: F811
    tmp_path: Path,
) -> None:
    name, config = "desk.bank.example", config_of(workspace)
    known_by_proxy(config, approver="proxy#ann")
    add(config, f'hosts = ["{name}"]')
    tls, signed_in = a_certificate(tmp_path, name), {"X_Forwarded_User": "ann", "X_Proxy_Secret": SECRET}
    with a_desk(config, MEND_PROXY_SECRET=SECRET) as desk, believing(browser, name) as trusting:
        page = trusting.new_context(ignore_https_errors=True).new_page()
        with a_proxy(desk, tls=tls, **signed_in) as url:
            page.goto(url.replace("127.0.0.1", name))
            settle(page)
            page.get_by_text("Signed in by the proxy").wait_for()
        with a_proxy(desk, **signed_in) as url:
            page.goto(url.replace("127.0.0.1", name))
            assert (
                page.evaluate(OPENS, f"{url.replace('http://127.0.0.1', f'ws://{name}')}/_stcore/stream") == "refused"
            )
            assert page.get_by_role("heading", name="Overview").count() == 0


# --- text that wants to be more ------------------------------------------------------------------------------------

MADE_OF_TEXT = """() => [...document.querySelectorAll('*')].filter(each =>
    each.matches('img:not([src^="data:"]):not([src^="/"]):not([src^="http://127.0.0.1"])')
    || each.hasAttribute('onerror') || each.matches('.katex, [href^="javascript"], [href*="evil"], [href^="mailto:"]')
    || each.matches('script') && each.text.includes('alert(')
    || each.matches('[data-testid=stIconMaterial]') && each.innerText.includes('skull')
    || each.matches('b, h1, h2, h3, h4, li') && ['ann', 'd', 'e'].includes(each.innerText.trim())
    || each.matches('[class*=ColoredText]') && each.innerText === 'x'
).map(each => each.outerHTML.slice(0, 300))"""
SIDEWAYS = "main => main.scrollWidth - main.clientWidth"


def test_text_of_people_and_files_makes_nothing_asks_nobody_and_fits_a_phone(
    browser: Browser,  # noqa: F811
    tmp_path: Path,
) -> None:
    workspace, asked = hostile_workspace(tmp_path), list[str]()
    with (
        asked_for(asked) as port,
        believing(browser, "evil.example", at=f"127.0.0.1:{port}") as fooled,
        served(config_of(workspace)) as url,
    ):
        free = fooled.new_page()
        free.goto("about:blank")
        free.evaluate("() => fetch('http://evil.example/x.png').catch(() => null)")
        assert asked != []  # it would be seen
        asked.clear()
        for name in PAGES:
            for width in (1440, 390):
                with watched(fooled, f"{url}/{place(name)}", width=width) as (page, complaints):
                    open_everything(page)
                    drawn_whole(page, name)
                    where, told = f"{name} at {width}", page.locator("body").inner_text()
                    assert page.evaluate(MADE_OF_TEXT) == [], where
                    assert page.locator('[data-testid="stMain"]').evaluate(SIDEWAYS) <= 0, where
                    assert page.evaluate("() => document.documentElement.scrollWidth") <= width, where
                    assert TURNED not in told, where
                    assert WITHOUT_WIDTH not in told, where
                    if name not in ("ledger", "policy"):  # one has its texts in a canvas, the other has none of people
                        assert [token for token in READS_AS_MORE if token not in told] == [], where
                    assert [each for each in complaints if "VIOLATION" not in each and "evil.example" not in each] == []
                    picture(page, f"{name}-{width}")
        with watched(fooled, f"{url}/review?digest=<img src=x onerror=alert(4)>", width=390) as (page, complaints):
            page.get_by_role("button", name="Reject…").click()
            settle(page)
            form = page.get_by_role("dialog")
            form.get_by_role("combobox").click()
            page.get_by_role("option").first.wait_for()
            assert page.evaluate(MADE_OF_TEXT) == []
            assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
            page.keyboard.press("Escape")
            assert complaints == []
        assert asked == []
    workspace.ledger.engine.dispose()
    workspace.traffic.engine.dispose()


def picture(page: Page, name: str) -> None:
    """Keep what was seen, where somebody asks for it."""
    if folder := os.environ.get("MEND_PICTURES"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


# --- a bug of ours ------------------------------------------------------------------------------------------------

PLANTED = """
import streamlit as st

def broken():
    salary = 4711
    raise ValueError(f"salary {salary} of row17")

@st.dialog("A form")
def form():
    if st.button("In a form"):
        broken()

st.title("A page")
st.button("In a callback", on_click=broken)
if st.button("Open"):
    form()
if st.query_params.get("broken"):
    broken()
"""


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Our own desk.py beside an app.py that breaks, and what its server says."""
    folder = tmp_path_factory.mktemp("planted")
    shutil.copy(REPOSITORY / "dashboard" / "desk.py", folder)
    shutil.copytree(REPOSITORY / "dashboard" / ".streamlit", folder / ".streamlit")
    (folder / "app.py").write_text(PLANTED, encoding="utf-8")
    with streamlit_run(folder, log=folder / "log") as url:
        yield url, folder / "log"


@pytest.mark.parametrize("where", ["?broken=1", "In a callback", "In a form"])
def test_a_bug_is_one_line_with_a_number_and_the_log_has_the_rest_under_it(
    where: str,
    planted: tuple[str, Path],
    browser: Browser,  # noqa: F811
) -> None:
    (url, log), page = planted, browser.new_page()
    page.goto(f"{url}/{where}" if where.startswith("?") else url)
    if where == "In a form":
        page.get_by_role("button", name="Open").click()
    if not where.startswith("?"):
        page.get_by_role("button", name=where).click()
    line = page.locator('[data-testid="stAlertContentError"] p').inner_text(timeout=30_000)
    found = re.fullmatch(r"This page broke: a fault in Mend, number ([0-9a-f]{8})\. Reload the page\. .*", line)
    assert found is not None, line
    everything = page.content()
    for kept_back in ("Traceback", "ValueError", "4711", "row17", "app.py", str(log.parent)):
        assert kept_back not in everything
    told = log.read_text().split(f"fault {found[1]}\n", 1)[1]
    assert told.startswith("Traceback (most recent call last):")
    assert "ValueError: salary 4711 of row17" in told
    assert log.read_text().count(f"fault {found[1]}") == 1
    assert log.read_text().count("ValueError: salary") == len(re.findall("fault [0-9a-f]{8}", log.read_text()))
    page.close()


# --- cut off ------------------------------------------------------------------------------------------------------


def test_every_page_is_drawn_where_there_is_no_network(demo: Path) -> None:
    done = subprocess.run(
        ["unshare", "--net", "--map-root-user", sys.executable, Path(__file__).with_name("cut_off.py"), demo],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    if "unshare failed" in done.stderr or "Operation not permitted" in done.stderr:
        refused = f"no namespace without a network can be made here: {done.stderr.strip()}"
        if os.environ.get("MEND_REQUIRE_BROWSER") == "1":
            pytest.fail(f"MEND_REQUIRE_BROWSER=1, and {refused}")
        pytest.skip(f"NOT CUT OFF: {refused}")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["elsewhere"] == "Network is unreachable"
    assert set(told["drawn"]) == set(PAGES)
    assert told["complaints"] == []
