"""The policy page in a real browser: a threshold moved by keyboard, its address sent on, and the way to the dossier."""

from __future__ import annotations

import pytest
from builders import a_dossier, judged
from dashboard_builders import config_of
from playwright.sync_api import Browser
from test_browser import browser, drawn, open_in, served, settle  # noqa: F401  a fixture

from pipeline.wiring import Workspace

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("demo")]


def test_a_threshold_is_moved_by_keyboard_its_link_can_be_sent_on_and_leads_to_the_dossier(
    workspace: Workspace,
    browser: Browser,  # noqa: F811
) -> None:
    digest = judged(workspace, a_dossier())
    before = workspace.ledger.entries()
    with served(config_of(workspace)) as url:
        page, seen = open_in(browser, f"{url}/policy", width=390)
        page.get_by_text("0 of 1 verdicts would be another.").wait_for(timeout=60_000)
        page.get_by_role("slider", name="min_samples").press("End")
        page.get_by_text("1 of 1 verdicts would be another.").wait_for(timeout=60_000)
        assert "min_samples=" in page.url
        page.goto(page.url)
        settle(page)
        page.get_by_text("1 of 1 verdicts would be another.").wait_for(timeout=60_000)
        page.wait_for_function("() => document.querySelectorAll('[data-testid=stVegaLiteChart] svg.marks').length >= 4")
        assert drawn(page) == 4
        with page.context.expect_page() as opened:
            page.get_by_role("link", name="version 2 against 1").click()
        dossier = opened.value
        settle(dossier)
        assert dossier.url == f"{url}/review?digest={digest}"
        assert dossier.get_by_text(digest[:8]).count()  # folded in among files and hashes
        page.context.close()
    assert seen["errors"] == []
    assert set(seen["hosts"]) <= {"127.0.0.1", ""}
    assert workspace.ledger.entries() == before
