"""Deciding in a real browser: by mouse and by keys, twice at once, two at once, and while the page is drawn anew."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest
from builders import AS_OF, HEAD, OFFICER, a_dossier, judged
from dashboard_builders import a_cycle, config_of
from desk_builders import served
from playwright.sync_api import Browser, Page, expect
from playwright.sync_api import TimeoutError as PageTimeoutError
from test_browser import browser, choose, open_in, settle

from pipeline.wiring import Workspace

__all__ = ["browser"]
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("demo")]
PULSE_MS = 60_000  # three pulses of the desk


def fill(page: Page, who: str, why: str) -> None:
    choose(page, who)
    page.get_by_role("dialog").get_by_role("textbox").fill(why)
    settle(page)


def press_until_open(page: Page, keys: str) -> None:
    """Open the form by its keys. A page that is just being drawn anew may miss them, as it would a person's."""
    for _ in range(5):
        page.keyboard.press(keys)
        with suppress(PageTimeoutError):
            page.get_by_role("dialog").wait_for(timeout=15_000)
            return
    raise AssertionError(f"{keys} opens no form")


def send(page: Page, verb: str) -> None:
    page.get_by_role("dialog").get_by_role("button", name=verb, exact=True).click()


def test_a_double_click_decides_once(workspace: Workspace, browser: Browser) -> None:
    judged(workspace, a_dossier())
    with served(config_of(workspace)) as url:
        page, seen = open_in(browser, f"{url}/review", width=1440)
        page.get_by_role("button", name="Reject…").click()
        fill(page, OFFICER, "clicked twice")
        page.get_by_role("dialog").get_by_role("button", name="Reject", exact=True).dblclick()
        page.get_by_role("heading", name="Version 2 was rejected").wait_for(timeout=60_000)
        page.close()
    assert [(made["verdict"], made["reason"]) for made in workspace.ledger.acts("decision")] == [
        ("rejected", "clicked twice")
    ]
    assert workspace.ledger.entries(kind="refused_decision") == []
    assert seen["errors"] == []


def test_keys_alone_approve_and_the_page_says_who_is_champion_since_when(
    workspace: Workspace, browser: Browser
) -> None:
    judged(workspace, a_dossier())
    with served(config_of(workspace)) as url:
        page, seen = open_in(browser, f"{url}/review", width=390)
        page.get_by_role("button", name="Approve…").wait_for()
        press_until_open(page, "Alt+a")
        assert workspace.ledger.acts("decision") == []
        settle(page)
        for _ in range(12):  # from wherever a dialog puts the focus
            if page.evaluate("() => document.activeElement.getAttribute('role')") == "combobox":
                break
            page.keyboard.press("Tab")
        page.keyboard.type(OFFICER)
        page.keyboard.press("Enter")
        settle(page)
        page.keyboard.press("Tab")
        for _ in range(6):
            if page.evaluate("() => document.activeElement.tagName") == "TEXTAREA":
                break
            page.keyboard.press("Tab")
        page.keyboard.type("better on every count")
        page.keyboard.press("Control+Enter")
        page.get_by_role("heading", name="Version 2 became champion").wait_for(timeout=60_000)
        said = page.get_by_text("On record: version 2 is champion since").inner_text()
        page.close()
    ((verdict, actor, reason),) = [
        (made["verdict"], made["actor"], made["reason"]) for made in workspace.ledger.acts("decision")
    ]
    assert (verdict, actor, reason) == ("approved", OFFICER, "better on every count")
    assert f"signed by {OFFICER}" in said
    assert seen["errors"] == []


def test_of_two_approvers_who_press_at_once_one_is_told_who_was_first(workspace: Workspace, browser: Browser) -> None:
    judged(workspace, a_dossier())
    with served(config_of(workspace)) as url:
        pages = [open_in(browser, f"{url}/review", width=1440)[0] for _ in range(2)]
        for page, button, who in zip(pages, ("Approve…", "Reject…"), (OFFICER, HEAD), strict=True):
            page.get_by_role("button", name=button).click()
            fill(page, who, f"so says {who}")
        for page, verb in zip(pages, ("Approve", "Reject"), strict=True):  # neither waits for an answer
            page.get_by_role("dialog").get_by_role("button", name=verb, exact=True).click(no_wait_after=True)
        won, lost = [], []
        for page in pages:
            answer = page.get_by_text("On record: ").or_(page.get_by_text("Not decided: ")).first
            answer.wait_for(timeout=60_000)
            (won if answer.inner_text().startswith("On record") else lost).append(answer.inner_text())
            page.close()
    (made,) = workspace.ledger.acts("decision")
    assert len(won) == len(lost) == 1
    assert f"already {made['verdict']} by {made['actor']}" in lost[0]
    assert workspace.require_champion()["version"] == ("2" if made["verdict"] == "approved" else "1")


def test_what_is_new_is_announced_without_disturbing_who_types(workspace: Workspace, browser: Browser) -> None:
    digest = judged(workspace, a_dossier())
    with served(config_of(workspace)) as url:
        page, seen = open_in(browser, f"{url}/review?digest={digest}", width=1440)
        page.get_by_role("button", name="Reject…").click()
        settle(page)
        text = page.get_by_role("dialog").get_by_role("textbox")
        text.click()
        page.keyboard.type("half a sen")
        a_cycle(workspace, AS_OF + timedelta(days=1), status="failed", note="drift.ipynb failed")
        page.get_by_text("Something was added to the record").wait_for(timeout=PULSE_MS, state="attached")
        page.keyboard.type("tence")
        expect(text).to_be_focused()
        assert text.input_value() == "half a sentence"
        page.close()
    assert seen["errors"] == []
