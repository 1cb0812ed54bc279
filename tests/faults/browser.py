"""A real dashboard and a real browser, and what people and machines do right after a click on Approve."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builders import HEAD, OFFICER, REPOSITORY
from dashboard_builders import a_cycle
from desk_builders import a_free_port, wait_for
from kills import on
from outcome import Outcome
from playwright.sync_api import Browser, Page, sync_playwright
from playwright.sync_api import Error as PageError
from processes import in_child
from stage import NOW, Stage, problems
from test_browser import CHROMIUM, FLAGS, choose, settle

from pipeline.wiring import Workspace

QUICK, FULL = 1, 10
# After the click, as shares of the time that an approval takes from click to record: before, within and after the act.
MOMENTS = (0.6, 3.0, 0.0, 0.9, 0.3, 0.8, 1.0, 0.95, 0.7, 1.2)
_PATIENCE_MS = 90_000.0  # of the browser, on a machine that is busy with other things
_LEAVES_WITHIN_S = 30.0  # a dashboard that was told to stop
_IN_FLIGHT_S = 5.0  # longer than an approval takes
_BECAME, _ASKS = "Version 2 became champion", "Version 2 → champion?"


@dataclass(kw_only=True)
class Desk:
    """A dashboard over a copy of the stage, and how to reach it with a browser."""

    config: Path
    digest: str
    browser: Browser
    port: int
    server: subprocess.Popen[bytes]

    def open(self) -> Page:
        """The page of version 2's dossier, in a session of its own."""
        page = self.browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        page.set_default_timeout(_PATIENCE_MS)
        page.goto(f"http://127.0.0.1:{self.port}/review?digest={self.digest}")
        settle(page)
        return page

    def written(self, who: str = OFFICER) -> Page:
        """The same with the form filled in, ready to be sent."""
        page = self.open()
        page.get_by_role("button", name="Approve…").click()
        choose(page, who)
        page.get_by_role("dialog").get_by_role("textbox").fill(f"signed by {who}")
        return page

    def restart(self) -> None:
        """Start it again if it is gone."""
        if self.server.poll() is not None:
            self.server = _started(self.config, self.port)


Scenario = Callable[[Desk, float], list[str]]


def outcomes(stage: Stage, *, quick: bool) -> Iterator[Outcome]:
    """A row for each scenario."""
    usual_s = None if CHROMIUM is None else _usual_s(stage)
    for fault, scenario in SCENARIOS.items():
        yield tried(stage, fault, scenario, QUICK if quick else FULL, usual_s)


def tried(stage: Stage, fault: str, scenario: Scenario, tries: int, usual_s: float | None) -> Outcome:
    """One scenario, so many times, each on a desk of its own and with another delay after the click."""
    if usual_s is None:
        return Outcome(fault=fault, stores=stage.name, tries=0, seen="NOT RUN: no Chromium; apt install chromium")
    found, kept = [], 0
    with _a_browser() as browser:
        for share in (MOMENTS * tries)[:tries]:
            delay_s = share * usual_s
            with _a_desk(stage, browser) as desk:
                wrong, signed = _once(desk, scenario, delay_s)
                kept += signed
                found += [f"{delay_s:.2f} s after the click: {line}" for line in wrong[:1]]
    if not kept and tries > 1:
        found.append("no fault: no click ever reached the ledger")
    return Outcome(
        fault=f"dashboard: {fault}",
        stores=stage.name,
        tries=tries,
        seen=f"on record after {kept} of {tries}, and then the page said so; after the others it still asked, and the "
        "next click signed; one promotion and one record each time",
        problems=tuple(found),
    )


@contextmanager
def _a_browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def _usual_s(stage: Stage) -> float:
    """How long it takes here from a click to the record, when nothing goes wrong."""
    with _a_browser() as browser, _a_desk(stage, browser) as desk:
        page = desk.written()
        _click(page)
        began = time.monotonic()
        while not _did(desk.config, lambda ws: len(ws.ledger.acts("decision"))):
            if time.monotonic() - began > 60:
                raise TimeoutError("an approval by the page does not reach the ledger")
            time.sleep(0.02)
        return time.monotonic() - began


def _once(desk: Desk, scenario: Scenario, delay_s: float) -> tuple[list[str], bool]:
    """What did not hold, and whether the click reached the ledger."""
    signed = False
    try:
        wrong = scenario(desk, delay_s)
        _settled(desk)
        signed = bool(_did(desk.config, lambda ws: len(ws.ledger.acts("decision"))))
        return wrong + _afterwards(desk, signed=signed), signed
    except PageError as error:
        return [f"the page is not as expected: {' '.join(str(error).split())[:200]}"], signed


def _tab_closed(desk: Desk, delay_s: float) -> list[str]:
    page = desk.written()
    _click(page)
    time.sleep(delay_s)
    page.close()
    return []


def _reloaded(desk: Desk, delay_s: float) -> list[str]:
    page = desk.written()
    _click(page)
    time.sleep(delay_s)
    page.reload()
    settle(page)
    return _no_exception(page)


def _two_people(desk: Desk, _delay_s: float) -> list[str]:
    answers, decisions, refused = _two_tabs(desk, HEAD)
    told = [text for text in answers if "Not decided" in text]
    wrong = [] if len(decisions) == 1 else [f"{len(decisions)} decisions"]
    wrong += [] if len(told) == 1 and decisions[0] in told[0] else [f"the loser is not told who won: {answers}"]
    return wrong + ([] if refused == 1 else [f"{refused} refusals on record, expected 1"])


def _one_person(desk: Desk, _delay_s: float) -> list[str]:
    answers, decisions, refused = _two_tabs(desk, OFFICER)
    wrong = [] if len(decisions) == 1 else [f"{len(decisions)} decisions"]
    if refused or any("Not decided" in text for text in answers):
        wrong.append(f"the same act twice was refused: {answers}")
    return wrong


def _two_tabs(desk: Desk, second: str) -> tuple[list[str], list[str], int]:
    """Two forms, filled in and sent at once: what the pages answer, who decided, how many refusals are on record."""
    pages = [desk.written(OFFICER), desk.written(second)]
    for page in pages:
        _click(page)
    answers = [_answer(page) for page in pages]
    decisions = _did(desk.config, lambda ws: [made["actor"] for made in ws.ledger.acts("decision")])
    return answers, decisions, _did(desk.config, lambda ws: len(ws.ledger.entries(kind="refused_decision")))


def _stopped(desk: Desk, delay_s: float) -> list[str]:
    return _signalled(desk, delay_s, signal.SIGTERM)


def _killed(desk: Desk, delay_s: float) -> list[str]:
    return _signalled(desk, delay_s, signal.SIGKILL)


SCENARIOS: dict[str, Scenario] = {
    "the tab is closed right after the click": _tab_closed,
    "the page is reloaded right after the click": _reloaded,
    "two people sign the same dossier in two tabs": _two_people,
    "one person signs it in two tabs": _one_person,
    "SIGTERM right after the click": _stopped,
    "SIGKILL right after the click": _killed,
}


def _signalled(desk: Desk, delay_s: float, what: signal.Signals) -> list[str]:
    page = desk.written()
    _click(page)
    time.sleep(delay_s)
    desk.server.send_signal(what)
    try:
        desk.server.wait(_LEAVES_WITHIN_S)
    except subprocess.TimeoutExpired:
        desk.server.kill()
        desk.server.wait()
        return [f"still there {_LEAVES_WITHIN_S:g} s after {what.name}"]
    finally:
        page.close()
    return []


def _click(page: Page) -> None:
    """Send the form, and do not wait for what comes of it."""
    page.get_by_role("dialog").get_by_role("button", name="Approve", exact=True).click(no_wait_after=True)


def _answer(page: Page) -> str:
    """What a page says became of the click."""
    said = page.get_by_text("Not decided").or_(page.get_by_role("heading", name=_BECAME))
    said.first.wait_for(timeout=60_000)
    return str(said.first.inner_text())


def _afterwards(desk: Desk, *, signed: bool) -> list[str]:
    """The page, after a restart if there was need of one, says what happened; and a click signs what was not signed."""
    desk.restart()
    page = desk.open()
    wrong = _no_exception(page)
    told = page.get_by_role("heading", level=1).first.inner_text()
    if told != (_BECAME if signed else _ASKS):
        wrong.append(f"signed: {signed}, and the page says {told!r}")
    page.close()
    if not signed:
        page = desk.written()
        _click(page)
        if "Not decided" in (answer := _answer(page)):
            wrong.append(f"not signed, and a new click is refused: {answer}")
        page.close()
    wrong += _did(desk.config, lambda ws: problems(ws, expected={"2"}))
    acts = _did(desk.config, lambda ws: [len(ws.ledger.acts(kind)) for kind in ("decision", "champion")])
    if acts != [1, 2]:
        wrong.append(f"{acts[0]} decisions and {acts[1]} champions on record, expected 1 and 2")
    return wrong


def _no_exception(page: Page) -> list[str]:
    return ["the page shows an exception"] if page.locator('[data-testid="stException"]').count() else []


def _settled(desk: Desk) -> None:
    """An approval that was under way has ended: it is on record, or its time is over."""
    deadline = time.monotonic() + _IN_FLIGHT_S
    while time.monotonic() < deadline and desk.server.poll() is None:
        if _did(desk.config, lambda ws: len(ws.ledger.acts("decision"))):
            return
        time.sleep(0.5)


def _did(config: Path, act: Callable[[Workspace], Any]) -> Any:
    answer = in_child(lambda: on(config, act))
    assert "value" in answer, answer
    return answer["value"]


@contextmanager
def _a_desk(stage: Stage, browser: Browser) -> Iterator[Desk]:
    with stage.copy() as config:
        _did(config, lambda ws: a_cycle(ws, NOW, status="stable"))  # its clock stands where dossiers can be signed
        port = a_free_port()
        desk = Desk(config=config, digest=stage.digests["2"], browser=browser, port=port, server=_started(config, port))
        try:
            yield desk
        finally:
            desk.server.kill()
            desk.server.wait()
            for context in browser.contexts:
                context.close()
            _quiet(config)


def _started(config: Path, port: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "pipeline", "--config", str(config), "dashboard", "--port", str(port)]
    quiet = subprocess.DEVNULL
    server = subprocess.Popen(command, cwd=REPOSITORY, stdout=quiet, stderr=quiet)
    wait_for(port)
    return server


def _quiet(config: Path) -> None:
    """Nobody works on this desk any more: the dashboard lets a process of its own tell the registry."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and any(_works_on(config)):
        time.sleep(0.2)


def _works_on(config: Path) -> Iterator[int]:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if int(process.name) != os.getpid() and str(config).encode() in (process / "cmdline").read_bytes():
                yield int(process.name)
        except OSError:
            continue  # it has ended
